package pki

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// listed reads a CRL: for each issuer the serials, and the number of the list.
func listed(t *testing.T, b []byte) (serials map[string][]string, number int64) {
	t.Helper()
	serials = map[string][]string{}
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		number = list.Number.Int64()
		got := []string{}
		for _, e := range list.RevokedCertificateEntries {
			got = append(got, e.SerialNumber.Text(16))
		}
		serials[list.Issuer.String()] = got
	}
	return serials, number
}

func entry(n int64, at time.Time) Revoked { return Revoked{Serial: big.NewInt(n), At: at} }

func TestCRL(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	o := Options{Dir: dir, Now: c.Now}
	p := open(t, o)
	ca := p.CA().Subject.String()
	var last int64
	check := func(when string, risen bool, want ...string) {
		t.Helper()
		got, number := listed(t, p.CRL())
		if want == nil {
			want = []string{}
		}
		if diff := cmp.Diff(map[string][]string{ca: want}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
		if contents(t, dir)[crlFile] != string(p.CRL()) {
			t.Errorf("%s: the file is not what CRL gives", when)
		}
		if (number > last) != risen || number < last {
			t.Errorf("%s: the number went from %d to %d, want a rise: %v", when, last, number, risen)
		}
		last = number
	}
	refresh := func() {
		t.Helper()
		if err := p.Refresh(); err != nil {
			t.Fatal(err)
		}
	}
	check("first", true)
	if err := p.Revoke(t.Context(), []Revoked{entry(0xb, c.Now()), entry(0xa, time.Time{}), entry(0xb, c.Now())}); err != nil {
		t.Fatal(err)
	}
	check("two revoked", true, "a", "b")
	refresh()
	check("a minute later", false, "a", "b")
	c.pass(15 * day)
	refresh()
	check("half its life is over", false, "a", "b")
	c.pass(time.Second)
	refresh()
	check("less than half is left", true, "a", "b")

	p = open(t, o)
	check("another start", false, "a", "b")
	if !p.IsRevoked(&x509.Certificate{SerialNumber: big.NewInt(0xa), Issuer: p.CA().Subject}) {
		t.Error("forgot after another start, before Revoke told")
	}
	c.pass(-10 * day) // the number rises nevertheless
	if err := p.Revoke(t.Context(), []Revoked{entry(0xc, c.Now())}); err != nil {
		t.Fatal(err)
	}
	check("replaced", true, "c")
	if err := p.Revoke(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	check("nothing", true)
}

func TestRevokeRefuses(t *testing.T) {
	p := open(t, Options{})
	if err := p.Revoke(t.Context(), []Revoked{entry(7, time.Now())}); err != nil {
		t.Fatal(err)
	}
	for _, e := range []Revoked{{}, {Serial: big.NewInt(-1)}} {
		wantError(t, p.Revoke(t.Context(), []Revoked{entry(8, time.Now()), e}), "entry 2 has no serial number")
	}
	if got, _ := listed(t, p.CRL()); !cmp.Equal(got[p.CA().Subject.String()], []string{"7"}) {
		t.Errorf("a refused list changed the list to %v", got)
	}
}

// What cannot be written holds nevertheless, and is written later.
func TestRevokeActsBeforeItIsWritten(t *testing.T) {
	p := open(t, Options{})
	alpha := client(t, p, "alpha")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, p.Revoke(ctx, []Revoked{{Serial: alpha.Cert.SerialNumber}}), "context canceled")
	wantError(t, p.VerifyClient(alpha.Cert), "revoked")
	if err := p.Refresh(); err != nil {
		t.Fatal(err)
	}
	if got, _ := listed(t, p.CRL()); len(got[p.CA().Subject.String()]) != 1 {
		t.Errorf("got %v, want the one serial", got)
	}
}

func TestRevokedByIssuer(t *testing.T) {
	c := newClock()
	p := open(t, Options{Now: c.Now})
	if err := p.Rollover(t.Context()); err != nil {
		t.Fatal(err)
	}
	current, former := p.CA().Subject, p.Former().Subject
	err := p.Revoke(t.Context(), []Revoked{
		{Serial: big.NewInt(1), Issuer: current.String()},
		{Serial: big.NewInt(2), Issuer: former.String()},
		{Serial: big.NewInt(3)},
		{Serial: big.NewInt(4), Issuer: "CN=Foreign"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := listed(t, p.CRL())
	if diff := cmp.Diff(map[string][]string{current.String(): {"1", "3"}, former.String(): {"2", "3"}}, got); diff != "" {
		t.Errorf("lists (-want +got):\n%s", diff)
	}
	for serial, want := range map[int64]bool{1: true, 2: false, 3: true, 4: false} {
		if got := p.IsRevoked(&x509.Certificate{SerialNumber: big.NewInt(serial), Issuer: current}); got != want {
			t.Errorf("serial %d of the current authority: got revoked %v, want %v", serial, got, want)
		}
	}
}

func TestCRLFileBroken(t *testing.T) {
	c := newClock()
	other := open(t, Options{Now: c.Now})
	tests := []struct {
		name string
		data []byte
		want string // of the log
	}{
		{"empty", []byte{}, "crl.pem is empty"},
		{"not PEM", []byte("x"), ""},
		{"no list", encodeCerts(other.CA()), "a revocation list was expected"},
		{"broken list", pem.EncodeToMemory(&pem.Block{Type: pemCRL, Bytes: []byte("x")}), "malformed"},
		{"of another authority", other.CRL(), "unknown authority"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, log := t.TempDir(), &logBook{}
			open(t, Options{Dir: dir, Now: c.Now})
			put(t, dir, map[string][]byte{crlFile: tt.data})
			p := open(t, Options{Dir: dir, Now: c.Now, Log: log.logger()})
			if got := log.take(); !strings.Contains(got, tt.want) {
				t.Errorf("got log %q, want %q", got, tt.want)
			}
			if got, _ := listed(t, p.CRL()); len(got) != 1 {
				t.Errorf("got lists %v, want one", got)
			}
		})
	}
}

// FreeTAKServer puts the revocation list behind the authority's certificate.
func TestListInAuthorityFile(t *testing.T) {
	c := newClock()
	fts := another(t, ftsCA(c.Now()), nil)
	a := &authority{cert: fts.Cert, key: fts.Key}
	list, err := a.signList([]Revoked{entry(0xdead, c.Now())}, big.NewInt(1), c.Now(), c.Now().Add(100*day))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	put(t, dir, map[string][]byte{"ca.pem": slices.Concat(encodeCerts(fts.Cert), list), "ca.key": keyPEM(t, fts.Key)})
	p := open(t, Options{Dir: dir, Now: c.Now})
	if err := p.Revoke(t.Context(), []Revoked{entry(0xbeef, c.Now())}); err != nil {
		t.Fatal(err)
	}
	if got, _ := listed(t, p.CRL()); !cmp.Equal(got[fts.Cert.Subject.String()], []string{"beef", "dead"}) {
		t.Errorf("got %v, want both", got)
	}
	if err := p.Rollover(t.Context()); err != nil {
		t.Fatal(err)
	}
	p = open(t, Options{Dir: dir, Now: c.Now})
	if !p.IsRevoked(&x509.Certificate{SerialNumber: big.NewInt(0xdead), Issuer: fts.Cert.Issuer}) {
		t.Error("lost in a rollover")
	}

	forged := another(t, ftsCA(c.Now()), nil)
	put(t, dir, map[string][]byte{"former.pem": slices.Concat(encodeCerts(forged.Cert), list), "former.key": keyPEM(t, forged.Key)})
	_, err = tryOpen(t, Options{Dir: dir, Now: c.Now})
	wantError(t, err, "former.pem: its revocation list")
}

func TestAuthorityThatSignsNoLists(t *testing.T) {
	c := newClock()
	tmpl := anotherCA("Bare", c.Now())
	tmpl.KeyUsage = x509.KeyUsageCertSign
	bare := another(t, tmpl, nil)
	dir, log := filepath.Join(t.TempDir(), "pki"), &logBook{}
	put(t, dir, map[string][]byte{"ca.pem": encodeCerts(bare.Cert), "ca.key": keyPEM(t, bare.Key)})
	p := open(t, Options{Dir: dir, Now: c.Now, Log: log.logger()})
	alpha := client(t, p, "alpha")
	if err := p.Revoke(t.Context(), []Revoked{{Serial: alpha.Cert.SerialNumber}}); err != nil {
		t.Fatal(err)
	}
	wantError(t, p.VerifyClient(alpha.Cert), "revoked")
	if p.CRL() != nil {
		t.Error("there is a list")
	}
	if got := strings.Count(log.take(), "may not sign revocation lists"); got != 1 {
		t.Errorf("got %d lines about it, want 1", got)
	}
}
