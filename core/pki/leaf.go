package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net"
	"time"
	"unicode/utf8"
)

// oidChannels marks a certificate whose user may choose channels
// (spec/tak-marti.md 4, 5).
var oidChannels = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 7}

// Leaf says what a certificate is to hold.
type Leaf struct {
	CommonName string        // of a client the login name; at most 64 letters
	Life       time.Duration // 0: as in Options. It ends with the authority at the latest
	Channels   bool          // the extended key usage of channels
	Server     bool          // for a server instead of a client
	DNS        []string      // of a server
	IPs        []net.IP
}

// Sign makes a certificate for a key, by the current authority.
func (p *PKI) Sign(pub crypto.PublicKey, l Leaf) (*x509.Certificate, error) {
	return p.sign(p.state.Load().current, pub, l)
}

func (p *PKI) sign(a *authority, pub crypto.PublicKey, l Leaf) (*x509.Certificate, error) {
	if err := checkKey(pub); err != nil {
		return nil, err
	}
	switch n := utf8.RuneCountInString(l.CommonName); {
	case n == 0:
		return nil, errors.New("a certificate needs a name (CN)")
	case n > maxCN:
		return nil, fmt.Errorf("the name of a certificate (CN) has %d letters: %d is the most", n, maxCN)
	case l.Life < 0:
		return nil, fmt.Errorf("a life of %v", l.Life)
	}
	life := l.Life
	switch {
	case life == 0 && l.Server:
		life = p.opt.ServerLife
	case life == 0:
		life = p.opt.ClientLife
	}
	from, to := p.span(life)
	if to.After(a.cert.NotAfter) {
		to = a.cert.NotAfter
	}
	if !to.After(p.now()) {
		return nil, fmt.Errorf("the authority %s ended on %s and signs no more", nameOf(a.cert), a.cert.NotAfter.Format(time.DateOnly))
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: serial,
		Subject: pkix.Name{
			Organization:       []string{p.opt.Organization},
			OrganizationalUnit: []string{p.opt.Unit},
			CommonName:         l.CommonName,
		},
		NotBefore: from, NotAfter: to,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		DNSNames:              l.DNS,
		IPAddresses:           l.IPs,
	}
	if _, ok := pub.(*rsa.PublicKey); ok {
		tmpl.KeyUsage |= x509.KeyUsageKeyEncipherment // RSA key exchange of TLS 1.2
	}
	if l.Server {
		tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	if l.Channels {
		tmpl.UnknownExtKeyUsage = []asn1.ObjectIdentifier{oidChannels}
	}
	if tmpl.SubjectKeyId, err = keyID(pub); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, pub, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate of %s: %w", l.CommonName, err)
	}
	return x509.ParseCertificate(der)
}

// maxCN is ub-common-name of RFC 5280.
const maxCN = 64

// span is from when to when something made now is good.
func (p *PKI) span(life time.Duration) (from, to time.Time) {
	now := p.now().UTC().Truncate(time.Second)
	return now.Add(-backdate), now.Add(life)
}
