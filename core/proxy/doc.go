// Package proxy finds out who is behind a reverse proxy: by the PROXY protocol
// in front of a connection (versions 1 and 2 of haproxy's proxy-protocol.txt),
// by the headers X-Forwarded-* and Forwarded of a request, and by a header that
// carries the certificate with which a client came to the proxy.
//
// Nothing of that is believed unless it comes from an address of a Trusted. Who
// is trusted can claim to be any address and any client, so a proxy in that list
// must set or remove all these headers itself, whatever its client sent.
//
// The package opens no sockets, verifies no certificate and knows no users. A
// Trusted never changes; all functions are safe for concurrent use. A listener
// of Listener waits for headers in goroutines of its own, which end with Close.
package proxy
