package store

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// testTime is when the tests take place for the clocks that they give.
var testTime = time.Date(2026, 3, 4, 12, 30, 0, 0, time.UTC)

// testWait bounds what a test waits for; it is met only by a failure.
const testWait = time.Minute

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testWait)
	t.Cleanup(cancel)
	return ctx
}

// options are those of a store that archives everything.
func options(t testing.TB, dsn string) Options {
	t.Helper()
	o := Options{DSN: dsn, Archive: ArchiveOptions{Types: []string{"*"}}, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if dsn == "sqlite" {
		o.Dir = t.TempDir()
	}
	return o
}

// open opens a store that is closed when the test ends, unless it was before.
func open(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(testContext(t), o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(testContext(t)); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// event makes a position report with the time of at in its id.
func event(n int, at time.Time) *hostapi.Event {
	uid := fmt.Sprintf("ANDROID-%016x", n%7)
	return newEvent(hostapi.NewID(at, 3, n), at, uid, "a-f-G-U-C")
}

func newEvent(id hostapi.ID, at time.Time, uid, typ string) *hostapi.Event {
	e := &hostapi.Event{ID: id, Recv: at.UnixMicro(), Conn: 7, User: "anna", Client: "ANDROID-1", Groups: 1}
	e.Header = cot.Header{
		UID: uid, Type: typ, How: "m-g",
		Time: at.UnixMicro() - 100, Start: at.UnixMicro() - 200, Stale: at.Add(time.Minute).UnixMicro(),
		Lat: 47.5, Lon: 8.25, Hae: 401.5, CE: 9.5, LE: cot.Unknown, Callsign: "ANNA", Team: "Cyan", Role: "Team Lead",
		Flags: cot.HasPoint | cot.HasDetail,
	}
	e.XML = `<event version="2.0" uid="` + uid + `" type="` + typ + `"/>`
	return e
}

// events makes n of them, step apart.
func events(n int, from time.Time, step time.Duration) []*hostapi.Event {
	evs := make([]*hostapi.Event, n)
	for i := range evs {
		evs[i] = event(i%4096, from.Add(time.Duration(i)*step))
	}
	return evs
}

// put archives evs and waits until they are stored.
func put(t testing.TB, s *Store, evs ...*hostapi.Event) {
	t.Helper()
	s.Archive().Routed(evs)
	if err := s.Archive().Flush(testContext(t)); err != nil {
		t.Fatalf("Flush: %v", err)
	}
}

func query(t testing.TB, s *Store, q Query) Page {
	t.Helper()
	p, err := s.Archive().Query(testContext(t), q)
	if err != nil {
		t.Fatalf("Query(%+v): %v", q, err)
	}
	return p
}

// all follows Next to the end.
func all(t testing.TB, s *Store, q Query) []Stored {
	t.Helper()
	var got []Stored
	for {
		p := query(t, s, q)
		got = append(got, p.Events...)
		if p.Next == "" {
			return got
		}
		q.After = p.Next
	}
}

func idsOf(evs []Stored) []hostapi.ID {
	ids := []hostapi.ID{}
	for _, e := range evs {
		ids = append(ids, e.ID)
	}
	return ids
}

// lines is a log to wait on.
type lines struct {
	mu    sync.Mutex
	text  strings.Builder
	fresh chan struct{}
	out   interface{ Write([]byte) (int, error) }
}

func logTo(t testing.TB, o *Options) *lines {
	l := &lines{fresh: make(chan struct{}), out: t.Output()}
	o.Log = slog.New(slog.NewTextHandler(l, nil))
	return l
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(b)
	close(l.fresh)
	l.fresh = make(chan struct{})
	return l.out.Write(b)
}

func (l *lines) count(want string) (n int, fresh <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), want), l.fresh
}

// wait returns when the log holds want.
func (l *lines) wait(t testing.TB, want string) {
	t.Helper()
	late := time.After(testWait)
	for {
		n, fresh := l.count(want)
		if n > 0 {
			return
		}
		select {
		case <-fresh:
		case <-late:
			t.Fatalf("log has no line with %q", want)
		}
	}
}

// eventually waits for a state that nothing announces.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	late := time.After(testWait)
	for !holds() {
		select {
		case <-late:
			t.Fatalf("never came: %s", what)
		case <-time.After(2 * time.Millisecond):
		}
	}
}
