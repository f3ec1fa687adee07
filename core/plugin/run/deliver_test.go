package run

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

// emitUID is a guest that emits the uid of each event.
func emitUID(g *fakeGuest, _ hostapi.Batch, _ int, v hostapi.View) {
	g.op(hostapi.HostEmit, strings.Clone(v.UID()))
}

func uids(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("u%d", i)
	}
	return list
}

func TestEventsComeInOrderAndOnce(t *testing.T) {
	b := newBed(t)
	v, _ := b.version(events(emitUID))
	b.start(v)
	want := uids(5000)
	for i := 0; i < len(want); i += 7 {
		b.offer(want[i:min(i+7, len(want))]...)
	}
	b.drained()
	b.stop()
	if diff := cmp.Diff(want, b.db.sent()); diff != "" {
		t.Errorf("events handled (-want +got):\n%s", diff)
	}
	if n := b.a.Counts().Events; n != 5000 {
		t.Errorf("counted %d events, want 5000", n)
	}
}

// Each call is committed once or not at all, whatever crashes.
func TestCrashesLoseNothingAndDoubleNothing(t *testing.T) {
	b := newBed(t)
	calls := 0
	v, mod := b.version(events(func(g *fakeGuest, batch hostapi.Batch, i int, view hostapi.View) {
		n := g.add(strings.Clone(view.UID()))
		g.op(hostapi.HostEmit, strings.Clone(view.UID())+" "+n)
		// Not at the second attempt: such an event would be a poisonous one.
		if calls++; calls%97 == 0 && batch.Attempt() == 0 {
			g.trap("stack")
		}
	}))
	b.start(v)
	const rounds, clients = 400, 50
	want := map[string]int{}
	for range rounds {
		b.offer(uids(clients)...)
	}
	b.drained()
	b.stop()
	for _, line := range b.db.sent() {
		uid, n, _ := strings.Cut(line, " ")
		want[uid]++
		if n != fmt.Sprint(want[uid]) {
			t.Fatalf("%s: got number %s, want %d", uid, n, want[uid])
		}
	}
	for _, uid := range uids(clients) {
		if want[uid] != rounds {
			t.Errorf("%s: %d events, want %d", uid, want[uid], rounds)
		}
	}
	if c := b.a.Counts(); c.Crashes < 100 || c.DeadLetters != 0 {
		t.Errorf("got %d crashes and %d dead letters, want many and none", c.Crashes, c.DeadLetters)
	}
	if live, _ := mod.counts(); live != 0 || !mod.closed {
		t.Errorf("%d instances are left, module closed: %v", live, mod.closed)
	}
}

func TestPoisonEvent(t *testing.T) {
	tests := []struct {
		name   string
		poison func(g *fakeGuest)
		want   string
		output string
	}{
		{"trap", func(g *fakeGuest) { g.trap("goroutine 1") }, "events: trap: unreachable", "goroutine 1"},
		{"endless loop", func(g *fakeGuest) { g.hang() }, "events: deadline: context deadline exceeded", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			var mu sync.Mutex
			attempts := map[string]int{}
			v, _ := b.version(events(func(g *fakeGuest, batch hostapi.Batch, _ int, view hostapi.View) {
				if view.UID() == "bad" {
					mu.Lock()
					attempts[fmt.Sprint("bad ", batch.Attempt(), " of ", batch.Len())]++
					mu.Unlock()
					tt.poison(g)
				}
				emitUID(g, nil, 0, view)
			}), func(m *manifest.Manifest) { m.Limits.EventsTime = manifest.Duration(20 * time.Millisecond) })
			b.start(v)
			b.offer("a", "b", "bad", "c", "d")
			d := b.letter()
			b.drained()
			b.stop()
			if diff := cmp.Diff([]string{"a", "b", "c", "d"}, b.db.sent()); diff != "" {
				t.Errorf("events handled (-want +got):\n%s", diff)
			}
			if d.Error != tt.want || d.Output != tt.output || d.Subject != "bad" || d.Op != "events" || !strings.Contains(d.XML, `uid="bad"`) || d.Version != "1.0.0" || d.Plugin != "p" {
				t.Errorf("got the dead letter %+v", d)
			}
			if want := `{"recv":0,"groups":1,"origin":"client"}`; string(d.Detail) != want {
				t.Errorf("got the detail %s, want %s", d.Detail, want)
			}
			if diff := cmp.Diff(map[string]int{"bad 0 of 5": 1, "bad 1 of 1": 1}, attempts); diff != "" {
				t.Errorf("attempts (-want +got):\n%s", diff)
			}
		})
	}
}

