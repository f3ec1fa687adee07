package pki

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// authority is a certificate that signs others, with its key.
type authority struct {
	cert  *x509.Certificate
	chain []*x509.Certificate // above cert, its issuer first; empty for a root
	key   crypto.Signer
	files [2][]byte // NAME.pem and NAME.key as they are

	// listed is what a revocation list in the authority's own file says, which
	// FreeTAKServer keeps there. It stays revoked whatever Revoke is told.
	listed []Revoked
}

func (a *authority) all() []*x509.Certificate {
	return append([]*x509.Certificate{a.cert}, a.chain...)
}

// as gives the authority's files under a name.
func (a *authority) as(name string) []file {
	return []file{{name + ".key", a.files[1]}, {name + ".pem", a.files[0]}}
}

// gone removes an authority's files.
func gone(name string) []file { return []file{{name + ".key", nil}, {name + ".pem", nil}} }

// openAuthority reads NAME.pem and NAME.key; nil when there is neither.
func (p *PKI) openAuthority(name string) (*authority, error) {
	certs, err := p.dir.read(name + ".pem")
	if err != nil {
		return nil, err
	}
	key, err := p.dir.read(name + ".key")
	if err != nil {
		return nil, err
	}
	have, lack := name+".pem", name+".key"
	if certs == nil {
		have, lack = lack, have
	}
	switch {
	case certs == nil && key == nil:
		return nil, nil
	case certs == nil || key == nil:
		return nil, fmt.Errorf("there is %s but no %s: half an authority is of no use. Put %s beside it, or take %s away", have, lack, lack, have)
	}
	a, err := parseAuthority(name, certs, key)
	if err != nil {
		return nil, err
	}
	now := p.now()
	if now.After(a.cert.NotAfter) && name == "ca" {
		return nil, fmt.Errorf("ca.pem ended on %s: bring another authority, or move %s.pem and %s.key away and start again; then all clients have to enrol anew",
			a.cert.NotAfter.Format(time.DateOnly), name, name)
	}
	if now.Before(a.cert.NotBefore) {
		return nil, fmt.Errorf("%s.pem is not valid before %s: is the clock of this machine right?", name, a.cert.NotBefore.Format(time.RFC3339))
	}
	return a, nil
}

// parseAuthority checks a pair that anybody may have put there.
func parseAuthority(name string, certPEM, keyPEM []byte) (*authority, error) {
	certs, err := parseCerts(certPEM)
	if err != nil {
		return nil, fmt.Errorf("%s.pem: %w", name, err)
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("%s.key: %w", name, err)
	}
	a := &authority{key: key, files: [2][]byte{certPEM, keyPEM}}
	for i, c := range certs {
		if fits(c, key) {
			a.cert = c
			certs = append(certs[:i:i], certs[i+1:]...)
			break
		}
	}
	if a.cert == nil {
		return nil, fmt.Errorf("%s.key is not the key of any certificate in %s.pem", name, name)
	}
	if err := checkAuthority(a.cert); err != nil {
		return nil, fmt.Errorf("%s.pem: %w", name, err)
	}
	if a.chain, err = order(a.cert, certs); err != nil {
		return nil, fmt.Errorf("%s.pem: %w", name, err)
	}
	if a.listed, err = listedIn(certPEM, a.cert); err != nil {
		return nil, fmt.Errorf("%s.pem: %w", name, err)
	}
	return a, nil
}

func checkAuthority(c *x509.Certificate) error {
	switch {
	case !c.BasicConstraintsValid || !c.IsCA:
		return fmt.Errorf("the certificate of %s is not one of an authority (basicConstraints CA:TRUE)", nameOf(c))
	case hasKeyUsage(c) && c.KeyUsage&x509.KeyUsageCertSign == 0:
		return fmt.Errorf("the certificate of %s may not sign others (keyUsage keyCertSign)", nameOf(c))
	case len(c.Subject.ToRDNSequence()) == 0:
		return errors.New("the authority has no name (subject)")
	}
	return nil
}

// order puts the rest of a file into the order of a chain above c.
func order(c *x509.Certificate, rest []*x509.Certificate) (chain []*x509.Certificate, err error) {
	rest = unique(rest)
	for len(rest) > 0 {
		issuer := -1
		for i, r := range rest {
			if bytes.Equal(c.RawIssuer, r.RawSubject) && c.CheckSignatureFrom(r) == nil {
				issuer = i
				break
			}
		}
		if issuer < 0 {
			return nil, fmt.Errorf("the certificate of %s is no link of the chain above %s: take it out", nameOf(rest[0]), nameOf(c))
		}
		c = rest[issuer]
		chain = append(chain, c)
		rest = append(rest[:issuer:issuer], rest[issuer+1:]...)
	}
	return chain, nil
}

// makeFirst makes the authority of a new installation.
func (p *PKI) makeFirst() (*authority, error) {
	key, err := p.newKey()
	if err != nil {
		return nil, err
	}
	a, err := p.makeAuthority(key)
	if err != nil {
		return nil, err
	}
	if err := p.dir.write(a.as("ca")...); err != nil {
		return nil, err
	}
	p.log.Info("made a certificate authority", "name", nameOf(a.cert), "ends", a.cert.NotAfter)
	return a, nil
}

// bornAfter: a machine without a clock of its own starts in 1970, and what is
// made then has ended when the time service has come.
var bornAfter = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// makeAuthority makes a root. Its name has a random part: two authorities of one
// name would be taken for one another, in a rollover and on phones that know
// several servers.
func (p *PKI) makeAuthority(key crypto.Signer) (*authority, error) {
	if now := p.now(); now.Before(bornAfter) {
		return nil, fmt.Errorf("the clock of this machine says %s: set it first", now.Format(time.RFC3339))
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	from, to := p.span(p.opt.CALife)
	tmpl := &x509.Certificate{
		SerialNumber: serial,
		Subject: pkix.Name{
			Organization:       []string{p.opt.Organization},
			OrganizationalUnit: []string{p.opt.Unit},
			CommonName:         "takhost CA " + hex.EncodeToString(serial.Bytes()[1:5]),
		},
		NotBefore: from, NotAfter: to,
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if tmpl.SubjectKeyId, err = keyID(key.Public()); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{cert: cert, key: key, files: [2][]byte{encodeCerts(cert), keyPEM}}, nil
}
