package marti_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	adminapi "github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/marti"
	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/pki"
	"github.com/takhost/takhost/core/proxy"
	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if shared.dir != "" {
			os.RemoveAll(shared.dir)
		}
		os.Exit(code)
	}))
}

// nodeID is that of all tests.
const nodeID = "0123456789abcdef0123456789abcdef"

// fakeCore is the server as a test wants it. It keeps what it was asked to do.
type fakeCore struct {
	archive *store.Archive

	mu      sync.Mutex
	clients []marti.Client
	latest  []*hostapi.Event
	kept    map[hostapi.ID]marti.Kept
	reach   error
	did     []string
	urls    map[string]string // by listener
	sent    []sent
}

func (f *fakeCore) Clients(context.Context) []marti.Client {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]marti.Client{}, f.clients...)
}

func (f *fakeCore) Query(ctx context.Context, q store.Query) (store.Page, error) {
	return f.archive.Query(ctx, q)
}

func (f *fakeCore) Latest(uid string) (list []*hostapi.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.latest {
		if e.UID == uid {
			list = append(list, e)
		}
	}
	return list
}

func (f *fakeCore) note(what ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did = append(f.did, strings.Join(what, " "))
}

// done gives what was done since the last call.
func (f *fakeCore) done() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	did := f.did
	f.did = nil
	return did
}

func (f *fakeCore) has(conn uint64, change func(*marti.Client)) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.clients {
		if f.clients[i].Conn == conn {
			change(&f.clients[i])
			return true
		}
	}
	return false
}

func (f *fakeCore) Disconnect(conn uint64, why string) bool {
	f.note("disconnect", why)
	return f.has(conn, func(*marti.Client) {})
}

func (f *fakeCore) SetIncognito(conn uint64, on bool) bool {
	return f.has(conn, func(c *marti.Client) { c.Incognito = on })
}

func (f *fakeCore) Regroup(user, device, uid string) { f.note("regroup", user, device, uid) }
func (f *fakeCore) Replay(user, device string)       { f.note("replay", user, device) }

func (f *fakeCore) Reach() (onboard.Reach, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return onboard.Reach{Name: "Base", Host: "tak.example.org", Stream: 8089, API: 8443, Enrol: 8446}, f.reach
}

// webCore is what the web side wants beside.
type webCore struct {
	*fakeCore
	web.Core
}

func (webCore) Clients(context.Context) []web.Client { return nil }
func (w webCore) Query(ctx context.Context, q store.Query) (store.Page, error) {
	return w.fakeCore.Query(ctx, q)
}
func (webCore) Ready(context.Context) error { return nil }

// shared is made once: keys take their time.
var shared struct {
	sync.Once
	ca  *pki.PKI
	err error
	dir string
}

func authority(t testing.TB) *pki.PKI {
	t.Helper()
	shared.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "takmarti-"); shared.err == nil {
			shared.ca, shared.err = pki.Open(pki.Options{
				Dir: filepath.Join(shared.dir, "pki"), Organization: "TAK", Unit: "Ops & Co",
				Names: func() []string { return []string{"tak.example.org", "127.0.0.1"} },
			})
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.ca
}

// failingStore fails to write when it is told so.
type failingStore struct {
	*store.Store
	fails atomic.Bool
}

func (f *failingStore) ChangeRecords(ctx context.Context, put, remove []store.Record, audit []store.AuditEntry) error {
	if f.fails.Load() {
		return &store.Error{Code: store.Unavailable, Msg: "the database is away"}
	}
	return f.Store.ChangeRecords(ctx, put, remove, audit)
}

// bed is a server with its real parts, but for streams.
type bed struct {
	t        testing.TB
	dir      string // of the store
	core     *fakeCore
	store    *store.Store
	failing  *failingStore
	groups   *route.Groups
	ids      *identity.Service
	ca       *pki.PKI
	profiles profiles
	keeper   *adminapi.Profiles
	roster   *marti.Roster
	log      bytes.Buffer
	logMu    sync.Mutex

	clock time.Time
	url   map[string]string // by listener
	nth   int
}

func (b *bed) Write(p []byte) (int, error) {
	b.logMu.Lock()
	defer b.logMu.Unlock()
	return b.log.Write(p)
}

func (b *bed) logged() string {
	b.logMu.Lock()
	defer b.logMu.Unlock()
	return b.log.String()
}

var admin = identity.Actor{User: "root", Via: "test"}

