// Package acme gets the certificate of the web listener from an ACME authority
// such as Let's Encrypt, and renews it. It answers the challenges http-01 (on a
// listener of its own, or as a handler in another one) and tls-alpn-01 (in the
// web listener's handshakes).
//
// It never makes the server wait: until there is a certificate, Certificate
// answers ErrNone and the caller serves another one. Its goroutines start with
// Start and end with Close. All methods are safe for concurrent use.
package acme
