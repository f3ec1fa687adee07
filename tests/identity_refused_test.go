package tests

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// forge signs a certificate of that name with the server's own authority, behind
// the server's back, as whoever has stolen its key could.
func forge(t *testing.T, srv *taktest.Server, user string, change func(*x509.Certificate)) *takclient.Enrolled {
	t.Helper()
	dir := filepath.Join(srv.Config.Data, "pki")
	block := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		takclient.Must(t, err)
		p, _ := pem.Decode(b)
		if p == nil {
			t.Fatalf("%s is no PEM", name)
		}
		return p.Bytes
	}
	ca, err := x509.ParseCertificate(block("ca.pem"))
	takclient.Must(t, err)
	parsed, err := x509.ParsePKCS8PrivateKey(block("ca.key"))
	takclient.Must(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	takclient.Must(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: user},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, ca, key.Public(), parsed.(crypto.Signer))
	takclient.Must(t, err)
	leaf, err := x509.ParseCertificate(der)
	takclient.Must(t, err)
	return &takclient.Enrolled{
		User: user, UID: "FORGED-" + user, Roots: rootsOf(t, srv.Admin),
		Cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf},
	}
}

// strangers are devices that must not come in, by the word of the log that says
// why.
func strangers(t *testing.T, srv *taktest.Server) map[string]*takclient.Enrolled {
	t.Helper()
	for _, name := range []string{"expired", "early", "revoked", "disabled", "server"} {
		addUser(t, srv.Admin, name)
	}
	all := map[string]*takclient.Enrolled{
		"expired": forge(t, srv, "expired", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }),
		"not yet valid": forge(t, srv, "early", func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
		}),
		"not for clients": forge(t, srv, "server", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }),
		"unknown":         forge(t, srv, "nobody", nil),
		"revoked":         issue(t, srv.Admin, "revoked", false),
		"disabled":        issue(t, srv.Admin, "disabled", false),
	}
	srv.Must(t, "POST", "/api/v1/certificates/"+serialOf(all["revoked"])+"/revoke", admin.Revoke{})
	yes := true
	srv.Must(t, "PATCH", "/api/v1/users/disabled", admin.UserChange{Disabled: &yes})
	foreign := taktest.NewPKI(t).Client(t, "mallory")
	leaf, err := x509.ParseCertificate(foreign.Certificates[0].Certificate[0])
	takclient.Must(t, err)
	foreign.Certificates[0].Leaf = leaf
	all["foreign CA"] = &takclient.Enrolled{User: "mallory", UID: "FOREIGN", Roots: rootsOf(t, srv.Admin), Cert: foreign.Certificates[0]}
	return all
}

// Whoever is refused is told of in the log, with the reason, on each listener that
// asks for certificates and in both versions of TLS.
func TestRefusedCertificates(t *testing.T) {
	srv := wholeServer(t)
	for why, dev := range strangers(t, srv) {
		t.Run(why, func(t *testing.T) {
			for _, listener := range []string{"tls", "https"} {
				refusedAt(t, srv, listener, dev, why)
				conf := dev.TLS()
				conf.MaxVersion = tls.VersionTLS12
				if err := dialTLSRaw(t, srv.Addr(listener), conf).Handshake(); err == nil {
					t.Errorf("listen.%s: TLS 1.2 lets it in", listener)
				}
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		nobody := &takclient.Enrolled{User: "nobody", Roots: rootsOf(t, srv.Admin)}
		local, err := tryTLS(t, srv.Addr("tls"), nobody)
		if err == nil {
			t.Fatal("somebody without a certificate was let in at listen.tls")
		}
		srv.Logged(t, "TLS handshake failed", "addr="+local, "no certificate")
		// On listen.https a token will do in its place.
		askAt(t, srv, "https").in(t).get("/Marti/api/version").is(401)
	})
	if n := srv.Status(t).Connections; n != 0 {
		t.Errorf("the server holds %d connections, want none", n)
	}
}

// openssl is refused and told of in the same way.
func TestRefusedByOpenSSL(t *testing.T) {
	needOpenSSL(t)
	srv := wholeServer(t)
	ca := writeFile(t, "ca.pem", srv.Must(t, "GET", "/api/v1/ca", nil).Body)
	for why, dev := range strangers(t, srv) {
		t.Run(why, func(t *testing.T) {
			cert, key := writePair(t, dev)
			out, _ := openSSL(t, "", "s_client", "-connect", srv.Addr("tls"), "-CAfile", ca, "-cert", cert, "-key", key, "-ign_eof")
			srv.Logged(t, "TLS handshake failed", "listener=tls", "CN="+dev.User, why)
			if strings.Contains(out, "<event") {
				t.Errorf("openssl was served: %s", out)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		before := srv.CountLogged("TLS handshake failed", "none was sent")
		openSSL(t, "", "s_client", "-connect", srv.Addr("tls"), "-CAfile", ca, "-ign_eof")
		eventually(t, "a line of the log", func() bool { return srv.CountLogged("TLS handshake failed", "none was sent") > before })
	})
}