// A status other than OK fails the batch; an answer can also name single events.
func TestAnswersToBatches(t *testing.T) {
	result := func(r ...wire.EventResult) []byte { return (&wire.BatchResult{Results: r}).Append(nil) }
	tests := []struct {
		name    string
		answer  func(b hostapi.Batch, views []string) ([]byte, hostapi.Status)
		want    []string
		letters []string
	}{
		{"all failed, alone all are fine", func(b hostapi.Batch, _ []string) ([]byte, hostapi.Status) {
			if b.Len() > 1 {
				return nil, hostapi.Failed
			}
			return nil, hostapi.OK
		}, []string{"a", "b", "c"}, nil},
		{"one fails each time", func(_ hostapi.Batch, views []string) ([]byte, hostapi.Status) {
			for _, uid := range views {
				if uid == "b" {
					return (&wire.Error{Message: "no b"}).Append(nil), hostapi.Invalid
				}
			}
			return nil, hostapi.OK
		}, []string{"a", "c"}, []string{"b: invalid: no b"}},
		{"one is left out for good", func(_ hostapi.Batch, views []string) ([]byte, hostapi.Status) {
			return result(wire.EventResult{Event: 1, Status: uint32(hostapi.Failed), Message: "bad day"}), hostapi.OK
		}, []string{"a", "b", "c"}, []string{"b: failed: bad day"}},
		{"one wants to come again", func(b hostapi.Batch, views []string) ([]byte, hostapi.Status) {
			if b.Attempt() == 0 {
				return result(wire.EventResult{Event: 0, Status: uint32(hostapi.Retry)}), hostapi.OK
			}
			return nil, hostapi.OK
		}, []string{"a", "b", "c", "a"}, nil},
		{"one wants to come again for ever", func(b hostapi.Batch, views []string) ([]byte, hostapi.Status) {
			return result(wire.EventResult{Event: 0, Status: uint32(hostapi.Retry), Message: "later"}), hostapi.OK
		}, []string{"a", "b", "c", "a"}, []string{"a: retry: later"}},
		{"a result for an event that was not given", func(b hostapi.Batch, views []string) ([]byte, hostapi.Status) {
			return result(wire.EventResult{Event: uint32(b.Len())}), hostapi.OK
		}, nil, []string{"a: events: answer", "b: events: answer", "c: events: answer"}},
		{"garbage", func(b hostapi.Batch, views []string) ([]byte, hostapi.Status) {
			return []byte{0xff, 0xff}, hostapi.OK
		}, nil, []string{"a: events: answer", "b: events: answer", "c: events: answer"}},
		{"OK for one by name", func(b hostapi.Batch, views []string) ([]byte, hostapi.Status) {
			return result(wire.EventResult{Event: 2, Status: uint32(hostapi.OK)}), hostapi.OK
		}, []string{"a", "b", "c"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			v, _ := b.version(func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
				if op != hostapi.OpEvents {
					return nil, hostapi.Unsupported
				}
				var views []string
				for _, v := range hostapi.Batch(in).All() {
					emitUID(g, nil, 0, v)
					views = append(views, strings.Clone(v.UID()))
				}
				return tt.answer(hostapi.Batch(in), views)
			})
			b.start(v)
			b.offer("a", "b", "c")
			b.drained()
			b.stop()
			if diff := cmp.Diff(tt.want, b.db.sent()); diff != "" {
				t.Errorf("emitted (-want +got):\n%s", diff)
			}
			var got []string
			for _, d := range b.db.dead() {
				got = append(got, d.Subject+": "+d.Error)
			}
			for i, want := range tt.letters {
				if i >= len(got) || !strings.HasPrefix(got[i], want) {
					t.Errorf("dead letters: got %q, want %q", got, tt.letters)
					break
				}
			}
			if len(got) != len(tt.letters) {
				t.Errorf("dead letters: got %q, want %q", got, tt.letters)
			}
		})
	}
}

