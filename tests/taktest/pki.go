package taktest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/takhost/takhost/core/config"
)

// PKI is a certificate authority for one test, with a certificate for a server
// on loopback.
type PKI struct {
	Files config.TLS // for the server

	ca   *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

// NewPKI makes one. Its files go with the test.
func NewPKI(t testing.TB) *PKI {
	t.Helper()
	p := &PKI{}
	root := template("taktest CA")
	root.IsCA, root.BasicConstraintsValid, root.KeyUsage = true, true, x509.KeyUsageCertSign
	var der []byte
	der, p.key = p.issue(t, root)
	p.ca = parse(t, der)
	p.pool = x509.NewCertPool()
	p.pool.AddCert(p.ca)

	server := template("localhost")
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server.DNSNames, server.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	cert, key := p.issue(t, server)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p.Files = config.TLS{
		Cert:     writePEM(t, dir, "server.pem", "CERTIFICATE", cert),
		Key:      writePEM(t, dir, "server.key", "PRIVATE KEY", secret),
		ClientCA: writePEM(t, dir, "ca.pem", "CERTIFICATE", p.ca.Raw),
	}
	return p
}

// Client gives the configuration of a client with a certificate of that user;
// without a user it has none.
func (p *PKI) Client(t testing.TB, user string) *tls.Config {
	t.Helper()
	conf := &tls.Config{RootCAs: p.pool, MinVersion: tls.VersionTLS12}
	if user != "" {
		c := template(user)
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		der, key := p.issue(t, c)
		conf.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	}
	return conf
}

// template is valid since two days ago, as takhost's own certificates are.
func template(cn string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: cn},
		NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

// issue signs c with the authority's key, or with its own before there is one.
func (p *PKI) issue(t testing.TB, c *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, parent := p.key, p.ca
	if signer == nil {
		signer, parent = key, c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return der, key
}

func parse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func writePEM(t testing.TB, dir, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
