package pki

import (
	"crypto/x509"
	"errors"
	"strings"
	"time"
)

// Reason says in few words why a client's certificate was refused.
type Reason string

// What is wrong with a client's certificate. ReasonRefused is the verdict of
// TLSOptions.Verify, unless its error has a reason of its own.
const (
	ReasonNone    Reason = "no certificate"
	ReasonExpired Reason = "expired"
	ReasonEarly   Reason = "not yet valid"
	ReasonForeign Reason = "foreign CA"
	ReasonRevoked Reason = "revoked"
	ReasonUse     Reason = "not for clients"
	ReasonBroken  Reason = "not a good certificate"
	ReasonRefused Reason = "refused"
)

// HandshakeError is why a client was refused in the handshake. In TLS 1.3 the
// client has not yet proved that it owns the certificate: nothing may be held
// against its user.
type HandshakeError struct {
	Reason  Reason
	Subject string // empty without a certificate
	Issuer  string
	Serial  string // hexadecimal, lower case
	Err     error  // more about it, or nil
}

func (e *HandshakeError) Error() string {
	var b strings.Builder
	b.WriteString("client certificate: ")
	if e.Reason == ReasonNone {
		return "client certificate: none was sent"
	}
	b.WriteString(string(e.Reason))
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	b.WriteString(" (" + e.Subject + ", serial " + e.Serial + ", issued by " + e.Issuer + ")")
	return b.String()
}

func (e *HandshakeError) Unwrap() error { return e.Err }

// HandshakeReason lets packages that do not know this one log the reason.
func (e *HandshakeError) HandshakeReason() string { return string(e.Reason) }

// VerifyClient checks a client's certificate as handshakes do, such as one that
// a proxy forwards; what follows the first are intermediate ones. The error is a
// *HandshakeError.
func (p *PKI) VerifyClient(certs ...*x509.Certificate) error { return p.verify(certs, nil) }

func (p *PKI) verify(certs []*x509.Certificate, further func(*x509.Certificate) error) error {
	err := p.judge(certs, further)
	if err == nil {
		return nil
	}
	p.metrics.refuse(err.Reason)
	return err
}

func (p *PKI) judge(certs []*x509.Certificate, further func(*x509.Certificate) error) *HandshakeError {
	if len(certs) == 0 {
		return &HandshakeError{Reason: ReasonNone}
	}
	c := certs[0]
	refuse := func(r Reason, err error) *HandshakeError {
		return &HandshakeError{Reason: r, Subject: nameOf(c), Issuer: clean(c.Issuer.String()), Serial: c.SerialNumber.Text(16), Err: err}
	}
	s, now := p.state.Load(), p.now()
	if reason, err := s.chains(certs, now); err != nil {
		return refuse(reason, err)
	}
	if s.revoked.has(c) {
		return refuse(ReasonRevoked, nil)
	}
	if further == nil {
		return nil
	}
	if err := further(c); err != nil {
		reason := ReasonRefused
		var own interface{ HandshakeReason() string }
		if errors.As(err, &own) {
			reason = Reason(own.HandshakeReason())
		}
		return refuse(reason, err)
	}
	return nil
}

// chains looks for a way from a certificate to an authority that is trusted. A
// certificate without extended key usage, such as FreeTAKServer's, is for every
// use (spec/certs.md 2).
func (s *state) chains(certs []*x509.Certificate, now time.Time) (Reason, error) {
	opt := x509.VerifyOptions{
		Roots:         s.pool,
		Intermediates: x509.NewCertPool(),
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, c := range certs[1:] {
		opt.Intermediates.AddCert(c)
	}
	c := certs[0]
	_, err := c.Verify(opt)
	if err == nil {
		return "", nil
	}
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown):
		return ReasonForeign, errors.New("the issuer is not trusted here")
	case !errors.As(err, &invalid):
		return ReasonBroken, err
	case invalid.Reason == x509.IncompatibleUsage:
		return ReasonUse, errors.New("its extended key usage has no clientAuth")
	case invalid.Reason != x509.Expired:
		return ReasonBroken, err
	}
	// The time is looked at first. Whose certificate it is matters more.
	opt.CurrentTime = c.NotAfter
	if _, err := c.Verify(opt); errors.As(err, &unknown) {
		return ReasonForeign, errors.New("the issuer is not trusted here")
	}
	switch {
	case now.Before(c.NotBefore):
		return ReasonEarly, errors.New("begins on " + c.NotBefore.UTC().Format(time.RFC3339))
	case now.After(c.NotAfter):
		return ReasonExpired, errors.New("ended on " + c.NotAfter.UTC().Format(time.RFC3339))
	}
	return ReasonExpired, errors.New("an authority above it is not valid now")
}
