package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// writePair writes a certificate of that name with its key.
func writePair(t *testing.T, cert, key, name string, at time.Time) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFilePair(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "web.pem"), filepath.Join(dir, "web.key")
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	if _, err := openPair(cert, key, log); err == nil {
		t.Fatal("files that are not there were read")
	}
	start := time.Now().Add(-time.Hour)
	writePair(t, cert, key, "first", start)
	p, err := openPair(cert, key, log)
	if err != nil {
		t.Fatal(err)
	}
	is := func(want string) {
		t.Helper()
		p.looked = time.Time{} // as if the last look were long ago
		got, err := p.certificate(nil)
		if err != nil || got.Leaf.Subject.CommonName != want {
			t.Errorf("got %v, %v, want %s", got.Leaf.Subject, err, want)
		}
	}
	is("first")

	// A renewal that is half written: the certificate before stays.
	if err := os.WriteFile(cert, []byte("not yet"), 0o600); err != nil {
		t.Fatal(err)
	}
	is("first")
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	is("first")
	writePair(t, cert, key, "second", start.Add(time.Minute))
	is("second")
}
