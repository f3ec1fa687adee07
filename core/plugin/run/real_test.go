package run

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

// real is actors over the real calls, store, archive and router; the guests
// alone are fakes.
type real struct {
	*testing.T
	st      *store.Store
	env     *call.Env
	router  *route.Router
	waits   Waits
	metrics *Metrics
	seen    atomic.Int64 // events that were routed

	mu     sync.Mutex
	actors map[string]*Actor
}

func newReal(t *testing.T) *real {
	w := &real{T: t, actors: map[string]*Actor{}}
	log := slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelError}))
	var err error
	if w.st, err = store.Open(t.Context(), store.Options{DSN: "sqlite", Dir: t.TempDir(), Archive: store.ArchiveOptions{Types: []string{"a-*"}}, Now: time.Now, Log: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.st.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	groups := route.NewGroups(nil, func(hostapi.SetID, []hostapi.GroupID) error { return nil })
	w.router = route.New(route.Options{
		IDs: route.NewIDs(1, 0, time.Now), Groups: groups, Taps: []route.Tap{w.st.Archive(), w}, Now: time.Now, Log: log,
	})
	t.Cleanup(w.router.Close)
	w.env = &call.Env{
		Store: w.st.Plugins(), Archive: w.st.Archive(), Router: w.router, Groups: groups, Actions: w, Log: log,
		Timers: func(plugin string, changed []store.Timer) { w.actor(plugin).TimersChanged(changed) },
	}
	t.Cleanup(w.env.Settle)
	if w.metrics, err = NewMetrics(prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *real) Routed(evs []*hostapi.Event) {
	w.seen.Add(int64(len(evs)))
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.actors {
		a.Offer(evs)
	}
}

func (w *real) actor(name string) *Actor {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.actors[name]
}

func (w *real) Act(ctx context.Context, parent *call.Call, plugin string, a *wire.Action) (*wire.ActionResult, error) {
	return w.actor(plugin).ActFor(ctx, parent, a)
}

// add makes an actor that is not active yet.
func (w *real) add(name string, s script, change ...func(*manifest.Manifest)) *Actor {
	w.Helper()
	m := &manifest.Manifest{
		Name: name, Version: "1.0.0", Data: 1, State: "store", OnFailure: "skip", HTTP: "shared",
		Collections: []manifest.Collection{{Name: "c"}},
	}
	for _, c := range change {
		c(m)
	}
	g := hostapi.Grants{
		hostapi.CapEventsRead: {Types: []string{"*"}}, hostapi.CapEventsEmit: {Types: []string{"*"}, Rate: 1 << 20},
		hostapi.CapStore: {}, hostapi.CapBlobs: {}, hostapi.CapTimers: {}, hostapi.CapCall: {Actions: []string{"*"}},
	}
	p, err := w.env.NewPlugin(call.Spec{Name: name, Manifest: m, Grants: g})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(p.Close)
	mod := &fakeModule{script: s}
	v := &Version{
		Manifest: m, Calls: FromPlugin(p), Limits: LimitsOf(m.Limits, m.Runtime), Grants: g,
		Code: NewCode(func(context.Context) (guest.Module, error) { return mod, nil }),
	}
	if err := v.Prepare(func(hostapi.SetID) []string { return nil }); err != nil {
		w.Fatal(err)
	}
	a := New(Options{
		Name: name, Store: w.st.Plugins(), Archive: w.st.Archive(), Waits: &w.waits, Metrics: w.metrics,
		Log: p.Log(), Now: time.Now, Tuning: Tuning{Crashes: 1 << 30},
	}, v)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.actors[name] = a
	return a
}

func (w *real) activate() {
	w.Helper()
	for name, a := range w.actors {
		rows, err := w.st.Plugins().Timers(w.Context())
		if err != nil {
			w.Fatal(err)
		}
		var own []store.Timer
		for _, r := range rows {
			if r.Plugin == name {
				own = append(own, r)
			}
		}
		if err := a.Activate(w.Context(), own); err != nil {
			w.Fatal(err)
		}
	}
}

func (w *real) stop() {
	w.Helper()
	for _, a := range w.actors {
		if err := a.Close(context.Background()); err != nil {
			w.Error(err)
		}
	}
}

// await waits until ok says so.
func (w *real) await(what string, ok func() bool) {
	w.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			w.Fatalf("did not come: %s", what)
		}
	}
}

// doc reads a document from outside.
func (w *real) doc(plugin, id string) string {
	w.Helper()
	o := &store.Owner{Plugin: plugin, Data: 1, Collections: []manifest.Collection{{Name: "c"}}}
	docs, err := w.st.Plugins().Begin().Get(w.Context(), o, "c", []string{id}, nil)
	if err != nil {
		w.Fatal(err)
	}
	if len(docs) == 0 {
		return ""
	}
	return string(docs[0].Body)
}

// count adds one to a document by the operations of the contract.
func (g *fakeGuest) count(t *testing.T, id string) int {
	get := wire.Get{Collection: "c", IDs: []string{id}}
	out, s := g.op(hostapi.HostGet, string(get.Append(nil)))
	var docs wire.Documents
	if err := docs.Decode([]byte(out)); s != hostapi.OK || err != nil {
		t.Errorf("get: %v %v", s, err)
	}
	n := 0
	if len(docs.Documents) > 0 {
		fmt.Sscan(string(docs.Documents[0].Body), &n)
	}
	put := wire.Put{Collection: "c", ID: id, Body: fmt.Append(nil, n+1)}
	if out, s := g.op(hostapi.HostPut, string(put.Append(nil))); s != hostapi.OK {
		t.Errorf("put: %v %q", s, out)
	}
	return n + 1
}

