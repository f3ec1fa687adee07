package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
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
	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/pki"
	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/store/storetest"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/hostapi"
)

func TestMain(m *testing.M) {
	code := storetest.Main(m)
	if shared.dir != "" {
		os.RemoveAll(shared.dir)
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			os.Stderr.WriteString("goroutines left behind: " + err.Error() + "\n")
			code = 1
		}
	}
	os.Exit(code)
}

// shared is made once: keys take their time. Tests that change the authority
// make their own.
var shared struct {
	sync.Once
	dir string
	ca  *pki.PKI
	err error
}

func authority(t testing.TB) *pki.PKI {
	t.Helper()
	shared.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "takadmin-"); shared.err == nil {
			shared.ca, shared.err = openPKI(filepath.Join(shared.dir, "pki"))
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.ca
}

func openPKI(dir string) (*pki.PKI, error) {
	return pki.Open(pki.Options{Dir: dir, Organization: "TAK", Unit: "Ops", Names: func() []string { return []string{"tak.example.org", "127.0.0.1"} }})
}

// webCore is what the web side wants beside.
type webCore struct{ web.Core }

func (webCore) Clients(context.Context) []web.Client { return nil }
func (webCore) Ready(context.Context) error          { return nil }

// fakeListeners are two sockets that are none.
type fakeListeners struct {
	mu   sync.Mutex
	addr map[string]string
	did  []string
}

func (f *fakeListeners) List(context.Context) []web.Listener {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []web.Listener
	for _, name := range []string{"tcp", "tls"} {
		l := web.Listener{Name: name, Addr: f.addr[name], TLS: name == "tls", State: "open"}
		if l.Addr == "" {
			l.State = "off"
		}
		list = append(list, l)
	}
	return list
}

func (f *fakeListeners) change(name, addr, what string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.addr[name]; !ok {
		return &store.Error{Code: store.NotFound, Msg: "there is no listener " + name}
	}
	if addr == "taken:1" {
		return &store.Error{Code: store.Conflict, Msg: "taken:1 is in use"}
	}
	f.addr[name] = addr
	f.did = append(f.did, what+" "+name+" "+addr)
	return nil
}

func (f *fakeListeners) Move(_ context.Context, name, addr string) error {
	return f.change(name, addr, "move")
}
func (f *fakeListeners) Start(_ context.Context, name string) error {
	return f.change(name, "127.0.0.1:1", "start")
}
func (f *fakeListeners) Stop(_ context.Context, name string) error { return f.change(name, "", "stop") }

// maxFile is how large a file of a profile may be.
const maxFile = 1 << 20

