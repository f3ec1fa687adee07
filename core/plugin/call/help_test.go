package call

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/index"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bed is an Env over a real store and a real router, with a clock that stands
// until it is moved.
type bed struct {
	testing.TB
	env     *Env
	st      *store.Store
	router  *route.Router
	groups  *route.Groups
	reg     *prometheus.Registry
	live    liveRecord
	actions actionTable
	log     logRecord

	mu  sync.Mutex
	now time.Time

	conns  uint64
	sent   int      // events published
	timers []string // what Env.Timers was told
}

const (
	red hostapi.GroupID = iota + 2
	blue
	green
)

func newBed(t testing.TB) *bed {
	t.Helper()
	ctx := t.Context()
	b := &bed{TB: t, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), reg: prometheus.NewRegistry()}
	log := slog.New(slog.NewTextHandler(&b.log, nil))
	st, err := store.Open(ctx, store.Options{DSN: "sqlite", Dir: t.TempDir(), Archive: store.ArchiveOptions{Types: []string{"*"}}, Now: b.clock})
	if err != nil {
		t.Fatal(err)
	}
	b.st = st
	t.Cleanup(func() {
		if err := st.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	b.groups = route.NewGroups(nil, func(hostapi.SetID, []hostapi.GroupID) error { return nil })
	b.groups.SetNames(map[string]hostapi.GroupID{"Red": red, "Blue": blue, "Green": green})
	b.router = route.New(route.Options{
		IDs: route.NewIDs(1, 0, b.clock), Groups: b.groups, Taps: []route.Tap{st.Archive()}, Now: b.clock, Log: log,
	})
	t.Cleanup(b.router.Close)
	everybody := b.set(red, blue)
	b.env = &Env{
		Store: st.Plugins(), Blobs: st.Blobs(), Archive: st.Archive(), Router: b.router, Groups: b.groups, Live: &b.live, Actions: &b.actions,
		All: func() hostapi.SetID { return everybody }, Now: b.clock, Log: log, Metrics: b.reg, Version: "1.2.3",
		Timers: func(plugin string, changed []store.Timer) {
			for _, c := range changed {
				b.timers = append(b.timers, fmt.Sprintf("%s %s %v", plugin, c.Name, c.Cancelled))
			}
		},
	}
	t.Cleanup(b.env.Settle)
	return b
}

func (b *bed) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bed) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func (b *bed) set(groups ...hostapi.GroupID) hostapi.SetID {
	b.Helper()
	id, err := b.groups.Intern(groups...)
	if err != nil {
		b.Fatal(err)
	}
	return id
}

type liveRecord struct{ updates []Update }

func (l *liveRecord) Publish(u []Update) { l.updates = append(l.updates, u...) }

// actionTable runs actions that are Go functions.
type actionTable map[string]func(ctx context.Context, parent *Call, a *wire.Action) (*wire.ActionResult, error)

func (t *actionTable) Act(ctx context.Context, parent *Call, plugin string, a *wire.Action) (*wire.ActionResult, error) {
	f := (*t)[plugin+"."+a.Name]
	if f == nil {
		return nil, &StatusError{Status: hostapi.NotFound, Message: "no such action"}
	}
	return f(ctx, parent, a)
}

// logRecord keeps what is logged.
type logRecord struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logRecord) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logRecord) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Reset()
}

func (l *logRecord) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// lines gives those that hold a text.
func (l *logRecord) lines(with string) (list []string) {
	for line := range strings.Lines(l.text()) {
		if strings.Contains(line, with) {
			list = append(list, line)
		}
	}
	return list
}

var testManifest = manifest.Manifest{
	Name: "test", Version: "1.0.0", Data: 1,
	Collections: []manifest.Collection{{Name: "things", Indexes: []manifest.Index{{Name: "name", Fields: []string{"string"}, Unique: true}}}},
	Timers:      []manifest.Timer{{Name: "always", Every: manifest.Duration(time.Minute)}},
}

// all grants everything to a plugin.
func all() hostapi.Grants {
	return hostapi.Grants{
		hostapi.CapEventsEmit:   {Types: []string{"*"}, Missions: true},
		hostapi.CapEventsQuery:  {Types: []string{"*"}, Missions: true},
		hostapi.CapStore:        {},
		hostapi.CapBlobs:        {},
		hostapi.CapClients:      {},
		hostapi.CapIdentityRead: {},
		hostapi.CapTopics:       {Prefixes: []string{"t/"}},
		hostapi.CapTimers:       {},
		hostapi.CapLivePublish:  {Names: []string{"*"}},
		hostapi.CapHTTPClient:   {Hosts: []string{"*:*", "127.0.0.1:*"}},
		hostapi.CapStreams:      {},
		hostapi.CapCall:         {Actions: []string{"*"}},
	}
}

func (b *bed) plugin(name string, g hostapi.Grants) *Plugin {
	b.Helper()
	return b.spec(Spec{Name: name, Manifest: &testManifest, Grants: g})
}

func (b *bed) spec(s Spec) *Plugin {
	b.Helper()
	p, err := b.env.NewPlugin(s)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.Close)
	return p
}