func newBed(t testing.TB) *bed {
	t.Helper()
	b := &bed{t: t, dir: t.TempDir(), core: &fakeCore{}, ca: authority(t), roster: marti.NewRoster(), clock: time.Now().UTC().Truncate(time.Millisecond), url: map[string]string{}}
	log := slog.New(slog.NewTextHandler(b, nil))
	ctx := t.Context()
	var err error
	b.store, err = store.Open(ctx, store.Options{
		DSN: "sqlite", Dir: b.dir, Archive: store.ArchiveOptions{Types: []string{"*"}},
		FreeDisk: func(string) (uint64, uint64, error) { return 1 << 40, 1 << 40, nil },
	})
	b.must(err)
	t.Cleanup(func() { b.must(b.store.Close(context.Background())) })
	b.core.archive = b.store.Archive()
	b.groups = route.NewGroups(nil, func(id hostapi.SetID, members []hostapi.GroupID) error {
		return b.store.SaveSet(context.Background(), id, members)
	})
	b.failing = &failingStore{Store: b.store}
	b.ids, err = identity.Open(ctx, identity.Options{Store: b.failing, Sets: b.groups, Log: log, Key: b.ca.SigningKey, Attempts: 5})
	b.must(err)

	b.keeper, err = adminapi.OpenProfiles(ctx, adminapi.ProfileOptions{
		Records: b.failing, Files: b.store.Blobs(), MaxFile: func() int64 { return maxFile }, Now: func() time.Time { return b.clock },
	})
	b.must(err)

	// So that a request can say that it came from elsewhere.
	trusted, err := proxy.ParseTrusted([]string{"127.0.0.1"})
	b.must(err)
	deps := marti.Deps{
		Core: b.core, Identity: b.ids, PKI: b.ca, Groups: b.groups, Profiles: allProfiles{b}, Keeper: b.keeper, Roster: b.roster,
		Version: "1.2.3-test", NodeID: nodeID, Log: log, Now: func() time.Time { return b.clock },
	}
	s := web.New(web.Options{
		Core: webCore{fakeCore: b.core}, Live: web.NewLive(), Gatherer: prometheus.NewRegistry(), Log: log, Version: "1.2.3-test",
		Logins: b.ids, Trusted: trusted, Marti: []func(huma.API){func(api huma.API) { marti.Register(api, deps) }},
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		b.must(s.Close(ctx))
	})
	for name, client := range map[string]pki.ClientCertificate{"http": pki.None, "https": pki.Given, "web": pki.None} {
		opt, scheme := web.ListenOptions{}, "http://"
		if name != "http" {
			opt.TLS, scheme = b.ca.TLS(pki.TLSOptions{Client: client, NextProtos: []string{"http/1.1"}}), "https://"
		}
		addr, err := s.Listen(ctx, name, "127.0.0.1:0", opt)
		b.must(err)
		b.url[name] = scheme + addr.String()
	}
	return b
}

func (b *bed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// group makes a group.
func (b *bed) group(name string) hostapi.GroupID {
	b.t.Helper()
	g, err := b.ids.AddGroup(b.t.Context(), admin, name, "about "+name)
	b.must(err)
	return g.ID
}

// user makes a user without a password. A group may be followed by IN or OUT.
func (b *bed) user(name, role string, groups ...string) {
	b.t.Helper()
	u := identity.NewUser{User: identity.User{Name: name, Roles: []string{role}}}
	for _, g := range groups {
		g, direction, _ := strings.Cut(g, " ")
		u.Groups = append(u.Groups, identity.Membership{Group: g, In: direction != "OUT", Out: direction != "IN"})
	}
	_, err := b.ids.AddUser(b.t.Context(), admin, u)
	b.must(err)
}

// set is the set of these groups.
func (b *bed) set(ids ...hostapi.GroupID) hostapi.SetID {
	b.t.Helper()
	id, err := b.groups.Intern(ids...)
	b.must(err)
	return id
}

// device is a caller.
type device struct {
	b      *bed
	base   string
	client *http.Client
	header http.Header
}

func (b *bed) at(listener string, certs ...tls.Certificate) *device {
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: certs}}
	b.t.Cleanup(tr.CloseIdleConnections)
	return &device{b: b, base: b.url[listener], client: &http.Client{Transport: tr}, header: http.Header{}}
}

// with gives a certificate to a user's device, and the device at https.
func (b *bed) with(user, uid string, channels bool) (*device, *x509.Certificate) {
	b.t.Helper()
	key := newKey(b.t)
	cert, err := b.ca.Sign(key.Public(), pki.Leaf{CommonName: user, Channels: channels})
	b.must(err)
	record := identity.NewCertificate(cert, identity.KindEnrolled, user, uid)
	record.Channels = channels
	b.must(b.ids.AddCertificate(b.t.Context(), admin, record))
	return b.at("https", tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}), cert
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// bearer is a caller with an API token.
func (b *bed) bearer(listener, user string) *device {
	b.t.Helper()
	_, secret, err := b.ids.NewToken(b.t.Context(), admin, identity.TokenSpec{User: user, Name: "test"})
	b.must(err)
	d := b.at(listener)
	d.header.Set("Authorization", "Bearer "+secret)
	return d
}

