package pki

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// peer is one side after a handshake.
type peer struct {
	state tls.ConnectionState
	err   error
}

// shake makes one connection over loopback. The client reads to the end, so it
// has the session ticket and the alert if there is one.
func shake(t testing.TB, server, client *tls.Config) (s, c peer) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan peer, 1)
	go func() {
		nc, err := l.Accept()
		if err != nil {
			done <- peer{err: err}
			return
		}
		defer nc.Close()
		tc := tls.Server(nc, server)
		if err := tc.Handshake(); err != nil {
			done <- peer{tc.ConnectionState(), err}
			return
		}
		_, _ = tc.Write([]byte("hello"))
		_ = tc.CloseWrite()
		_, _ = io.Copy(io.Discard, tc)
		done <- peer{state: tc.ConnectionState()}
	}()
	tc, err := tls.Dial("tcp", l.Addr().String(), client)
	if err == nil {
		c.state = tc.ConnectionState()
		_, c.err = io.ReadAll(tc)
		_ = tc.Close()
	} else {
		c.err = err
	}
	return <-done, c
}

// dialer is a client's configuration that trusts p as a phone does.
func dialer(p *PKI, version uint16, pairs ...*Pair) *tls.Config {
	conf := &tls.Config{
		RootCAs: x509.NewCertPool(), ServerName: "localhost", Time: p.now,
		MinVersion: version, MaxVersion: version,
		ClientSessionCache: tls.NewLRUClientSessionCache(4),
	}
	for _, c := range p.Chain() {
		conf.RootCAs.AddCert(c)
	}
	for _, pair := range pairs {
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return serving([]*x509.Certificate{pair.Cert}, pair.Key), nil
		}
	}
	return conf
}

var versions = []struct {
	name string
	id   uint16
}{{"TLS 1.2", tls.VersionTLS12}, {"TLS 1.3", tls.VersionTLS13}}

func reasonOf(err error) Reason {
	var h *HandshakeError
	if !errors.As(err, &h) {
		return ""
	}
	return h.Reason
}

// named is an error with a reason of its own, as core/identity has.
type named struct{}

func (named) Error() string           { return "the user is disabled" }
func (named) HandshakeReason() string { return "disabled" }

func TestHandshakes(t *testing.T) {
	c := newClock()
	now := c.Now()
	friends := another(t, anotherCA("Friends", now), nil)
	old := another(t, anotherCA("Old", now), nil)
	file := filepath.Join(t.TempDir(), "foreign.pem")
	if err := os.WriteFile(file, encodeCerts(friends.Cert), 0o600); err != nil {
		t.Fatal(err)
	}
	p := open(t, Options{Now: c.Now, ClientCAs: file})

	of := func(parent *Pair, change func(*x509.Certificate)) *Pair {
		tmpl := &x509.Certificate{Subject: pkix.Name{CommonName: "alpha"}, NotBefore: now.Add(-day), NotAfter: now.Add(day)}
		if change != nil {
			change(tmpl)
		}
		return another(t, tmpl, parent)
	}
	own := p.state.Load().current
	ours := &Pair{Cert: own.cert, Key: own.key}
	ended := func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Hour) }
	revoked := client(t, p, "revoked")
	if err := p.Revoke(t.Context(), []Revoked{{Serial: revoked.Cert.SerialNumber, At: now}}); err != nil {
		t.Fatal(err)
	}
	refuse := func(err error) func(*x509.Certificate) error {
		return func(*x509.Certificate) error { return err }
	}

	tests := []struct {
		name   string
		pair   *Pair
		verify func(*x509.Certificate) error
		want   Reason // with a certificate required
		given  Reason // where it may be left out
	}{
		{"good", client(t, p, "alpha"), nil, "", ""},
		{"foreign, but trusted, without key usages", of(friends, nil), nil, "", ""},
		{"none", nil, nil, ReasonNone, ""},
		{"expired", of(ours, ended), nil, ReasonExpired, ReasonExpired},
		{"not yet", of(ours, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Hour) }), nil, ReasonEarly, ReasonEarly},
		{"foreign", of(old, nil), nil, ReasonForeign, ReasonForeign},
		{"foreign and expired", of(old, ended), nil, ReasonForeign, ReasonForeign},
		{"signed by itself", of(nil, nil), nil, ReasonForeign, ReasonForeign},
		{"signed by a client", of(client(t, p, "alpha"), nil), nil, ReasonForeign, ReasonForeign},
		{"revoked", revoked, nil, ReasonRevoked, ReasonRevoked},
		{"a server's", of(ours, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), nil, ReasonUse, ReasonUse},
		{"refused", client(t, p, "alpha"), refuse(errors.New("no such user")), ReasonRefused, ReasonRefused},
		{"refused with a reason", client(t, p, "alpha"), refuse(named{}), "disabled", "disabled"},
		{"verified", client(t, p, "alpha"), refuse(nil), "", ""},
	}
	for _, tt := range tests {
		for _, v := range versions {
			t.Run(tt.name+" "+v.name, func(t *testing.T) {
				conf := dialer(p, v.id)
				if tt.pair != nil {
					conf = dialer(p, v.id, tt.pair)
				}
				for kind, want := range map[ClientCertificate]Reason{Required: tt.want, Given: tt.given, None: ""} {
					s, cl := shake(t, p.TLS(TLSOptions{Client: kind, Verify: tt.verify}), conf)
					if got := reasonOf(s.err); got != want || (s.err != nil) != (want != "") {
						t.Errorf("kind %d: got error %v with reason %q, want reason %q", kind, s.err, got, want)
					}
					if (cl.err != nil) != (want != "") {
						t.Errorf("kind %d: the client got error %v", kind, cl.err)
					}
					if s.err == nil && kind != None && tt.pair != nil && !s.state.PeerCertificates[0].Equal(tt.pair.Cert) {
						t.Errorf("kind %d: the server does not know the client's certificate", kind)
					}
				}
			})
		}
	}
}

