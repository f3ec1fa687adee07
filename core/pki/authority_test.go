package pki

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestBroughtAuthority(t *testing.T) {
	c := newClock()
	now := c.Now()
	root := another(t, anotherCA("Root", now), nil)
	middle := another(t, anotherCA("Middle", now), root)
	issuing := another(t, anotherCA("Issuing", now), middle)
	stranger := another(t, anotherCA("Stranger", now), nil)
	fts := another(t, ftsCA(now), nil)
	leaf := another(t, &x509.Certificate{Subject: pkix.Name{CommonName: "Leaf"}, NotBefore: now, NotAfter: now.Add(day)}, root)
	change := func(f func(*x509.Certificate)) *Pair {
		tmpl := anotherCA("Odd", now)
		f(tmpl)
		return another(t, tmpl, nil)
	}
	noSign := change(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })
	noUsage := change(func(c *x509.Certificate) { c.KeyUsage = 0 })
	ended := change(func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Hour) })
	early := change(func(c *x509.Certificate) { c.NotBefore = now.Add(time.Hour) })
	nameless := change(func(c *x509.Certificate) { c.Subject = pkix.Name{} })
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(root.Key.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	block := func(kind string, headers map[string]string, b []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Headers: headers, Bytes: b})
	}

	tests := []struct {
		name      string
		cert, key []byte
		want      string // of the error
		chain     int
	}{
		{"root", encodeCerts(root.Cert), keyPEM(t, root.Key), "", 1},
		{"intermediate with chain", encodeCerts(issuing.Cert, middle.Cert, root.Cert), keyPEM(t, issuing.Key), "", 3},
		{"chain in another order", encodeCerts(root.Cert, issuing.Cert, middle.Cert), keyPEM(t, issuing.Key), "", 3},
		{"intermediate alone", encodeCerts(issuing.Cert), keyPEM(t, issuing.Key), "", 1},
		{"FreeTAKServer's", encodeCerts(fts.Cert), keyPEM(t, fts.Key), "", 1},
		{"no key usage at all", encodeCerts(noUsage.Cert), keyPEM(t, noUsage.Key), "", 1},
		{"key as of openssl ecparam", encodeCerts(root.Cert), join(block("EC PARAMETERS", nil, []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7}), block("EC PRIVATE KEY", nil, sec1)), "", 1},
		{"text around", join([]byte("Subject: hello\n"), encodeCerts(root.Cert)), join([]byte("Bag Attributes\n"), keyPEM(t, root.Key)), "", 1},

		{"no key", encodeCerts(root.Cert), nil, "there is ca.pem but no ca.key", 0},
		{"no certificate", nil, keyPEM(t, root.Key), "there is ca.key but no ca.pem", 0},
		{"empty file", []byte{}, keyPEM(t, root.Key), "ca.pem is empty", 0},
		{"key of another", encodeCerts(root.Cert), keyPEM(t, stranger.Key), "ca.key is not the key of any certificate in ca.pem", 0},
		{"DER", root.Cert.Raw, keyPEM(t, root.Key), "ca.pem: holds no certificate in PEM form", 0},
		{"broken certificate", block("CERTIFICATE", nil, []byte("x")), keyPEM(t, root.Key), "ca.pem: certificate 1", 0},
		{"encrypted PKCS#8", encodeCerts(root.Cert), block("ENCRYPTED PRIVATE KEY", nil, []byte("x")), "openssl pkey -in", 0},
		{"encrypted PKCS#1", encodeCerts(root.Cert), block("RSA PRIVATE KEY", map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, []byte("x")), "is encrypted", 0},
		{"no key in the file", encodeCerts(root.Cert), encodeCerts(root.Cert), "ca.key: holds no private key", 0},
		{"broken key", encodeCerts(root.Cert), block(pemKey, nil, []byte("x")), "ca.key: ", 0},
		{"small RSA key", encodeCerts(root.Cert), keyPEM(t, small), "an RSA key of 1024 bits", 0},
		{"Ed25519 key", encodeCerts(root.Cert), keyPEM(t, edwards), "RSA and EC are taken", 0},
		{"no authority", encodeCerts(leaf.Cert), keyPEM(t, leaf.Key), "the certificate of CN=Leaf is not one of an authority", 0},
		{"may not sign", encodeCerts(noSign.Cert), keyPEM(t, noSign.Key), "may not sign others (keyUsage keyCertSign)", 0},
		{"ended", encodeCerts(ended.Cert), keyPEM(t, ended.Key), "ca.pem ended on 2026-05-04", 0},
		{"not yet", encodeCerts(early.Cert), keyPEM(t, early.Key), "is the clock of this machine right", 0},
		{"no name", encodeCerts(nameless.Cert), keyPEM(t, nameless.Key), "has no name", 0},
		{"a stranger in the chain", encodeCerts(root.Cert, stranger.Cert), keyPEM(t, root.Key), "CN=Stranger is no link of the chain above CN=Root", 0},
		{"a gap in the chain", encodeCerts(issuing.Cert, root.Cert), keyPEM(t, issuing.Key), "CN=Root is no link", 0},
		{"broken revocation list", join(encodeCerts(root.Cert), block(pemCRL, nil, []byte("x"))), keyPEM(t, root.Key), "its revocation list", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			files := map[string][]byte{}
			if tt.cert != nil {
				files["ca.pem"] = tt.cert
			}
			if tt.key != nil {
				files["ca.key"] = tt.key
			}
			put(t, dir, files)
			p, err := tryOpen(t, Options{Dir: dir, Now: c.Now, Names: func() []string { return []string{"tak.example.org"} }})
			wantError(t, err, tt.want)
			if err != nil || tt.want != "" {
				return
			}
			if got := len(p.Chain()); got != tt.chain {
				t.Errorf("chain: got %d certificates, want %d", got, tt.chain)
			}
			pair := client(t, p, "alpha")
			if err := p.VerifyClient(pair.Cert); err != nil {
				t.Errorf("a client of it: %v", err)
			}
			if got := contents(t, dir)["ca.pem"]; got != string(tt.cert) {
				t.Error("ca.pem was changed")
			}
			// Whoever trusts what Chain ends in has to trust the server.
			pool, above := x509.NewCertPool(), x509.NewCertPool()
			pool.AddCert(p.Chain()[len(p.Chain())-1])
			for _, c := range p.Chain() {
				above.AddCert(c)
			}
			_, err = p.state.Load().server.Leaf.Verify(x509.VerifyOptions{Roots: pool, Intermediates: above, CurrentTime: now, DNSName: "tak.example.org"})
			if err != nil {
				t.Errorf("the server's certificate: %v", err)
			}
		})
	}
}

