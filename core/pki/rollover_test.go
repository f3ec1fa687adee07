package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"software.sslmate.com/src/go-pkcs12"
)

func TestRollover(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	o := Options{Dir: dir, Now: c.Now}
	p := open(t, o)
	if err := p.FinishRollover(t.Context()); !errors.Is(err, ErrNoRollover) {
		t.Errorf("finish without a rollover: got error %v", err)
	}
	first := p.CA()
	old := client(t, p, "old")
	phone := dialer(p, tls.VersionTLS13, old) // trusts the first authority alone
	phone.ClientSessionCache = nil
	if err := p.Rollover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Rollover(t.Context()); !errors.Is(err, ErrRollover) {
		t.Errorf("a second rollover: got error %v", err)
	}

	for _, when := range []string{"in the rollover", "after another start"} {
		if p.CA().Equal(first) || !p.Former().Equal(first) || p.CA().Subject.String() == first.Subject.String() {
			t.Errorf("%s: got authority %v, former %v", when, p.CA().Subject, p.Former())
		}
		fresh := client(t, p, "new")
		if err := fresh.Cert.CheckSignatureFrom(p.CA()); err != nil {
			t.Errorf("%s: the new authority did not sign: %v", when, err)
		}
		if len(fresh.Chain) != 1 || !fresh.Chain[0].Equal(p.CA()) {
			t.Errorf("%s: the pair's chain is not its issuer", when)
		}
		server := p.TLS(TLSOptions{Client: Required})
		if s, cl := shake(t, server, phone); s.err != nil || cl.err != nil {
			t.Errorf("%s: a phone of before: server %v, client %v", when, s.err, cl.err)
		}
		conf := dialer(p, tls.VersionTLS13, fresh)
		conf.RootCAs = x509.NewCertPool()
		b, err := p.TrustStore("atakatak")
		if err != nil {
			t.Fatal(err)
		}
		anchors, err := pkcs12.DecodeTrustStore(b, "atakatak")
		if err != nil || len(anchors) != 2 {
			t.Fatalf("%s: the trust store has %d certificates, error %v", when, len(anchors), err)
		}
		for _, a := range anchors {
			conf.RootCAs.AddCert(a)
		}
		if s, cl := shake(t, server, conf); s.err != nil || cl.err != nil {
			t.Errorf("%s: a new phone: server %v, client %v", when, s.err, cl.err)
		}
		if got, _ := listed(t, p.CRL()); len(got) != 2 {
			t.Errorf("%s: got revocation lists %v, want one of each authority", when, got)
		}
		p = open(t, o)
	}

	if err := p.FinishRollover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.Former() != nil || len(p.Trusted()) != 1 || len(p.Chain()) != 1 {
		t.Errorf("finished: got former %v, %d trusted, chain of %d", p.Former(), len(p.Trusted()), len(p.Chain()))
	}
	wantError(t, p.VerifyClient(old.Cert), "foreign CA")
	if err := p.serverLeaf().CheckSignatureFrom(p.CA()); err != nil {
		t.Errorf("finished: the server's certificate: %v", err)
	}
	if got, _ := listed(t, p.CRL()); len(got) != 1 {
		t.Errorf("finished: got revocation lists %v, want one", got)
	}
	for name := range contents(t, dir) {
		if name == "former.pem" || name == "former.key" {
			t.Errorf("finished: %s is still there", name)
		}
	}
}

func TestRolloverEndsWithTheFormerAuthority(t *testing.T) {
	c := newClock()
	p := open(t, Options{Now: c.Now, CALife: 400 * day})
	c.pass(200 * day)
	if err := p.Rollover(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.pass(200*day + time.Minute)
	if err := p.Refresh(); err != nil {
		t.Fatal(err)
	}
	if p.Former() != nil {
		t.Error("the former authority ended and is still there")
	}
	if err := p.serverLeaf().CheckSignatureFrom(p.CA()); err != nil {
		t.Errorf("the server's certificate: %v", err)
	}
}

func TestRolloverToBrought(t *testing.T) {
	c := newClock()
	next := another(t, anotherCA("Next", c.Now()), nil)
	tests := []struct {
		name  string
		files func(p *PKI) map[string][]byte
		want  string
	}{
		{"good", func(*PKI) map[string][]byte {
			return map[string][]byte{"next.pem": encodeCerts(next.Cert), "next.key": keyPEM(t, next.Key)}
		}, ""},
		{"half", func(*PKI) map[string][]byte {
			return map[string][]byte{"next.pem": encodeCerts(next.Cert)}
		}, "there is next.pem but no next.key"},
		{"same name", func(p *PKI) map[string][]byte {
			tmpl := anotherCA("", c.Now())
			tmpl.RawSubject = p.CA().RawSubject
			same := another(t, tmpl, nil)
			return map[string][]byte{"next.pem": encodeCerts(same.Cert), "next.key": keyPEM(t, same.Key)}
		}, "has the name of the present one"},
		{"ended", func(*PKI) map[string][]byte {
			tmpl := anotherCA("Ended", c.Now())
			tmpl.NotAfter = c.Now().Add(-time.Hour)
			ended := another(t, tmpl, nil)
			return map[string][]byte{"next.pem": encodeCerts(ended.Cert), "next.key": keyPEM(t, ended.Key)}
		}, "has ended"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			p := open(t, Options{Dir: dir, Now: c.Now})
			first := p.CA()
			put(t, dir, tt.files(p))
			err := p.Rollover(t.Context())
			wantError(t, err, tt.want)
			if err != nil {
				if !p.CA().Equal(first) || p.Former() != nil {
					t.Error("a refused rollover changed the authority")
				}
				return
			}
			if !p.CA().Equal(next.Cert) {
				t.Errorf("got authority %v, want the brought one", p.CA().Subject)
			}
			files := contents(t, dir)
			if got := []bool{files["next.pem"] == "", files["next.key"] == "", files["ca.key"] == string(keyPEM(t, next.Key))}; !cmp.Equal(got, []bool{true, true, true}) {
				t.Errorf("the files were not moved: %v", got)
			}
		})
	}
}
