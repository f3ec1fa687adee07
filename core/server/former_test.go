package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"

	"github.com/takhost/takhost/core/pki"
)

// A certificate of the own authority lets nobody in who is no user, and during a
// rollover that authority is still the own one.
func TestFormerAuthorityIsNotForeign(t *testing.T) {
	srv := startServer(t, "tls")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := srv.pki.Sign(key.Public(), pki.Leaf{CommonName: "stranger"})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := srv.byCertificate(cert); err == nil {
		t.Fatalf("a stranger comes in as %+v", c)
	}
	if err := srv.pki.Rollover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c, err := srv.byCertificate(cert); err == nil {
		t.Errorf("during the rollover a stranger comes in as %+v", c)
	}
}
