package pki

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSign(t *testing.T) {
	c := newClock()
	p := open(t, Options{Now: c.Now, Organization: "Rescue", Unit: "North"})
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ec := mustKey(t).Public()
	client, server := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	type form struct {
		Subject  string
		Ends     time.Duration // from now
		Usage    x509.KeyUsage
		Ext      []x509.ExtKeyUsage
		Channels bool
		DNS      []string
	}
	tests := []struct {
		name string
		pub  crypto.PublicKey
		leaf Leaf
		want form
		err  string
	}{
		{"client", &rsaKey.PublicKey, Leaf{CommonName: "alpha"},
			form{"CN=alpha,OU=North,O=Rescue", 365 * day, x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, client, false, nil}, ""},
		{"client with EC key and channels", ec, Leaf{CommonName: "jürgen@x", Channels: true, Life: 10 * day},
			form{"CN=jürgen@x,OU=North,O=Rescue", 10 * day, x509.KeyUsageDigitalSignature, client, true, nil}, ""},
		{"server", ec, Leaf{CommonName: "tak", Server: true, DNS: []string{"tak"}},
			form{"CN=tak,OU=North,O=Rescue", 365 * day, x509.KeyUsageDigitalSignature, server, false, []string{"tak"}}, ""},
		{"longer than the authority", ec, Leaf{CommonName: "feed", Life: 20000 * day},
			form{"CN=feed,OU=North,O=Rescue", 3652 * day, x509.KeyUsageDigitalSignature, client, false, nil}, ""},
		{"no name", ec, Leaf{}, form{}, "needs a name"},
		{"long name", ec, Leaf{CommonName: strings.Repeat("é", 65)}, form{}, "65 letters"},
		{"negative life", ec, Leaf{CommonName: "a", Life: -1}, form{}, "a life of -1ns"},
		{"no key", nil, Leaf{CommonName: "a"}, form{}, "a key of type <nil>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cert, err := p.Sign(tt.pub, tt.leaf)
			wantError(t, err, tt.err)
			if err != nil {
				return
			}
			got := form{
				cert.Subject.String(), cert.NotAfter.Sub(c.Now()), cert.KeyUsage, cert.ExtKeyUsage,
				cmp.Equal(cert.UnknownExtKeyUsage, []asn1.ObjectIdentifier{{1, 2, 840, 113549, 1, 9, 7}}), cert.DNSNames,
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got, want := cert.NotBefore, c.Now().Add(-2*day); !got.Equal(want) {
				t.Errorf("begins: got %v, want %v", got, want)
			}
			if cert.IsCA || !cmp.Equal(cert.AuthorityKeyId, p.CA().SubjectKeyId) || len(cert.SubjectKeyId) != 20 {
				t.Errorf("got CA %v, authority %x, subject %x", cert.IsCA, cert.AuthorityKeyId, cert.SubjectKeyId)
			}
			if cert.SerialNumber.BitLen() != 127 {
				t.Errorf("serial %x has %d bits, want 127", cert.SerialNumber, cert.SerialNumber.BitLen())
			}
		})
	}
	c.pass(3652*day + time.Second)
	_, err = p.Sign(ec, Leaf{CommonName: "late"})
	wantError(t, err, "ended on 2036-05-03 and signs no more")
}

func TestIssueWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var making, most atomic.Int32
		slow := atomic.Bool{}
		p, err := Open(Options{Dir: t.TempDir(), Now: newClock().Now, test: testOptions{newKey: func() (crypto.Signer, error) {
			if slow.Load() {
				most.Store(max(most.Load(), making.Add(1)))
				time.Sleep(time.Second)
				making.Add(-1)
			}
			return quickKey()
		}}})
		if err != nil {
			t.Fatal(err)
		}
		slow.Store(true)
		issue := func(ctx context.Context) error {
			_, err := p.Issue(ctx, Leaf{CommonName: "alpha"})
			return err
		}
		start := time.Now()
		done := make(chan error, 6)
		for range 6 {
			go func() { done <- issue(t.Context()) }()
		}
		for range 6 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if got, want := time.Since(start), 3*time.Second; got != want {
			t.Errorf("six keys took %v, want %v", got, want)
		}
		if most.Load() != 2 {
			t.Errorf("%d keys were in the making, want 2", most.Load())
		}

		// Who gives up is not kept, neither in the queue nor while his key is made.
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start = time.Now()
		for range 3 {
			go func() { done <- issue(ctx) }()
		}
		for range 3 {
			if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got error %v, want the end of the context", err)
			}
		}
		if got, want := time.Since(start), 100*time.Millisecond; got != want {
			t.Errorf("giving up took %v, want %v", got, want)
		}
		p.Close() // waits for what is still made
		if n := making.Load(); n != 0 {
			t.Errorf("%d keys are in the making after Close", n)
		}
		if err := issue(t.Context()); !errors.Is(err, errClosed) {
			t.Errorf("after Close: got error %v, want %v", err, errClosed)
		}
	})
}

func TestSigningKey(t *testing.T) {
	dir := t.TempDir()
	p := open(t, Options{Dir: dir})
	if _, ok := contents(t, dir)[tokenFile]; ok {
		t.Error("the key is there before anybody asked")
	}
	got := make(chan *rsa.PrivateKey, 2)
	for range 2 {
		go func() {
			key, err := p.SigningKey(t.Context())
			if err != nil {
				t.Error(err)
			}
			got <- key
		}()
	}
	key := <-got
	if !key.Equal(<-got) {
		t.Error("two who asked at once have different keys")
	}
	again, err := open(t, Options{Dir: dir}).SigningKey(t.Context())
	if err != nil || !key.Equal(again) {
		t.Errorf("after another start: got another key, error %v", err)
	}
	put(t, dir, map[string][]byte{tokenFile: keyPEM(t, mustKey(t))})
	_, err = open(t, Options{Dir: dir}).SigningKey(t.Context())
	wantError(t, err, "token.key is no RSA key")
	put(t, dir, map[string][]byte{tokenFile: []byte("x")})
	_, err = open(t, Options{Dir: dir}).SigningKey(t.Context())
	wantError(t, err, "without the file another is made")
}

func TestDNSName(t *testing.T) {
	for _, tt := range []struct{ in, name, ip string }{
		{"tak.example.org", "tak.example.org", ""},
		{" TAK.Example.org. ", "tak.example.org", ""},
		{"tak_1", "tak_1", ""},
		{"*.example.org", "*.example.org", ""},
		{"münchen.example", "xn--mnchen-3ya.example", ""},
		{"192.0.2.7", "", "192.0.2.7"},
		{"[2001:db8::1]", "", "2001:db8::1"},
		{"fe80::1%eth0", "", "fe80::1"},
		{"", "", ""},
		{"a b", "", ""},
		{"a..b", "", ""},
		{"tak:8089", "", ""},
		{"a.*.b", "", ""},
		{"0.0.0.0", "", ""},
		{strings.Repeat("a", 64), "", ""},
		{strings.Repeat("a.", 130), "", ""},
	} {
		t.Run(tt.in, func(t *testing.T) {
			name, ip := dnsName(tt.in)
			if name != tt.name || !ip.Equal(net.ParseIP(tt.ip)) {
				t.Errorf("got %q, %v, want %q, %s", name, ip, tt.name, tt.ip)
			}
		})
	}
}
