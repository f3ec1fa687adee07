package pki

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

func (p *PKI) serverLeaf() *x509.Certificate { return p.state.Load().server.Leaf }

func TestServerCertificateIsRenewed(t *testing.T) {
	c := newClock()
	names := []string{"tak.example.org", "192.0.2.7", "tak.example.org", "not a name", "2001:db8::1"}
	dir, log := t.TempDir(), &logBook{}
	o := Options{Dir: dir, Now: c.Now, Log: log.logger(), Names: func() []string { return names }}
	p := open(t, o)
	first := p.serverLeaf()
	if got, want := namesOf(first), "tak.example.org: 127.0.0.1 192.0.2.7 2001:db8::1 ::1 localhost tak.example.org"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := strings.Count(log.take(), "is no host name and no address"); got != 1 {
		t.Errorf("got %d lines about the bad name, want 1", got)
	}
	renewed := func(what string, want bool) {
		t.Helper()
		before := p.serverLeaf()
		if err := p.Refresh(); err != nil {
			t.Fatal(err)
		}
		if got := !p.serverLeaf().Equal(before); got != want {
			t.Errorf("%s: got a new certificate %v, want %v", what, got, want)
		}
		if err := p.serverLeaf().CheckSignatureFrom(p.CA()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		certs, key, err := p.readServer()
		if err != nil || !certs[0].Equal(p.serverLeaf()) || !fits(certs[0], key) {
			t.Errorf("%s: the files are not what is served: %v", what, err)
		}
	}
	renewed("at once", false)
	c.pass(365 * day * 2 / 3)
	renewed("a third is left", false)
	c.pass(time.Minute)
	renewed("less than a third is left", true)
	names = append(names[1:], names[0])
	renewed("another name is the first", true)
	names = names[:1]
	renewed("fewer names", true)
	if err := p.Revoke(t.Context(), []Revoked{{Serial: p.serverLeaf().SerialNumber}}); err != nil {
		t.Fatal(err)
	}
	renewed("revoked", true)
	c.pass(-200 * day)
	renewed("the clock was set back", true)
	log.take()

	served := p.serverLeaf()
	if p = open(t, o); !p.serverLeaf().Equal(served) {
		t.Error("another start makes another certificate")
	}
	for name, data := range map[string][]byte{"server.key": keyPEM(t, mustKey(t)), "server.pem": []byte("x")} {
		put(t, dir, map[string][]byte{name: data})
		p = open(t, o)
		renewed(name+" broken", false)
		if p.serverLeaf().Equal(served) || !strings.Contains(log.take(), "is made anew") {
			t.Errorf("%s broken: no new certificate, or not told", name)
		}
		served = p.serverLeaf()
	}
	if err := os.Remove(filepath.Join(dir, "server.key")); err != nil {
		t.Fatal(err)
	}
	if p = open(t, o); p.serverLeaf().Equal(served) {
		t.Error("the key is gone, and the certificate still served")
	}
}

func namesOf(c *x509.Certificate) string {
	list := names{dns: c.DNSNames, ips: c.IPAddresses}.texts()
	return c.Subject.CommonName + ": " + strings.Join(list, " ")
}

// The loop finds changes by itself, and ends.
func TestStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(26 * 365 * day) // a bubble begins in 2000
		names := make(chan []string, 1)
		now := []string{"a.example"}
		p, err := Open(Options{Dir: t.TempDir(), test: testOptions{newKey: quickKey}, Names: func() []string {
			select {
			case now = <-names:
			default:
			}
			return now
		}})
		if err != nil {
			t.Fatal(err)
		}
		p.Start(t.Context())
		names <- []string{"b.example"}
		time.Sleep(checkEvery)
		synctest.Wait()
		if got := p.serverLeaf().Subject.CommonName; got != "b.example" {
			t.Errorf("got the certificate of %s, want b.example", got)
		}
		p.Close()
		p.Close()
		names <- []string{"c.example"}
		time.Sleep(10 * checkEvery)
		if got := p.serverLeaf().Subject.CommonName; got != "b.example" {
			t.Errorf("after Close: got the certificate of %s", got)
		}
	})
}

// Near the end of the authority the server's certificate ends with it, and is
// not made anew every minute.
func TestServerCertificateAtTheEndOfTheAuthority(t *testing.T) {
	c := newClock()
	p := open(t, Options{Now: c.Now, CALife: 400 * day})
	made := map[string]bool{}
	for range 399 * 4 {
		c.pass(6 * time.Hour)
		if err := p.Refresh(); err != nil {
			t.Fatal(err)
		}
		made[p.serverLeaf().SerialNumber.String()] = true
	}
	if got := len(made); got != 2 {
		t.Errorf("got %d certificates, want 2", got)
	}
	if got, want := p.serverLeaf().NotAfter, p.CA().NotAfter; !got.Equal(want) {
		t.Errorf("ends: got %v, want the authority's end %v", got, want)
	}
}