// Live and durable subscriptions, emits, actions and timers over the real store:
// each event has its effects once, whatever crashes in between.
func TestRealStore(t *testing.T) {
	w := newReal(t)
	const rounds, clients = 20, 10
	var calls, durables atomic.Int64
	// live counts events, has ledger count them in the same transaction, and emits.
	w.add("live", func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
		switch op {
		case hostapi.OpInit:
			if g.number == 1 { // not again after a crash
				set(g, "soon", time.Now().Add(50*time.Millisecond), 0)
			}
		case hostapi.OpTimer:
			g.count(t, "timer")
		case hostapi.OpEvents:
			b := hostapi.Batch(in)
			for _, v := range b.All() {
				uid := strings.Clone(v.UID())
				n := g.count(t, uid)
				action := wire.Action{Name: "ledger.add", Body: []byte(uid)}
				if out, s := g.op(hostapi.HostCall, string(action.Append(nil))); s != hostapi.OK {
					return []byte(out), s
				}
				xml := strings.Replace(event(t, fmt.Sprint(uid, "-", n)).XML, "a-f-G", "b-x", 1)
				emit := wire.Emit{Events: []wire.Emission{{XML: xml, Audience: &wire.Audience{All: true}}}}
				if out, s := g.op(hostapi.HostEmit, string(emit.Append(nil))); s != hostapi.OK {
					t.Errorf("emit: %v %q", s, out)
				}
				if calls.Add(1)%37 == 0 && b.Attempt() == 0 {
					g.trap("")
				}
			}
		default:
			return nil, hostapi.Unsupported
		}
		return nil, hostapi.OK
	}, func(m *manifest.Manifest) {
		m.Subscriptions = []manifest.Subscription{{Types: []string{"a-f-*"}}}
		m.Limits.EventsTime = manifest.Duration(20 * time.Second)
	})
	w.add("ledger", func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
		if op != hostapi.OpAction {
			return nil, hostapi.Unsupported
		}
		var a wire.Action
		if err := a.Decode(in); err != nil {
			return nil, hostapi.Invalid
		}
		g.count(t, string(a.Body))
		return nil, hostapi.OK
	}, func(m *manifest.Manifest) { m.Provides = []manifest.Action{{Name: "add", Version: 1, Writes: true}} })
	// keeper reads the archive.
	keeper := func() {
		w.add("keeper", func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
			if op != hostapi.OpEvents {
				return nil, hostapi.Unsupported
			}
			b := hostapi.Batch(in)
			for _, v := range b.All() {
				g.count(t, strings.Clone(v.UID()))
				if durables.Add(1)%41 == 0 && b.Attempt() == 0 {
					g.trap("")
				}
			}
			return nil, hostapi.OK
		}, func(m *manifest.Manifest) {
			m.Subscriptions = []manifest.Subscription{{Types: []string{"a-f-*"}, Durable: true}}
			m.Limits.EventsTime = manifest.Duration(20 * time.Second)
		})
	}
	keeper()
	w.activate()
	w.await("the cursor of the first activation", func() bool {
		_, err := w.st.Plugins().Cursor(t.Context(), "keeper")
		return err == nil
	})

	s := w.router.Join(discard{}, route.Who{Conn: 1, In: hostapi.AnonSet, Out: hostapi.AnonSet})
	ids := route.NewIDs(1, 0, time.Now)
	for range rounds {
		var evs []*hostapi.Event
		for _, uid := range uids(clients) {
			e := event(t, uid)
			id, now := ids.Next()
			e.ID, e.Recv = id, now.UnixMicro()
			evs = append(evs, e)
		}
		s.Publish(evs)
	}
	done := func(plugin string) func() bool {
		return func() bool {
			for _, uid := range uids(clients) {
				if w.doc(plugin, uid) != fmt.Sprint(rounds) {
					return false
				}
			}
			return true
		}
	}
	w.await("all events at live", done("live"))
	w.await("the timer", func() bool { return w.doc("live", "timer") == "1" })
	// keeper goes on from its cursor after a restart.
	if err := w.actors["keeper"].Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	keeper()
	if err := w.actors["keeper"].Activate(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	w.await("all events at keeper", done("keeper"))
	if !done("ledger")() {
		t.Error("the ledger does not have what live has")
	}
	w.await("all emits", func() bool { return w.seen.Load() >= 2*rounds*clients })
	s.Leave()
	w.stop()
	for name, a := range w.actors {
		if c := a.Counts(); c.DeadLetters != 0 || c.Missed != 0 || name == "live" && c.Crashes == 0 {
			t.Errorf("%s: got %+v", name, c)
		}
		letters, err := w.st.Plugins().DeadLetters(t.Context(), name, 0, 0)
		if err != nil || len(letters) != 0 {
			t.Errorf("%s: dead letters %v, %v", name, letters, err)
		}
	}
	if got := w.seen.Load(); got != 2*rounds*clients {
		t.Errorf("%d events were routed, want %d", got, 2*rounds*clients)
	}
	for _, p := range []string{"live", "ledger", "keeper"} {
		if !done(p)() {
			t.Errorf("%s counted wrong", p)
		}
	}
}

// discard is a receiver that wants nothing.
type discard struct{}

func (discard) Offer([]*hostapi.Event) bool { return false }
func (discard) Replay([]*hostapi.Event)     {}
func (discard) Close(string)                {}
