package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is the time as a test wants it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// logBook keeps log lines.
type logBook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// take gives the lines so far and forgets them.
func (l *logBook) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}

func (l *logBook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// quickKey is what tests use instead of RSA keys, which take long.
func quickKey() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// open opens a PKI that ends with the test; without Dir, in a new folder.
func open(t testing.TB, o Options) *PKI {
	t.Helper()
	p, err := tryOpen(t, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func tryOpen(t testing.TB, o Options) (*PKI, error) {
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "pki")
	}
	if o.test.newKey == nil {
		o.test.newKey = quickKey
	}
	p, err := Open(o)
	if err == nil {
		t.Cleanup(p.Close)
	}
	return p, err
}

// mustKey gives an EC key.
func mustKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := quickKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// client gives a client's pair.
func client(t testing.TB, p *PKI, name string) *Pair {
	t.Helper()
	pair, err := p.Issue(t.Context(), Leaf{CommonName: name})
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// another makes a certificate that is not ours. Without a parent it signs itself.
func another(t testing.TB, tmpl *x509.Certificate, parent *Pair) *Pair {
	t.Helper()
	key := mustKey(t)
	if tmpl.SerialNumber == nil {
		tmpl.SerialNumber = big.NewInt(time.Now().UnixNano())
	}
	if parent == nil {
		parent = &Pair{Cert: tmpl, Key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent.Cert, key.Public(), parent.Key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &Pair{Cert: cert, Key: key}
}

// anotherCA is the template of an authority.
func anotherCA(name string, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: now.Add(-day), NotAfter: now.Add(1000 * day),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

// ftsCA is one as FreeTAKServer makes it: nothing critical, no key identifier
// (spec/certs.md 2).
func ftsCA(now time.Time) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{
			CommonName: "11529215046068469760", Province: []string{"Nova Scotia"}, Country: []string{"CA"},
			Organization: []string{"FreeTAKServer"}, OrganizationalUnit: []string{"Core Dev"}, Locality: []string{"Halifax"},
		},
		NotBefore: now, NotAfter: now.Add(365 * day),
		ExtraExtensions: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Value: []byte{0x30, 0x03, 0x01, 0x01, 0xff}},
			{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Value: []byte{0x03, 0x02, 0x01, 0x06}},
		},
	}
}

// put writes files, by name and content.
func put(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func keyPEM(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	b, err := encodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wantError checks an error's text.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("got error %q, want none", err)
	case want != "" && err == nil:
		t.Errorf("got no error, want one with %q", want)
	case want != "" && !strings.Contains(err.Error(), want):
		t.Errorf("got error %q, want one with %q", err, want)
	}
}
