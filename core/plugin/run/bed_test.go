package run

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/manifest"
)

// bed is an actor with everything around it.
type bed struct {
	*testing.T
	db      *fakeDB
	a       *Actor
	changes chan Change
	tune    Tuning
	archive Archive
	waits   *Waits
	calls   []*fakeCalls

	patience time.Duration // of await
}

func newBed(t *testing.T) *bed {
	return &bed{T: t, db: newDB(), changes: make(chan Change, 1000), waits: &Waits{},
		tune: Tuning{Crashes: 1 << 30}, patience: 30 * time.Second}
}

// version makes a version that subscribes to everything.
func (b *bed) version(s script, change ...func(*manifest.Manifest)) (*Version, *fakeModule) {
	b.Helper()
	m := &manifest.Manifest{
		Name: "p", Version: "1.0.0", Data: 1, State: "store", OnFailure: "skip", HTTP: "shared",
		Subscriptions: []manifest.Subscription{{Types: []string{"*"}, Missions: []string{"*"}}},
		Routes:        []manifest.Route{{ID: "get", Method: "GET"}, {ID: "pooled", Method: "GET", HTTP: "pool"}},
	}
	for _, c := range change {
		c(m)
	}
	mod := &fakeModule{script: s}
	calls := &fakeCalls{db: b.db}
	b.calls = append(b.calls, calls)
	v := &Version{
		Manifest: m, Calls: calls, Limits: LimitsOf(m.Limits, m.Runtime),
		Grants: hostapi.Grants{hostapi.CapEventsRead: {Types: []string{"*"}, Missions: true}, hostapi.CapEventsFilter: {Types: []string{"*"}}},
		Code: NewCode(func(context.Context) (guest.Module, error) {
			mod.mu.Lock()
			defer mod.mu.Unlock()
			mod.closed = false
			return mod, nil
		}),
	}
	calls.v = v
	if err := v.Prepare(func(set hostapi.SetID) []string { return []string{fmt.Sprint("set", set)} }); err != nil {
		b.Fatal(err)
	}
	return v, mod
}

func (b *bed) options() Options {
	metrics, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	return Options{
		Name: "p", Store: b.db, Archive: b.archive, Waits: b.waits, Metrics: metrics, Tuning: b.tune, Now: time.Now,
		Log: slog.New(slog.NewTextHandler(testWriter{b.T}, nil)), Report: func(c Change) { b.changes <- c },
	}
}

// start makes the actor and activates it.
func (b *bed) start(v *Version) *Actor {
	b.Helper()
	b.a = New(b.options(), v)
	b.db.notice = b.a.TimersChanged
	var rows []store.Timer
	for _, t := range b.db.timers {
		rows = append(rows, t)
	}
	if err := b.a.Activate(b.Context(), rows); err != nil {
		b.Fatalf("activate: %v", err)
	}
	b.await(Active)
	return b.a
}

func (b *bed) stop() {
	b.Helper()
	if err := b.a.Close(context.Background()); err != nil {
		b.Errorf("close: %v", err)
	}
	b.await(Stopped)
}

// await takes changes until the state is there.
func (b *bed) await(s State) Change {
	b.Helper()
	for {
		select {
		case c := <-b.changes:
			if c.State == s {
				return c
			}
		case <-time.After(b.patience):
			b.Fatalf("state %s did not come", s)
		}
	}
}

// letter waits for the next dead letter.
func (b *bed) letter() store.DeadLetter {
	b.Helper()
	select {
	case d := <-b.db.buried:
		return d
	case <-time.After(30 * time.Second):
		b.Fatal("no dead letter came")
		panic("unreachable")
	}
}

// offer shows events to the actor, ids and numbers in the order given.
func (b *bed) offer(uids ...string) {
	b.Helper()
	evs := make([]*hostapi.Event, len(uids))
	for i, uid := range uids {
		evs[i] = event(b.T, uid)
	}
	b.a.Offer(evs)
}

// drained waits until all events have been handled.
func (b *bed) drained() {
	b.Helper()
	end := time.Now().Add(30 * time.Second)
	for {
		idle := make(chan bool, 1)
		if err := b.a.order(b.Context(), func(context.Context) error { idle <- b.a.quiet(); return nil }); err != nil {
			b.Fatal(err)
		}
		if <-idle {
			return
		}
		if time.Now().After(end) {
			b.Fatal("events are left over")
		}
		time.Sleep(time.Millisecond)
	}
}

func event(t testing.TB, uid string, detail ...string) *hostapi.Event {
	xml := fmt.Sprintf(`<event version="2.0" uid="%s" type="a-f-G" how="m-g" time="2026-01-01T00:00:00Z" start="2026-01-01T00:00:00Z" stale="2026-01-01T00:05:00Z"><point lat="48" lon="11" hae="0" ce="1" le="1"/><detail>%s</detail></event>`, uid, strings.Join(detail, ""))
	e := &hostapi.Event{XML: xml, Groups: hostapi.AnonSet}
	if err := cot.Scan(xml, &e.Header); err != nil {
		t.Fatal(err)
	}
	return e
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}