// bed is a server with its real parts, but for streams.
type bed struct {
	t         testing.TB
	dir       string // of the store
	store     *store.Store
	ids       *identity.Service
	ca        *pki.PKI
	packages  *admin.Packages
	profiles  *admin.Profiles
	listeners *fakeListeners
	log       syncBuffer
	url       map[string]string // by listener
	socket    string

	mu       sync.Mutex
	reachErr error
	ports    map[string]int
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

func newBed(t testing.TB) *bed { return newBedWith(t, authority(t)) }

func newBedWith(t testing.TB, ca *pki.PKI) *bed {
	t.Helper()
	b := &bed{
		t: t, dir: t.TempDir(), ca: ca, url: map[string]string{}, ports: map[string]int{"tls": 8089, "https": 8443, "web": 8446},
		listeners: &fakeListeners{addr: map[string]string{"tcp": "127.0.0.1:8087", "tls": "0.0.0.0:8089"}},
	}
	ctx := t.Context()
	log := slog.New(slog.NewTextHandler(&b.log, nil))
	var err error
	b.store, err = store.Open(ctx, store.Options{
		DSN: "sqlite", Dir: b.dir, Archive: store.ArchiveOptions{Types: []string{"*"}},
		FreeDisk: func(string) (uint64, uint64, error) { return 1 << 40, 1 << 40, nil },
	})
	b.must(err)
	t.Cleanup(func() { b.must(b.store.Close(context.Background())) })
	groups := route.NewGroups(nil, func(id hostapi.SetID, members []hostapi.GroupID) error {
		return b.store.SaveSet(context.Background(), id, members)
	})
	b.ids, err = identity.Open(ctx, identity.Options{Store: b.store, Sets: groups, Log: log, Key: ca.SigningKey, Attempts: 5})
	b.must(err)
	b.profiles, err = admin.OpenProfiles(ctx, admin.ProfileOptions{Records: b.store, Files: b.store.Blobs(), MaxFile: func() int64 { return maxFile }, Log: log})
	b.must(err)
	b.packages, err = admin.OpenPackages(admin.PackageOptions{
		Dir: filepath.Join(t.TempDir(), "packages"), Identity: b.ids, PKI: ca, Password: "atakatak", Reach: b.reach,
	})
	b.must(err)
	t.Cleanup(func() { b.must(b.packages.Close()) })

	deps := admin.Deps{
		Identity: b.ids, PKI: ca, Profiles: b.profiles, Packages: b.packages, Listeners: b.listeners, Public: b.public, Reach: b.reach, Log: log,
		Reset: func(ctx context.Context, by identity.Actor) (admin.Reset, error) {
			name, secret, err := b.ids.ResetAdmin(ctx, by)
			return admin.Reset{Name: name, Link: "https://tak.example.org:8446/setup/" + secret, File: "setup.link"}, err
		},
	}
	s := web.New(web.Options{
		Core: webCore{}, Live: web.NewLive(), Gatherer: prometheus.NewRegistry(), Log: log, Version: "test", Logins: b.ids,
		REST: []func(huma.API){func(api huma.API) { admin.Register(api, deps) }},
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		b.must(s.Close(ctx))
	})
	// The path of a socket is bounded, that of a test's folder is not.
	dir, err := os.MkdirTemp("", "takadmin-")
	b.must(err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	b.socket = filepath.Join(dir, "admin.sock")
	b.must(s.ListenAdmin(b.socket))
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

func (b *bed) reach() (onboard.Reach, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reachErr != nil {
		return onboard.Reach{}, b.reachErr
	}
	return onboard.Reach{Name: "Base", Host: "tak.example.org", Stream: b.ports["tls"], API: b.ports["https"], Enrol: b.ports["web"]}, nil
}

func (b *bed) public() admin.Public {
	b.mu.Lock()
	defer b.mu.Unlock()
	return admin.Public{Names: []string{"tak.example.org"}, Ports: b.ports, Candidates: []string{"192.0.2.7"}}
}

// unreachable has the server known under loopback alone.
func (b *bed) unreachable() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reachErr = &store.Error{Code: store.Unavailable, Msg: "public names localhost, which no phone reaches; this machine has 192.0.2.7"}
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

// admin adds an administrator.
func (b *bed) admin() *caller { return b.user("boss", "admin") }

// with gives a caller with a token; an empty one is nobody.
func (b *bed) with(token string) *caller {
	c := &caller{b: b, base: b.url["rest"], header: http.Header{}}
	if token != "" {
		c.header.Set("Authorization", "Bearer "+token)
	}
	return c
}

// caller sends requests.
type caller struct {
	b      *bed
	base   string
	header http.Header
}

// answer is what came back.
type answer struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   []byte
}

// do sends a request; a body that is no string goes as JSON. Headers come in
// pairs of name and value.
func (c *caller) do(method, path string, body any, header ...string) *answer {
	c.b.t.Helper()
	var text string
	h := c.header.Clone()
	switch v := body.(type) {
	case nil:
	case string:
		text = v
	default:
		j, err := json.Marshal(v)
		c.b.must(err)
		text = string(j)
		h.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	if !strings.HasPrefix(path, "/") {
		path = "/api/v1/" + path
	}
	r, err := http.NewRequestWithContext(c.b.t.Context(), method, c.base+path, strings.NewReader(text))
	c.b.must(err)
	r.Header = h
	to := client
	if c.base == "http://socket" {
		to = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", c.b.socket)
		}}}
	}
	resp, err := to.Do(r)
	c.b.must(err)
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	c.b.must(err)
	return &answer{t: c.b.t, what: method + " " + path, status: resp.StatusCode, header: resp.Header, body: out}
}

// client keeps no connections, which tests would have to close.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func (c *caller) get(path string) *answer { c.b.t.Helper(); return c.do("GET", path, nil) }

// is checks the status.
func (a *answer) is(status int) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: got %d %.400q, want %d", a.what, a.status, a.body, status)
	}
	return a
}

// into reads the body, whose keys must all be known.
func (a *answer) into(v any) *answer {
	a.t.Helper()
	if got := a.header.Get("Content-Type"); got != "application/json" {
		a.t.Errorf("%s: content type %q", a.what, got)
	}
	dec := json.NewDecoder(bytes.NewReader(a.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		a.t.Fatalf("%s: %v in %.400q", a.what, err, a.body)
	}
	return a
}

// refused checks for a problem of that status, and words in its text.
func (a *answer) refused(status int, words string) *answer {
	a.t.Helper()
	a.is(status)
	var p struct {
		Title, Code, Detail string
		Status              int
		Errors              []string
	}
	if err := json.Unmarshal(a.body, &p); err != nil || p.Status != status || p.Code == "" || a.header.Get("Content-Type") != "application/problem+json" {
		a.t.Fatalf("%s: got %q, want a problem", a.what, a.body)
	}
	if !strings.Contains(p.Detail+strings.Join(p.Errors, "\n"), words) {
		a.t.Errorf("%s: got %q %q, want the words %q", a.what, p.Detail, p.Errors, words)
	}
	return a
}

// get reads a list or a thing.
func read[T any](c *caller, path string) (v T) {
	c.b.t.Helper()
	c.get(path).is(200).into(&v)
	return v
}

func same[T any](t testing.TB, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// obj is a JSON object.
type obj = map[string]any
