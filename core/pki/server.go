package pki

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"
)

// openServer takes the server's certificate that was made here, if it is good
// enough for check to look at.
func (p *PKI) openServer() {
	cert, key, err := p.readServer()
	if err != nil {
		p.log.Warn("the server's certificate is made anew", "err", err)
	} else if cert != nil {
		p.update(func(s *state) { s.server = serving(cert, key) })
	}
}

// readServer reads the certificate that was made here; nil when there is none.
func (p *PKI) readServer() ([]*x509.Certificate, crypto.Signer, error) {
	certPEM, err := p.dir.read("server.pem")
	if err != nil {
		return nil, nil, err
	}
	keyPEM, err := p.dir.read("server.key")
	if err != nil || certPEM == nil && keyPEM == nil {
		return nil, nil, err
	}
	if certPEM == nil || keyPEM == nil {
		return nil, nil, errors.New("of server.pem and server.key there is one alone")
	}
	return parsePair("server.pem", certPEM, "server.key", keyPEM)
}

func parsePair(certName string, certPEM []byte, keyName string, keyPEM []byte) ([]*x509.Certificate, crypto.Signer, error) {
	certs, err := parseCerts(certPEM)
	if err != nil {
		return nil, nil, fmt.Errorf("%s %w", certName, err)
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, nil, fmt.Errorf("%s %w", keyName, err)
	}
	if !fits(certs[0], key) {
		return nil, nil, fmt.Errorf("%s is not the key of the first certificate in %s", keyName, certName)
	}
	return certs, key, nil
}

// serving leaves out roots: who trusts one has it.
func serving(certs []*x509.Certificate, key crypto.Signer) *tls.Certificate {
	c := &tls.Certificate{PrivateKey: key, Leaf: certs[0]}
	for i, x := range certs {
		if i == 0 || !bytes.Equal(x.RawIssuer, x.RawSubject) {
			c.Certificate = append(c.Certificate, x.Raw)
		}
	}
	return c
}

// serverIssuer: in a rollover the former authority still signs for the server,
// as all phones know it and only new ones know the current.
func (s *state) serverIssuer(now time.Time) *authority {
	if s.former != nil && now.Before(s.former.cert.NotAfter) {
		return s.former
	}
	return s.current
}

// renewServer makes the server's certificate anew when that is due. The caller
// holds work.
func (p *PKI) renewServer() error {
	s, now := p.state.Load(), p.now()
	names := p.names()
	issuer := s.serverIssuer(now)
	why := p.dueServer(s, issuer, names, now)
	if why == "" {
		return nil
	}
	key, err := p.newKey()
	if err != nil {
		return fmt.Errorf("make the server's key: %w", err)
	}
	cert, err := p.sign(issuer, key.Public(), Leaf{CommonName: names.cn, Server: true, DNS: names.dns, IPs: names.ips})
	if err != nil {
		return fmt.Errorf("make the server's certificate: %w", err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return err
	}
	chain := append([]*x509.Certificate{cert}, issuer.all()...)
	// It is served even when the disk takes no more: the next start makes another.
	err = p.dir.write(file{"server.key", keyPEM}, file{"server.pem", encodeCerts(chain...)})
	p.update(func(s *state) { s.server = serving(chain, key) })
	p.log.Info("made the server's certificate", "why", why, "names", names.String(), "ends", cert.NotAfter)
	if err != nil {
		return fmt.Errorf("write the server's certificate: %w", err)
	}
	return nil
}

// dueServer says why the server's certificate has to be made anew, or nothing.
func (p *PKI) dueServer(s *state, issuer *authority, names names, now time.Time) string {
	if s.server == nil {
		return "there is none"
	}
	c := s.server.Leaf
	_, end := p.span(p.opt.ServerLife)
	if end.After(issuer.cert.NotAfter) {
		end = issuer.cert.NotAfter
	}
	switch {
	case !bytes.Equal(c.RawIssuer, issuer.cert.RawSubject) || c.CheckSignatureFrom(issuer.cert) != nil:
		return "another authority signs"
	case s.revoked.has(c):
		return "it was revoked"
	case !names.of(c):
		return "the names changed"
	case now.Before(c.NotBefore):
		return "it begins later than now"
	// Nothing is gained near the end of the authority.
	case c.NotAfter.Sub(now) < p.opt.ServerLife/3 && end.Sub(c.NotAfter) > time.Hour:
		return "it ends soon"
	}
	return ""
}

// loadBrought reads the operator's certificate.
func (p *PKI) loadBrought() error {
	f := p.opt.Server
	certPEM, err := os.ReadFile(f.Cert)
	if err != nil {
		return fmt.Errorf("the server's certificate: %w", err)
	}
	keyPEM, err := os.ReadFile(f.Key)
	if err != nil {
		return fmt.Errorf("the key of the server's certificate: %w", err)
	}
	certs, key, err := parsePair(f.Cert, certPEM, f.Key, keyPEM)
	if err != nil {
		return err
	}
	chain, ok := p.anchors(certs)
	if !ok {
		p.log.Warn("phones cannot verify the operator's server certificate by what they get here: put its root at the end of the file",
			"file", f.Cert, "name", nameOf(certs[0]))
	}
	p.update(func(s *state) { s.server, s.chain = serving(certs, key), chain })
	p.log.Info("the server's certificate is the operator's", "file", f.Cert, "name", nameOf(certs[0]), "ends", certs[0].NotAfter)
	if lack := p.names().lacking(certs[0]); len(lack) > 0 {
		p.log.Warn("the operator's server certificate lacks names under which clients reach the server", "file", f.Cert, "lacking", lack)
	}
	return nil
}

// anchors are what a phone needs to trust an operator's certificate, and whether
// they go up to a root.
func (p *PKI) anchors(certs []*x509.Certificate) (chain []*x509.Certificate, ok bool) {
	last := certs[len(certs)-1]
	if bytes.Equal(last.RawIssuer, last.RawSubject) {
		if len(certs) > 1 {
			certs = certs[1:]
		} // else it signed itself and is its own anchor
		return certs, true
	}
	opt := x509.VerifyOptions{Intermediates: x509.NewCertPool(), CurrentTime: p.now()}
	for _, c := range certs[1:] {
		opt.Intermediates.AddCert(c)
	}
	found, err := certs[0].Verify(opt) // by the public authorities
	if err != nil {
		return certs[1:], false
	}
	return found[0][1:], true
}