func TestWarnings(t *testing.T) {
	c := newClock()
	log := &logBook{}
	dir := t.TempDir()
	brought := another(t, &x509.Certificate{DNSNames: []string{"tak.example.org"}, NotBefore: c.Now().Add(-day), NotAfter: c.Now().Add(100 * day)}, nil)
	put(t, dir, map[string][]byte{"web.pem": encodeCerts(brought.Cert), "web.key": keyPEM(t, brought.Key)})
	reg := prometheus.NewRegistry()
	p := open(t, Options{
		Dir: filepath.Join(dir, "pki"), Now: c.Now, Log: log.logger(), Metrics: reg, CALife: 400 * day,
		Server: &ServerFiles{filepath.Join(dir, "web.pem"), filepath.Join(dir, "web.key")},
	})
	got := map[int][]string{} // by day
	for d := range 420 {
		for range 3 { // several looks a day tell nothing more
			if err := p.Refresh(); err != nil {
				t.Fatal(err)
			}
		}
		for line := range strings.Lines(log.take()) {
			_, line, _ = strings.Cut(line, "level=")
			switch {
			case strings.Contains(line, "time for a rollover"):
				got[d] = append(got[d], "rollover")
			case strings.Contains(line, "ends soon"), strings.Contains(line, "has ended"):
				_, what, _ := strings.Cut(line, "what=")
				what, _, _ = strings.Cut(what, " ")
				got[d] = append(got[d], line[:4]+" "+what)
			}
		}
		c.pass(day)
	}
	want := map[int][]string{
		70: {"WARN server"}, 86: {"WARN server"}, 93: {"WARN server"}, 100: {"ERRO server"},
		35: {"rollover"}, 370: {"WARN ca"}, 386: {"WARN ca"}, 393: {"WARN ca"}, 400: {"ERRO ca"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings by day (-want +got):\n%s", diff)
	}

	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	metrics := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "takhost_certificate_expiry_seconds" {
				metrics[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue() / day.Seconds()
			}
		}
	}
	if diff := cmp.Diff(map[string]float64{"server": -320, "ca": -20, "crl": metrics["crl"]}, metrics); diff != "" || metrics["crl"] < 14 {
		t.Errorf("days left by the metrics (-want +got):\n%s", diff)
	}
	p.Close()
	if families, err := reg.Gather(); err != nil || len(families) != 0 {
		t.Errorf("after Close: got %d metrics, error %v", len(families), err)
	}
}

func TestOperatorsFiles(t *testing.T) {
	c := newClock()
	log := &logBook{}
	dir := t.TempDir()
	root := another(t, anotherCA("Root", c.Now()), nil)
	middle := another(t, anotherCA("Middle", c.Now()), root)
	pair := func(cn string) *Pair {
		tmpl := &x509.Certificate{DNSNames: []string{"tak.example.org"}, NotBefore: c.Now(), NotAfter: c.Now().Add(90 * day)}
		tmpl.Subject.CommonName = cn
		return another(t, tmpl, middle)
	}
	stamp := time.Now()
	write := func(name string, data []byte) {
		put(t, dir, map[string][]byte{name: data})
		stamp = stamp.Add(time.Second) // the clock of file systems may be slow
		if err := os.Chtimes(filepath.Join(dir, name), stamp, stamp); err != nil {
			t.Fatal(err)
		}
	}
	one, two := pair("one"), pair("two")
	write("web.pem", encodeCerts(one.Cert, middle.Cert, root.Cert))
	write("web.key", keyPEM(t, one.Key))
	write("foreign.pem", encodeCerts(root.Cert))
	p := open(t, Options{
		Dir: filepath.Join(dir, "pki"), Now: c.Now, Log: log.logger(),
		Names:     func() []string { return []string{"tak.example.org", "other.example.org"} },
		Server:    &ServerFiles{filepath.Join(dir, "web.pem"), filepath.Join(dir, "web.key")},
		ClientCAs: filepath.Join(dir, "foreign.pem"),
	})
	if got := log.take(); !strings.Contains(got, "lacking=[other.example.org]") {
		t.Errorf("got log %q, want the name that lacks", got)
	}
	look := func(when, cn, errText string) {
		t.Helper()
		wantError(t, p.Refresh(), errText)
		if got := p.serverLeaf().Subject.CommonName; got != cn {
			t.Errorf("%s: the server has the certificate of %s, want %s", when, got, cn)
		}
	}
	look("unchanged", "one", "")
	if got := len(p.state.Load().server.Certificate); got != 2 {
		t.Errorf("serves %d certificates, want the own and the intermediate", got)
	}
	if got := p.Chain(); len(got) != 3 || !got[2].Equal(root.Cert) {
		t.Errorf("Chain has %d certificates, want own authority, intermediate, root", len(got))
	}
	write("web.pem", encodeCerts(two.Cert, middle.Cert, root.Cert))
	look("half changed", "one", "web.key is not the key of the first certificate")
	look("still half changed", "one", "") // told once
	write("web.key", keyPEM(t, two.Key))
	look("changed", "two", "")
	write("web.key", []byte("x"))
	look("broken", "two", "web.key holds no private key")
	write("web.key", keyPEM(t, two.Key))
	look("mended", "two", "")
	if got := log.take(); strings.Contains(got, "cannot verify") {
		t.Errorf("got log %q about a root that is there", got)
	}
	write("web.pem", encodeCerts(two.Cert, middle.Cert))
	look("without the root", "two", "")
	if got := log.take(); !strings.Contains(got, "put its root at the end of the file") {
		t.Errorf("got log %q, want that the root lacks", got)
	}

	wantError(t, p.VerifyClient(one.Cert, middle.Cert), "")
	write("foreign.pem", encodeCerts(one.Cert))
	look("foreign.pem wrong", "two", "the certificate of CN=one is not one of an authority")
	wantError(t, p.VerifyClient(one.Cert, middle.Cert), "")
	other := another(t, anotherCA("Other", c.Now()), nil)
	write("foreign.pem", encodeCerts(other.Cert))
	look("foreign.pem changed", "two", "")
	wantError(t, p.VerifyClient(one.Cert, middle.Cert), "foreign CA")
}