func (d *device) basic(user, password string) *device {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	e := *d
	e.header = http.Header{"Authorization": r.Header["Authorization"]}
	return &e
}

// answer is what came back.
type answer struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   []byte
}

func (d *device) do(method, path, body string, header ...string) *answer {
	d.b.t.Helper()
	r, err := http.NewRequestWithContext(d.b.t.Context(), method, d.base+path, strings.NewReader(body))
	d.b.must(err)
	r.Header = d.header.Clone()
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if host := r.Header.Get("Host"); host != "" { // by which name it asks
		r.Host = host
	}
	resp, err := d.client.Do(r)
	d.b.must(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	d.b.must(err)
	return &answer{t: d.b.t, what: method + " " + path, status: resp.StatusCode, header: resp.Header, body: b}
}

func (d *device) get(path string) *answer { d.b.t.Helper(); return d.do(http.MethodGet, path, "") }

// is checks status and content type.
func (a *answer) is(status int, contentType string) *answer {
	a.t.Helper()
	if got := a.header.Get("Content-Type"); a.status != status || got != contentType {
		a.t.Fatalf("%s: got %d %q %.300q, want %d %q", a.what, a.status, got, a.body, status, contentType)
	}
	return a
}

func (a *answer) json() *answer { a.t.Helper(); return a.is(http.StatusOK, "application/json") }

// text checks the whole body.
func (a *answer) text(want string) *answer {
	a.t.Helper()
	if string(a.body) != want {
		a.t.Errorf("%s: got %q, want %q", a.what, a.body, want)
	}
	return a
}

// refused checks an error in Marti's own form.
func (a *answer) refused(status int, words string) {
	a.t.Helper()
	a.is(status, "application/json")
	var e struct {
		Status, Message string
		Code            *int
	}
	if err := json.Unmarshal(a.body, &e); err != nil || e.Code == nil || e.Status != strings.ToUpper(strings.ReplaceAll(http.StatusText(status), " ", "_")) {
		a.t.Fatalf("%s: got %q, want Marti's form of %d", a.what, a.body, status)
	}
	if !strings.Contains(e.Message, words) {
		a.t.Errorf("%s: got the message %q, want the words %q", a.what, e.Message, words)
	}
}

var created = regexp.MustCompile(`"created": "\d{4}-\d\d-\d\d"`)

// golden compares with a file.
func (a *answer) golden(name string) {
	a.t.Helper()
	file := filepath.Join("testdata", name)
	got := a.body
	if a.header.Get("Content-Type") == "application/json" {
		var b bytes.Buffer
		if err := json.Indent(&b, got, "", "  "); err != nil {
			a.t.Fatalf("%s: %v: %q", a.what, err, got)
		}
		// Groups were made today.
		got = append(created.ReplaceAll(b.Bytes(), []byte(`"created": "2026-01-01"`)), '\n')
	}
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			a.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		a.t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		a.t.Errorf("%s: got\n%s\nwant (%s)\n%s", a.what, got, file, want)
	}
}

// decode reads the data of an envelope.
func decode[T any](a *answer, typ string) T {
	a.t.Helper()
	a.json()
	var e struct {
		Version, Type, NodeID string
		Data                  T
	}
	if err := json.Unmarshal(a.body, &e); err != nil {
		a.t.Fatalf("%s: %v: %.300q", a.what, err, a.body)
	}
	if e.Version != "3" || e.Type != typ || e.NodeID != nodeID {
		a.t.Fatalf("%s: got the envelope %q %q %q, want 3 %q %q", a.what, e.Version, e.Type, e.NodeID, typ, nodeID)
	}
	return e.Data
}

// scan makes an event that came a millisecond after the one before.
func (b *bed) scan(user, client string, groups hostapi.SetID, xml string) *hostapi.Event {
	b.t.Helper()
	b.nth++
	e := &hostapi.Event{XML: xml, User: user, Client: client, Groups: groups, Recv: b.clock.Add(time.Duration(b.nth) * time.Millisecond).UnixMicro()}
	b.must(cot.Scan(xml, &e.Header))
	e.ID = hostapi.NewID(time.UnixMicro(e.Recv), 1, 0)
	return e
}

// event routes a CoT event into the archive.
func (b *bed) event(user, client string, groups hostapi.SetID, xml string) {
	b.t.Helper()
	b.store.Archive().Routed([]*hostapi.Event{b.scan(user, client, groups, xml)})
	b.must(b.store.Archive().Flush(b.t.Context()))
}

// connect adds a connection to the fake.
func (b *bed) connect(c marti.Client) {
	b.core.mu.Lock()
	defer b.core.mu.Unlock()
	c.Conn = uint64(len(b.core.clients) + 1)
	b.core.clients = append(b.core.clients, c)
}
