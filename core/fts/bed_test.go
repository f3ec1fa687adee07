package fts_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/fts"
	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/pki"
	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if shared.dir != "" {
			os.RemoveAll(shared.dir)
		}
		os.Exit(code)
	}))
}

// shared is made once: keys take their time.
var shared struct {
	sync.Once
	dir string
	ca  *pki.PKI
	err error
}

func authority(t testing.TB) *pki.PKI {
	t.Helper()
	shared.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "takfts-"); shared.err == nil {
			shared.ca, shared.err = pki.Open(pki.Options{Dir: filepath.Join(shared.dir, "pki"), Names: func() []string { return []string{"tak.example.org"} }})
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.ca
}

// webCore is what the web side wants beside.
type webCore struct{ web.Core }

func (webCore) Clients(context.Context) []web.Client { return nil }
func (webCore) Ready(context.Context) error          { return nil }

// bed is a server with its real parts, but for streams.
type bed struct {
	t        testing.TB
	ids      *identity.Service
	packages *admin.Packages
	log      syncBuffer
	url      map[string]string // by listener
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

var root = identity.Actor{User: "root", Via: "test"}

// theHash is of the one data package that there is.
const theHash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func newBed(t testing.TB) *bed {
	t.Helper()
	b := &bed{t: t, url: map[string]string{}}
	ctx := t.Context()
	log := slog.New(slog.NewTextHandler(&b.log, nil))
	st, err := store.Open(ctx, store.Options{
		DSN: "sqlite", Dir: t.TempDir(), Archive: store.ArchiveOptions{Types: []string{"*"}},
		FreeDisk: func(string) (uint64, uint64, error) { return 1 << 40, 1 << 40, nil },
	})
	b.must(err)
	t.Cleanup(func() { b.must(st.Close(context.Background())) })
	groups := route.NewGroups(nil, func(id hostapi.SetID, members []hostapi.GroupID) error {
		return st.SaveSet(context.Background(), id, members)
	})
	ca := authority(t)
	b.ids, err = identity.Open(ctx, identity.Options{Store: st, Sets: groups, Log: log, Key: ca.SigningKey, Attempts: 5})
	b.must(err)
	b.packages, err = admin.OpenPackages(admin.PackageOptions{
		Dir: filepath.Join(t.TempDir(), "packages"), Identity: b.ids, PKI: ca, Password: "atakatak",
		Reach: func() (onboard.Reach, error) {
			return onboard.Reach{Name: "Base", Host: "tak.example.org", Stream: 8089, API: 8443, Enrol: 8446}, nil
		},
	})
	b.must(err)
	t.Cleanup(func() { b.must(b.packages.Close()) })

	deps := fts.Deps{
		Identity: b.ids, Packages: b.packages, Log: log,
		Clients: func(context.Context) []web.Client {
			return []web.Client{{Conn: 1, Addr: "10.0.0.5:49152", Callsign: "ALPHA", Team: "Cyan"}, {Conn: 2, Addr: "[2001:db8::1]:1"}, {Conn: 3, Addr: "@"}}
		},
		Listeners: func(context.Context) []web.Listener {
			return []web.Listener{
				{Name: "tcp", Addr: "0.0.0.0:8087", State: "open"}, {Name: "tls", Addr: "0.0.0.0:8089", State: "open"}, {Name: "http", State: "off"},
				{Name: "https", Addr: "192.0.2.2:8443", State: "open"}, {Name: "web", Addr: "0.0.0.0:8446", State: "open"},
				{Name: "rest", Addr: "127.0.0.1:19023", State: "open"},
			}
		},
		Notices: func(_ context.Context, c *wire.Caller) fts.Notices {
			return fts.Notices{LogErrors: []string{"disk full"}, Emergencies: []string{"ALPHA 911 Alert for " + c.User}}
		},
		DataPackage: func(_ context.Context, hash string) (string, error) {
			switch hash {
			case theHash:
			case strings.Repeat("1", 64):
				return "", &store.Error{Code: store.Unavailable, Msg: "the plugin files does not run at the moment"}
			case strings.Repeat("2", 64):
				return "", errors.New("secret of the inside")
			default:
				return "", &store.Error{Code: store.NotFound, Msg: "there is no such package"}
			}
			return "http://192.0.2.2:8080/Marti/api/sync/metadata/" + hash + "/tool", nil
		},
	}
	s := web.New(web.Options{
		Core: webCore{}, Live: web.NewLive(), Gatherer: prometheus.NewRegistry(), Log: log, Version: "test", Logins: b.ids,
		REST: []func(huma.API){func(api huma.API) { fts.Register(api, deps) }},
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		b.must(s.Close(ctx))
	})
	for _, name := range []string{"rest", "web"} {
		addr, err := s.Listen(ctx, name, "127.0.0.1:0", web.ListenOptions{})
		b.must(err)
		b.url[name] = "http://" + addr.String()
	}
	return b
}

func (b *bed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// user adds a user and gives a caller with a token of his.
func (b *bed) user(name string, roles ...string) *caller {
	b.t.Helper()
	_, err := b.ids.AddUser(b.t.Context(), root, identity.NewUser{User: identity.User{Name: name, Roles: roles}})
	b.must(err)
	_, secret, err := b.ids.NewToken(b.t.Context(), root, identity.TokenSpec{User: name, Name: "test"})
	b.must(err)
	return b.with(secret)
}

// with gives a caller with a token; an empty one is nobody.
func (b *bed) with(token string) *caller {
	c := &caller{b: b, base: b.url["rest"]}
	if token != "" {
		c.auth = "bearer " + token // the scheme in any case
	}
	return c
}

type caller struct {
	b          *bed
	base, auth string
}

type answer struct {
	t           testing.TB
	what        string
	status      int
	contentType string
	header      http.Header
	body        string
}

// do sends a request as FreeTAKServer's web interface does: any body is text.
func (c *caller) do(method, path, body string) *answer {
	c.b.t.Helper()
	r, err := http.NewRequestWithContext(c.b.t.Context(), method, c.base+path, strings.NewReader(body))
	c.b.must(err)
	r.Header.Set("Content-Type", "text/plain")
	if c.auth != "" {
		r.Header.Set("Authorization", c.auth)
	}
	resp, err := client.Do(r)
	c.b.must(err)
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	c.b.must(err)
	return &answer{c.b.t, method + " " + path, resp.StatusCode, resp.Header.Get("Content-Type"), resp.Header, string(out)}
}

// client keeps no connections, which tests would have to close.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func (c *caller) get(path string) *answer { c.b.t.Helper(); return c.do("GET", path, "") }

const (
	asJSON = "application/json"
	asText = "text/html; charset=utf-8"
)

// is checks the whole answer.
func (a *answer) is(status int, contentType, body string) *answer {
	a.t.Helper()
	if a.status != status || a.contentType != contentType {
		a.t.Errorf("%s: got %d %s %.300q, want %d %s", a.what, a.status, a.contentType, a.body, status, contentType)
	}
	if diff := cmp.Diff(body, a.body); diff != "" {
		a.t.Errorf("%s (-want +got):\n%s", a.what, diff)
	}
	return a
}