func TestHandshakeErrorText(t *testing.T) {
	c := newClock()
	p := open(t, Options{Now: c.Now})
	pair := another(t, &x509.Certificate{
		Subject:      pkix.Name{CommonName: "eve\n\x1b[31mlevel=ERROR"},
		SerialNumber: big.NewInt(0xbeef), NotBefore: c.Now(), NotAfter: c.Now().Add(day),
	}, nil)
	err := p.VerifyClient(pair.Cert)
	want := `client certificate: foreign CA: the issuer is not trusted here (CN=eve??[31mlevel=ERROR, serial beef, issued by CN=eve??[31mlevel=ERROR)`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	long := another(t, &x509.Certificate{Subject: pkix.Name{CommonName: string(make([]byte, 5000))}, NotBefore: c.Now(), NotAfter: c.Now().Add(day)}, nil)
	if got := len(p.VerifyClient(long.Cert).Error()); got > 600 {
		t.Errorf("a long name makes an error of %d bytes", got)
	}
	if got, want := p.VerifyClient().Error(), "client certificate: none was sent"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A session that was good is not resumed by a certificate that no longer is.
func TestResumption(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			c := newClock()
			p := open(t, Options{Now: c.Now})
			var verdict error
			server := p.TLS(TLSOptions{Client: Required, Verify: func(*x509.Certificate) error { return verdict }})
			alpha := client(t, p, "alpha")
			conf := dialer(p, v.id, alpha)
			// After a refusal some clients forget the session, others do not.
			either := func(what string) {
				t.Helper()
				if s, _ := shake(t, server, conf); s.err != nil {
					t.Fatalf("%s: got error %v", what, s.err)
				}
			}
			connect := func(what string, resumed bool, want Reason) {
				t.Helper()
				s, _ := shake(t, server, conf)
				if got := reasonOf(s.err); got != want || (s.err != nil) != (want != "") {
					t.Fatalf("%s: got error %v, want reason %q", what, s.err, want)
				}
				if s.state.DidResume != resumed {
					t.Errorf("%s: got resumed %v, want %v", what, s.state.DidResume, resumed)
				}
			}
			connect("first", false, "")
			connect("again", true, "")

			if err := p.Revoke(t.Context(), []Revoked{{Serial: big.NewInt(7), At: c.Now()}}); err != nil {
				t.Fatal(err)
			}
			connect("another was revoked", true, "")
			server.GetConfigForClient = p.TLS(TLSOptions{Client: Required}).GetConfigForClient // a new inner configuration
			connect("a new view", true, "")
			server.GetConfigForClient = p.TLS(TLSOptions{Client: Required, Verify: func(*x509.Certificate) error { return verdict }}).GetConfigForClient
			verdict = errors.New("disabled")
			connect("refused by Verify", true, ReasonRefused)
			verdict = nil
			either("taken again")

			// A session is kept on the client while a revocation comes.
			if err := p.Revoke(t.Context(), []Revoked{{Serial: alpha.Cert.SerialNumber, At: c.Now()}}); err != nil {
				t.Fatal(err)
			}
			connect("revoked", true, ReasonRevoked)
			if err := p.Revoke(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			either("revoked no more")

			// Its authority goes.
			if err := p.Rollover(t.Context()); err != nil {
				t.Fatal(err)
			}
			connect("in a rollover", true, "")
			if err := p.FinishRollover(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, ca := range p.Chain() {
				conf.RootCAs.AddCert(ca)
			}
			connect("after it", true, ReasonForeign)
		})
	}
}

