package onboard

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	pkcs12 "software.sslmate.com/src/go-pkcs12"
)

const password = "atakatak"

// authority is a certificate authority for tests, with keys that are quick to make.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	key := newKey(t)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return authority{sign(t, tmpl, tmpl, &key.PublicKey, key), key}
}

func (a authority) leaf(t *testing.T, name string, use x509.ExtKeyUsage) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key := newKey(t)
	return sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{use},
	}, a.cert, &key.PublicKey, a.key), key
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, tmpl, parent *x509.Certificate, pub *ecdsa.PublicKey, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, pub, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func (a authority) trust(t *testing.T, more ...authority) []byte {
	t.Helper()
	certs := []*x509.Certificate{a.cert}
	for _, m := range more {
		certs = append(certs, m.cert)
	}
	p12, err := pkcs12.LegacyDES.EncodeTrustStore(certs, password)
	if err != nil {
		t.Fatal(err)
	}
	return p12
}

func (a authority) client(t *testing.T, name string, use x509.ExtKeyUsage) []byte {
	t.Helper()
	cert, key := a.leaf(t, name, use)
	p12, err := pkcs12.LegacyDES.Encode(key, cert, []*x509.Certificate{a.cert}, password)
	if err != nil {
		t.Fatal(err)
	}
	return p12
}
