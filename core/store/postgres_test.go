package store

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store/storetest"
)

func TestParsePG(t *testing.T) {
	type place struct{ Network, Addr, User, Password, Name, App, TLS string }
	cases := []struct {
		dsn  string
		want place
	}{
		{"postgres://u:p%40ss@db.example.org/tak", place{"tcp", "db.example.org:5432", "u", "p@ss", "tak", "takhost", "db.example.org"}},
		{"postgresql://u@db:6543/tak?sslmode=require", place{"tcp", "db:6543", "u", "", "tak", "takhost", "db"}},
		{"postgres://u@db/tak?sslmode=disable&application_name=x", place{"tcp", "db:5432", "u", "", "tak", "x", ""}},
		{"postgres://db", place{"tcp", "db:5432", "postgres", "", "postgres", "takhost", "db"}},
		{"postgres://u@127.0.0.1/tak", place{"tcp", "127.0.0.1:5432", "u", "", "tak", "takhost", ""}},
		{"postgres://u@[::1]:7/tak", place{"tcp", "[::1]:7", "u", "", "tak", "takhost", ""}},
		{"postgres://u@localhost/tak?sslmode=verify-full", place{"tcp", "localhost:5432", "u", "", "tak", "takhost", "localhost"}},
		{"postgres://u@/tak?host=/run/postgresql", place{"unix", "/run/postgresql/.s.PGSQL.5432", "u", "", "tak", "takhost", ""}},
		{"postgres:///tak?host=other&connect_timeout=3", place{"tcp", "other:5432", "postgres", "", "tak", "takhost", "other"}},
	}
	for _, c := range cases {
		t.Run(c.dsn, func(t *testing.T) {
			d, err := parsePG(c.dsn)
			if err != nil {
				t.Fatal(err)
			}
			got := place{d.network, d.addr, d.user, d.password, d.name, d.app, ""}
			if d.tls != nil {
				got.TLS = d.tls.ServerName
				if d.tls.InsecureSkipVerify {
					t.Error("the server's certificate would not be checked")
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParsePGRefuses(t *testing.T) {
	for dsn, want := range map[string]string{
		"":                                      "must be sqlite or postgres://",
		"postgres":                              "must be sqlite or postgres://",
		"mysql://u:secret@h/d":                  "must be sqlite or postgres://",
		"postgres://u:secret%zz@h/d":            "with special characters as %XX",
		"postgres://u:secret@h:port/d":          "must be sqlite or postgres://",
		"postgres://u:secret@/d":                "names no host",
		"postgres://u:secret@h/d?sslmode=no":    `sslmode "no": must be disable, require, verify-ca or verify-full`,
		"postgres://h/d?sslmode=prefer":         `sslmode "prefer": must be`,
		"postgres://h/d?password=secret":        `unknown option "password"`,
		"postgres://h/d?secret=%zz":             "options after ? cannot be read",
		"postgres://h/d?connect_timeout=0":      "connect_timeout: must be 1 to 3600",
		"postgres://h/d?connect_timeout=1h":     "connect_timeout: must be 1 to 3600",
		"postgres://h/d?sslrootcert=/none/at":   "sslrootcert: open /none/at",
		"postgres://h/d?sslcert=/none/at":       "sslcert and sslkey: ",
		"postgres:///d?host=/x&sslmode=require": "no TLS on unix sockets",
	} {
		_, err := parsePG(dsn)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got error %v, want one with %q and no password", dsn, err, want)
		}
	}
}

// pki makes a CA and a certificate of it for the given hosts, in PEM.
func pki(t *testing.T, hosts ...string) (ca, cert, key []byte) {
	t.Helper()
	sign := func(tmpl, parent *x509.Certificate, pub any, by *ecdsa.PrivateKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, pub, by)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	newKey := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	now := time.Now()
	caTmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caKey, srvKey := newKey(), newKey()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "test server"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, h)
		}
	}
	der, err := x509.MarshalPKCS8PrivateKey(srvKey)
	if err != nil {
		t.Fatal(err)
	}
	ca = block("CERTIFICATE", sign(caTmpl, caTmpl, &caKey.PublicKey, caKey))
	return ca, block("CERTIFICATE", sign(tmpl, caTmpl, &srvKey.PublicKey, caKey)), block("PRIVATE KEY", der)
}

// TestPostgresTLS: a certificate that was not checked would let everybody be
// the database.
func TestPostgresTLS(t *testing.T) {
	ca, cert, key := pki(t, "localhost")
	stranger, _, _ := pki(t, "localhost")
	c := storetest.NewCluster(t, storetest.Config{CertPEM: cert, KeyPEM: key})
	dir := t.TempDir()
	write := func(name string, pem []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	root, wrong := write("ca.pem", ca), write("stranger.pem", stranger)
	_, port, err := net.SplitHostPort(c.Addr())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, host, mode, root, want string
	}{
		{"right CA and name", "localhost", "verify-full", root, ""},
		{"require checks", "localhost", "require", root, ""},
		{"require without the CA", "localhost", "require", "", "unknown authority"},
		{"verify-full without the CA", "localhost", "verify-full", "", "unknown authority"},
		{"require with a strange CA", "localhost", "require", wrong, "unknown authority"},
		{"wrong name", "127.0.0.1", "verify-full", root, "127.0.0.1"},
		{"require checks the name", "127.0.0.1", "require", root, "127.0.0.1"},
		{"verify-ca leaves the name", "127.0.0.1", "verify-ca", root, ""},
		{"verify-ca with a strange CA", "127.0.0.1", "verify-ca", wrong, "unknown authority"},
		{"root alone means TLS", "127.0.0.1", "", root, "127.0.0.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			q := url.Values{}
			if test.mode != "" {
				q.Set("sslmode", test.mode)
			}
			if test.root != "" {
				q.Set("sslrootcert", test.root)
			}
			s, err := Open(testContext(t), options(t, "postgres://postgres@"+net.JoinHostPort(test.host, port)+"/postgres?"+q.Encode()))
			if err == nil {
				closeStore(t, s)
			}
			switch {
			case test.want == "" && err != nil:
				t.Errorf("got error %v, want none", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "sslrootcert=FILE")):
				t.Errorf("got error %v, want one with %q that names sslrootcert", err, test.want)
			}
		})
	}
	plain := storetest.NewCluster(t, storetest.Config{})
	_, err = Open(testContext(t), options(t, "postgres://postgres@"+plain.Addr()+"/postgres?sslmode=require"))
	if err == nil || !strings.Contains(err.Error(), "sslmode=disable") {
		t.Errorf("server without TLS: got error %v, want one that names sslmode=disable", err)
	}
}