// Other certificates under the same root open nothing.
func TestIntermediateTrustsItselfAlone(t *testing.T) {
	now := time.Now()
	root := another(t, anotherCA("Root", now), nil)
	issuing := another(t, anotherCA("Issuing", now), root)
	mail := another(t, anotherCA("Mail", now), root)
	dir := t.TempDir()
	put(t, dir, map[string][]byte{"ca.pem": encodeCerts(issuing.Cert, root.Cert), "ca.key": keyPEM(t, issuing.Key)})
	p := open(t, Options{Dir: dir})
	other := another(t, &x509.Certificate{Subject: pkix.Name{CommonName: "alpha"}, NotBefore: now, NotAfter: now.Add(day)}, mail)
	wantError(t, p.VerifyClient(other.Cert, mail.Cert), "foreign CA")
}

func TestMadeAuthority(t *testing.T) {
	c := newClock()
	dir := filepath.Join(t.TempDir(), "pki")
	p := open(t, Options{Dir: dir, Now: c.Now, Organization: "Rescue", Unit: "North"})
	ca := p.CA()
	if got, want := ca.NotBefore, c.Now().Add(-2*day); !got.Equal(want) {
		t.Errorf("begins: got %v, want %v", got, want)
	}
	if got, want := ca.NotAfter, c.Now().Add(3652*day); !got.Equal(want) {
		t.Errorf("ends: got %v, want %v", got, want)
	}
	if ca.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || !ca.IsCA || len(ca.SubjectKeyId) == 0 {
		t.Errorf("got key usage %v, CA %v, key identifier %x", ca.KeyUsage, ca.IsCA, ca.SubjectKeyId)
	}
	if other := open(t, Options{Now: c.Now}).CA(); other.Subject.CommonName == ca.Subject.CommonName {
		t.Errorf("two authorities are named %s", ca.Subject.CommonName)
	}
	if again := open(t, Options{Dir: dir, Now: c.Now}).CA(); !again.Equal(ca) {
		t.Error("another authority after the second start")
	}

	c.pass(-20 * 365 * day)
	_, err := tryOpen(t, Options{Now: c.Now})
	wantError(t, err, "the clock of this machine says 2006")
}

func TestOptionsRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    Options
		want string
	}{
		{"bits", Options{KeyBits: 1024}, "keys of 1024 bits"},
		{"life", Options{ClientLife: time.Minute}, "a life of 1m0s is too short"},
		{"negative", Options{CALife: -day}, "too short"},
		{"server files", Options{Server: &ServerFiles{Cert: "/nowhere/a.pem", Key: "/nowhere/a.key"}}, "/nowhere/a.pem"},
		{"foreign authorities", Options{ClientCAs: "/nowhere/ca.pem"}, "/nowhere/ca.pem"},
		{"folder", Options{Dir: "/dev/null/pki"}, "/dev/null"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tryOpen(t, tt.o)
			wantError(t, err, tt.want)
		})
	}
}

func TestSerials(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		n, err := newSerial()
		if err != nil {
			t.Fatal(err)
		}
		if n.Sign() <= 0 || n.BitLen() != 127 || seen[n.String()] {
			t.Fatalf("got serial %v of %d bits, want a positive one of 127 that is new", n, n.BitLen())
		}
		seen[n.String()] = true
	}
}