// message is one of plugin.proto.
type message interface{ Append([]byte) []byte }

// answer is what Serve gave.
type answer struct {
	payload []byte
	status  hostapi.Status
	err     wire.Error
}

func (b *bed) do(c *Call, op hostapi.HostOp, in message) answer {
	b.Helper()
	var bytes []byte
	if in != nil {
		bytes = in.Append(nil)
	}
	return b.raw(c, op, bytes)
}

func (b *bed) raw(c *Call, op hostapi.HostOp, in []byte) (a answer) {
	b.Helper()
	const front = "kept"
	out, s := c.Serve(b.Context(), op, in, []byte(front))
	if !strings.HasPrefix(string(out), front) {
		b.Fatalf("%v: what was in dst is gone: %q", op, out)
	}
	a.payload, a.status = out[len(front):], s
	if s != hostapi.OK {
		if err := a.err.Decode(a.payload); err != nil {
			b.Fatalf("%v: the error cannot be read: %v", op, err)
		}
	}
	return a
}

// ok does an operation that must succeed.
func (b *bed) ok(c *Call, op hostapi.HostOp, in message) []byte {
	b.Helper()
	a := b.do(c, op, in)
	if a.status != hostapi.OK {
		b.Fatalf("%v: got %v: %s", op, a.status, a.err.Message)
	}
	return a.payload
}

// refused does an operation that must not succeed.
func (b *bed) refused(c *Call, op hostapi.HostOp, in message, want hostapi.Status, text string) {
	b.Helper()
	a := b.do(c, op, in)
	if a.status != want || !strings.Contains(a.err.Message, text) {
		b.Errorf("%v: got %v: %q, want %v: …%s…", op, a.status, a.err.Message, want, text)
	}
}

func (b *bed) commit(c *Call) {
	b.Helper()
	if err := c.Commit(b.Context()); err != nil {
		b.Fatalf("commit: %v", err)
	}
}

// client is a connected device.
type client struct {
	*route.Session
	uid string

	mu  sync.Mutex
	got []*hostapi.Event
}

func (c *client) Offer(evs []*hostapi.Event) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, evs...)
	return false
}

func (c *client) Replay([]*hostapi.Event) {}
func (c *client) Close(string)            {}

// take gives the types and uids of what came since.
func (c *client) take() (list []string) {
	for _, e := range c.takeEvents() {
		list = append(list, e.Type+" "+e.UID)
	}
	return list
}

func (c *client) takeEvents() []*hostapi.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.got
	c.got = nil
	return got
}

// join connects a client and has it say who it is.
func (b *bed) join(uid, user string, groups hostapi.SetID) *client {
	b.Helper()
	c := &client{uid: uid}
	b.conns++
	c.Session = b.router.Join(c, route.Who{Conn: b.conns, User: user, In: groups, Out: groups, Listener: "tcp", Addr: "10.0.0.1:1"})
	b.Cleanup(c.Leave)
	b.publish(c, "a-f-G-U-C", uid, fmt.Sprintf(`<contact callsign="%s-CS" endpoint="*:-1:stcp"/>`, uid))
	return c
}

// publish sends an event as a client and waits until it is archived.
func (b *bed) publish(c *client, typ, uid, detail string) *hostapi.Event {
	b.Helper()
	b.advance(time.Millisecond)
	e := &hostapi.Event{XML: event(typ, uid, detail)}
	if err := scan(e, b.clock()); err != nil {
		b.Fatal(err)
	}
	e.ID, e.Recv = b.nextID()
	c.Publish([]*hostapi.Event{e})
	return e
}

// nextID numbers events as the stream does, apart from those that the router
// numbers itself: by another node.
func (b *bed) nextID() (hostapi.ID, int64) {
	b.sent++
	now := b.clock()
	return hostapi.NewID(now, 2, b.sent), now.UnixMicro()
}

func (b *bed) flush() {
	b.Helper()
	if err := b.st.Archive().Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func event(typ, uid, detail string) string {
	return fmt.Sprintf(`<event version="2.0" uid="%s" type="%s" how="m-g" time="2026-11-21T12:00:00Z" start="2026-11-21T12:00:00Z" stale="2026-11-21T12:01:00Z">`+
		`<point lat="48" lon="11" hae="0" ce="1" le="1"/><detail>%s</detail></event>`, uid, typ, detail)
}

func emitted(typ, uid string, to wire.Audience) wire.Emission {
	return wire.Emission{XML: event(typ, uid, ""), Audience: &to}
}

func emitOf(e ...wire.Emission) *wire.Emit { return &wire.Emit{Events: e} }

func key(name string) []wire.IndexKey {
	k, err := index.AppendTuple(nil, index.String(name))
	if err != nil {
		panic(err)
	}
	return []wire.IndexKey{{Index: "name", Key: k}}
}

func documents(t testing.TB, payload []byte) (ids []string, m wire.Documents) {
	t.Helper()
	if err := m.Decode(payload); err != nil {
		t.Fatal(err)
	}
	for _, d := range m.Documents {
		ids = append(ids, d.ID)
	}
	slices.Sort(ids)
	return ids, m
}