func TestConflictRepeatsTheWholeCall(t *testing.T) {
	tests := []struct {
		name      string
		conflicts int // commits that fail
		emitted   int
		letters   int
	}{
		{"once", 1, 1, 0},
		{"three times", 3, 1, 0},
		{"each time in both attempts", 100, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			left := tt.conflicts
			b.db.before = func() error {
				if left--; left >= 0 {
					return &store.Error{Code: store.Conflict, Msg: "somebody was faster"}
				}
				return nil
			}
			v, _ := b.version(events(emitUID))
			b.start(v)
			b.offer("a")
			b.drained()
			b.stop()
			if got := len(b.db.sent()); got != tt.emitted {
				t.Errorf("emitted %d times, want %d", got, tt.emitted)
			}
			if got := b.db.dead(); len(got) != tt.letters {
				t.Errorf("got the dead letters %v, want %d", got, tt.letters)
			}
		})
	}
}

// While the database is away everything waits, and nothing is given up.
func TestDatabaseAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		away := time.Now().Add(time.Minute)
		b.db.before = func() error {
			if time.Now().Before(away) {
				return &store.Error{Code: store.Unavailable, Msg: "away"}
			}
			return nil
		}
		v, _ := b.version(events(emitUID))
		b.start(v)
		b.offer("a", "b")
		time.Sleep(30 * time.Second)
		b.offer("c")
		if got := b.db.sent(); len(got) != 0 {
			t.Errorf("emitted %v while the database was away", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([]string{"a", "b", "c"}, b.db.sent()); diff != "" {
			t.Errorf("events handled (-want +got):\n%s", diff)
		}
		if n := b.a.Counts(); n.DeadLetters != 0 || n.Crashes != 0 {
			t.Errorf("got %+v", n)
		}
		b.stop()
	})
}

func TestOverflowIsToldToThePlugin(t *testing.T) {
	b := newBed(t)
	gate, inside := make(chan struct{}), make(chan struct{}, 10)
	var missed []uint64
	v, _ := b.version(events(func(g *fakeGuest, batch hostapi.Batch, i int, view hostapi.View) {
		if view.UID() == "first" {
			inside <- struct{}{}
			g.wait(gate)
		}
		if i == 0 {
			missed = append(missed, batch.Missed())
		}
		emitUID(g, nil, 0, view)
	}), func(m *manifest.Manifest) {
		m.Limits.QueueEvents = 10
		m.Limits.BatchEvents = 4
		m.Limits.EventsTime = manifest.Duration(time.Minute)
	})
	b.start(v)
	b.offer("first")
	<-inside
	b.offer(uids(25)...)
	c := b.a.Counts()
	if !c.Lagging || c.Missed != 15 || c.Queued != 10 || c.QueuedBytes == 0 {
		t.Errorf("got %+v, want 10 queued, 15 missed, lagging", c)
	}
	close(gate)
	b.drained()
	b.stop()
	if diff := cmp.Diff(append([]string{"first"}, uids(25)[15:]...), b.db.sent()); diff != "" {
		t.Errorf("events handled (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]uint64{0, 15, 0, 0}, missed); diff != "" {
		t.Errorf("missed of the batches (-want +got):\n%s", diff)
	}
}

// A busy plugin waits a moment for more events than one; an idle one does not.
func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		var batches []int
		var delay []time.Duration
		var sent atomic.Int64
		v, _ := b.version(func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
			if op == hostapi.OpEvents {
				batches = append(batches, hostapi.Batch(in).Len())
				delay = append(delay, time.Since(time.Unix(0, sent.Load())))
			}
			return nil, hostapi.OK
		})
		b.start(v)
		sent.Store(time.Now().UnixNano())
		b.offer("a")
		synctest.Wait()
		b.offer("b")
		time.Sleep(time.Millisecond)
		b.offer("c")
		time.Sleep(10 * time.Millisecond)
		sent.Store(time.Now().UnixNano())
		b.offer("d")
		synctest.Wait()
		b.offer(uids(200)...)
		time.Sleep(3 * time.Millisecond)
		synctest.Wait()
		b.stop()
		if diff := cmp.Diff([]int{1, 2, 1, 64, 64, 64, 8}, batches); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
		// Full batches do not wait, and neither does the first one after a pause.
		const ms = time.Millisecond
		if diff := cmp.Diff([]time.Duration{0, 2 * ms, 0, 0, 0, 0, 2 * ms}, delay); diff != "" {
			t.Errorf("delays (-want +got):\n%s", diff)
		}
	})
}