// Another certificate, such as from ACME, goes before the own where there is one.
func TestOtherCertificate(t *testing.T) {
	p := open(t, Options{Names: func() []string { return []string{"tak.example.org"} }})
	now := time.Now()
	acme := another(t, &x509.Certificate{Subject: pkix.Name{CommonName: "acme"}, DNSNames: []string{"tak.example.org"}, NotBefore: now.Add(-day), NotAfter: now.Add(day)}, nil)
	var given *tls.Certificate
	var fault error
	server := p.TLS(TLSOptions{NextProtos: []string{"http/1.1"}, Certificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return given, fault }})
	conf := dialer(p, tls.VersionTLS13)
	conf.RootCAs.AddCert(acme.Cert)
	conf.ServerName, conf.ClientSessionCache, conf.NextProtos = "tak.example.org", nil, []string{"http/1.1"}
	for _, tt := range []struct {
		name  string
		given *tls.Certificate
		fault error
		want  string
	}{
		{"none yet", nil, nil, "tak.example.org"},
		{"failed", nil, errors.New("no account"), "tak.example.org"},
		{"there", serving([]*x509.Certificate{acme.Cert}, acme.Key), nil, "acme"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			given, fault = tt.given, tt.fault
			_, c := shake(t, server, conf)
			if c.err != nil {
				t.Fatal(c.err)
			}
			if got := c.state.PeerCertificates[0].Subject.CommonName; got != tt.want {
				t.Errorf("got the certificate of %s, want %s", got, tt.want)
			}
			if c.state.NegotiatedProtocol != "http/1.1" {
				t.Errorf("got protocol %q, want http/1.1", c.state.NegotiatedProtocol)
			}
		})
	}
}

// The names of all trusted authorities go to clients, so that those with several
// certificates find the right one.
func TestAskedAuthorities(t *testing.T) {
	p := open(t, Options{})
	if err := p.Rollover(t.Context()); err != nil {
		t.Fatal(err)
	}
	conf := dialer(p, tls.VersionTLS13)
	var got [][]byte
	conf.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		got = info.AcceptableCAs
		return &tls.Certificate{}, nil
	}
	shake(t, p.TLS(TLSOptions{Client: Given}), conf)
	if want := [][]byte{p.CA().RawSubject, p.Former().RawSubject}; !cmp.Equal(got, want) {
		t.Errorf("got %d names, want those of both authorities", len(got))
	}
}

// Handshakes go on while everything changes.
func TestHandshakesWhileChanging(t *testing.T) {
	p := open(t, Options{})
	conf, server := dialer(p, 0, client(t, p, "alpha")), p.TLS(TLSOptions{Client: Required})
	conf.MinVersion, conf.ClientSessionCache = tls.VersionTLS12, nil
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if s, c := shake(t, server, conf); s.err != nil || c.err != nil {
					t.Errorf("server: %v, client: %v", s.err, c.err)
					return
				}
			}
		})
	}
	for i := range 20 {
		if err := p.Revoke(t.Context(), []Revoked{{Serial: big.NewInt(int64(i)), At: time.Now()}}); err != nil {
			t.Error(err)
		}
	}
	if err := p.Rollover(t.Context()); err != nil {
		t.Error(err)
	}
	close(stop)
	wg.Wait()
}

func BenchmarkHandshake(b *testing.B) {
	p, err := Open(Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.Close)
	pair, err := p.Issue(b.Context(), Leaf{CommonName: "alpha"})
	if err != nil {
		b.Fatal(err)
	}
	for _, v := range versions {
		b.Run(v.name, func(b *testing.B) {
			conf, server := dialer(p, v.id, pair), p.TLS(TLSOptions{Client: Required})
			conf.ClientSessionCache = nil
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if s, _ := shake(b, server, conf); s.err != nil {
						b.Error(s.err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "handshakes/s")
		})
	}
}
