package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

func memory(version string) func(*manifest.Manifest) {
	return func(m *manifest.Manifest) { m.State, m.Version = "memory", version }
}

// on gives a script that does something else for one operation.
func on(op hostapi.GuestOp, do func(g *fakeGuest, in []byte) ([]byte, hostapi.Status), otherwise script) script {
	return func(g *fakeGuest, got hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
		if got == op {
			return do(g, in)
		}
		return otherwise(g, got, in)
	}
}

func trapping(g *fakeGuest, _ []byte) ([]byte, hostapi.Status) {
	g.trap("")
	return nil, hostapi.OK
}

func hanging(g *fakeGuest, _ []byte) ([]byte, hostapi.Status) {
	g.hang()
	return nil, hostapi.OK
}

func refusing(*fakeGuest, []byte) ([]byte, hostapi.Status) {
	return (&wire.Error{Message: "will not"}).Append(nil), hostapi.Failed
}

// Every step of a swap may fail; then the old version goes on with its state.
func TestSwap(t *testing.T) {
	tests := []struct {
		name   string
		script script
		change []func(*manifest.Manifest)
		plan   func(b *bed, p *Plan)
		want   string // in the error; empty: the newcomer is in force
		state  bool   // whether the numbers go on
	}{
		{name: "good", state: true},
		{name: "trial init refuses", script: on(hostapi.OpInit, refusing, counting()), want: "trial: failed: will not", state: true},
		{name: "trial init never ends", script: on(hostapi.OpInit, hanging, counting()), want: "trial: init: deadline", state: true},
		{name: "init traps after the trial", script: on(hostapi.OpInit, func(g *fakeGuest, _ []byte) ([]byte, hostapi.Status) {
			if g.init.Role == wire.RoleMain {
				g.trap("")
			}
			return nil, hostapi.OK
		}, counting()), want: "init: trap", state: true},
		{name: "health refuses", script: on(hostapi.OpHealth, refusing, counting()), want: "trial: health: failed: will not", state: true},
		{name: "traps on a recorded event", script: on(hostapi.OpEvents, trapping, counting()), want: "trial: events: trap", state: true,
			plan: func(b *bed, p *Plan) { p.Sample = []*hostapi.Event{event(b.T, "sample")} }},
		{name: "does not count a recorded event", state: true,
			plan: func(b *bed, p *Plan) { p.Sample = []*hostapi.Event{event(b.T, "a"), event(b.T, "a")} }},
		{name: "restore traps", script: on(hostapi.OpRestore, trapping, counting()), want: "hand over: restore: restore: trap", state: true},
		{name: "restore refuses", script: on(hostapi.OpRestore, refusing, counting()), want: "hand over: restore: failed: will not", state: true},
		{name: "restore never ends", script: on(hostapi.OpRestore, hanging, counting()), want: "hand over: restore: restore: deadline", state: true},
		{name: "commit refuses", plan: func(b *bed, p *Plan) {
			p.Commit = func(context.Context) error { return errors.New("route twice") }
		}, want: "route twice", state: true},
		{name: "another major version takes no state over", change: []func(*manifest.Manifest){memory("2.0.0")}, state: false},
		{name: "another major version that says it can", change: []func(*manifest.Manifest){memory("2.0.0"), func(m *manifest.Manifest) { m.Accepts = []string{"1.*"} }}, state: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			b.tune.SwapBudget = 100 * time.Millisecond
			old, oldMod := b.version(counting(), memory("1.0.0"))
			b.start(old)
			b.offer("a", "a", "b")
			b.drained()
			if tt.script == nil {
				tt.script = counting()
			}
			next, nextMod := b.version(tt.script, append([]func(*manifest.Manifest){memory("1.1.0"), func(m *manifest.Manifest) {
				m.Limits.InitTime = manifest.Duration(30 * time.Millisecond)
			}}, tt.change...)...)
			done := make(chan struct{})
			p := Plan{Next: next, Done: func() { close(done) }}
			if tt.plan != nil {
				tt.plan(b, &p)
			}
			err := b.a.Swap(t.Context(), p)
			switch {
			case tt.want == "" && err != nil:
				t.Fatalf("swap: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Fatalf("got the error %v, want %q in it", err, tt.want)
			}
			b.offer("a", "b")
			b.drained()
			good := b.a.Version() == next
			live, _ := nextMod.counts()
			oldLive, _ := oldMod.counts()
			b.stop()
			if good != (tt.want == "") {
				t.Errorf("newcomer in force: %v", good)
			}
			if good {
				<-done
				if live != 1 || oldLive != 1 {
					t.Errorf("%d new and %d old instances, want one of each in probation", live, oldLive)
				}
			} else if live != 0 {
				t.Errorf("%d instances of the newcomer are left", live)
			}
			want := []string{"a 1", "a 2", "b 1", "a 3", "b 2"}
			if !tt.state {
				want = []string{"a 1", "a 2", "b 1", "a 1", "b 1"}
			}
			if diff := cmp.Diff(want, b.db.sent()); diff != "" {
				t.Errorf("events handled (-want +got):\n%s", diff)
			}
			for _, m := range []*fakeModule{oldMod, nextMod} {
				if live, _ := m.counts(); live != 0 || !m.closed {
					t.Errorf("%d instances are left at the end, closed: %v", live, m.closed)
				}
			}
		})
	}
}

// A snapshot that traps or never ends costs the old instance, as any trap does.
func TestSwapSnapshotFails(t *testing.T) {
	tests := []struct {
		name string
		do   func(*fakeGuest, []byte) ([]byte, hostapi.Status)
		want string
		keep bool
	}{
		{"trap", trapping, "snapshot: snapshot: trap", false},
		{"endless", hanging, "snapshot: snapshot: deadline", false},
		{"refused", refusing, "snapshot: failed: will not", true},
		{"too large", func(*fakeGuest, []byte) ([]byte, hostapi.Status) { return make([]byte, 17<<20), hostapi.OK }, "snapshot: has", true},
		{"garbage", func(*fakeGuest, []byte) ([]byte, hostapi.Status) { return []byte{9}, hostapi.OK }, "snapshot: message", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			b.tune.SwapBudget = 100 * time.Millisecond
			old, _ := b.version(on(hostapi.OpSnapshot, tt.do, counting()), memory("1.0.0"))
			b.start(old)
			b.offer("a")
			b.drained()
			next, _ := b.version(counting(), memory("1.1.0"))
			err := b.a.Swap(t.Context(), Plan{Next: next})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got the error %v, want %q in it", err, tt.want)
			}
			b.offer("a")
			b.drained()
			b.stop()
			want := []string{"a 1", "a 1"}
			if tt.keep {
				want = []string{"a 1", "a 2"}
			}
			if diff := cmp.Diff(want, b.db.sent()); diff != "" {
				t.Errorf("events handled (-want +got):\n%s", diff)
			}
		})
	}
}

// What the newcomer's init stages is committed when it takes over, and not when
// it does not.
func TestSwapCommitsInitInTheBarrier(t *testing.T) {
	for _, fails := range []string{"nothing", "prepare", "commit"} {
		t.Run(fails+" fails", func(t *testing.T) {
			good := fails == "nothing"
			b := newBed(t)
			old, _ := b.version(counting(), memory("1.0.0"))
			b.start(old)
			next, _ := b.version(on(hostapi.OpInit, func(g *fakeGuest, _ []byte) ([]byte, hostapi.Status) {
				g.add("started")
				g.op(hostapi.HostPut, "from="+g.init.FromVersion)
				return nil, hostapi.OK
			}, counting()), memory("1.1.0"))
			conflicts := 2
			b.db.before = func() error {
				// Somebody changes the document meanwhile.
				if conflicts--; conflicts >= 0 {
					b.db.mu.Lock()
					b.db.revs["started"]++
					b.db.mu.Unlock()
				}
				return nil
			}
			step := func(name string) func(context.Context) error {
				return func(context.Context) error {
					if fails == name {
						return errors.New("no")
					}
					return nil
				}
			}
			err := b.a.Swap(t.Context(), Plan{Next: next, Prepare: step("prepare"), Commit: step("commit")})
			b.stop()
			if (err == nil) != good {
				t.Fatalf("got the error %v", err)
			}
			// Commit is for what cannot fail: what init staged is there by then.
			want, from := "1", "1.0.0"
			if fails == "prepare" {
				want, from = "", ""
			}
			if got := b.db.doc("started"); got != want {
				t.Errorf("started is %q, want %q", got, want)
			}
			if got := b.db.doc("from"); got != from {
				t.Errorf("took over from %q", got)
			}
		})
	}
}

func TestProbation(t *testing.T) {
	later := func(version string, data int64, state string) func(*manifest.Manifest) {
		return func(m *manifest.Manifest) { m.Version, m.Data, m.State = version, data, state }
	}
	// The newcomer traps on uid bad, and notes what else it handles.
	bad := func(write bool) script {
		return func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
			if op != hostapi.OpEvents {
				return counting()(g, op, in)
			}
			for _, v := range hostapi.Batch(in).All() {
				if v.UID() == "bad" {
					g.trap("")
				}
				if write {
					g.add("written")
				}
				g.op(hostapi.HostEmit, "new "+strings.Clone(v.UID()))
			}
			return nil, hostapi.OK
		}
	}
	// The event of the last crash is the old version's to try again.
	tests := []struct {
		name   string
		state  string
		data   int64
		events []string
		write  bool
		wait   time.Duration // before the crashes
		want   []string      // emitted
		final  State
		in     string // version in force at the end
	}{
		{"state in the store: back", "store", 1, []string{"x", "bad", "bad"}, true, 0,
			[]string{"old a", "new x", "old bad", "old y"}, Active, "1.0.0"},
		{"newer data, none written: back", "store", 2, []string{"x", "bad", "bad"}, false, 0,
			[]string{"old a", "new x", "old bad", "old y"}, Active, "1.0.0"},
		{"newer data written: not back", "store", 2, []string{"x", "bad", "bad"}, true, 0,
			[]string{"old a", "new x", "new y"}, Active, "2.0.0"},
		{"memory, nothing handled: back", "memory", 1, []string{"bad", "bad"}, false, 0,
			[]string{"old a", "old bad", "old y"}, Active, "1.0.0"},
		{"memory that has changed: broken", "memory", 1, []string{"x", "bad", "bad"}, false, 0,
			[]string{"old a", "new x"}, Broken, "2.0.0"},
		{"too late", "store", 1, []string{"x", "bad", "bad"}, true, 2 * time.Minute,
			[]string{"old a", "new x", "new y"}, Active, "2.0.0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t)
				old, oldMod := b.version(func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
					if op != hostapi.OpEvents {
						return counting()(g, op, in)
					}
					for _, v := range hostapi.Batch(in).All() {
						g.op(hostapi.HostEmit, "old "+strings.Clone(v.UID()))
					}
					return nil, hostapi.OK
				}, later("1.0.0", 1, tt.state))
				b.start(old)
				b.offer("a")
				synctest.Wait()
				next, nextMod := b.version(bad(tt.write), later("2.0.0", tt.data, tt.state), func(m *manifest.Manifest) { m.Accepts = []string{"*"} })
				var back, done []string
				err := b.a.Swap(t.Context(), Plan{Next: next,
					Back: func(reason string) { back = append(back, reason) },
					Done: func() { done = append(done, "done") },
				})
				if err != nil {
					t.Fatal(err)
				}
				b.await(Active)
				time.Sleep(tt.wait)
				for _, uid := range tt.events {
					b.offer(uid)
					time.Sleep(10 * time.Millisecond)
				}
				synctest.Wait()
				if tt.final == Broken {
					b.await(Broken)
				} else {
					b.offer("y")
					time.Sleep(10 * time.Millisecond)
				}
				synctest.Wait()
				in := b.a.Version().Manifest.Version
				b.stop()
				if diff := cmp.Diff(tt.want, b.db.sent()); diff != "" {
					t.Errorf("emitted (-want +got):\n%s", diff)
				}
				if in != tt.in {
					t.Errorf("version %s is in force, want %s", in, tt.in)
				}
				if (len(back) == 1) != (tt.in == "1.0.0") || len(back)+len(done) != 1 {
					t.Errorf("Back was called with %q, Done %d times", back, len(done))
				}
				for _, m := range []*fakeModule{oldMod, nextMod} {
					if live, _ := m.counts(); live != 0 {
						t.Errorf("%d instances are left", live)
					}
				}
			})
		})
	}
}

// Swaps while events come at full speed: each uid's numbers, which the guests
// keep in their own memory, go on from version to version.
func TestSwapsUnderLoad(t *testing.T) {
	b := newBed(t)
	b.tune.SwapBudget = 50 * time.Millisecond
	v, _ := b.version(counting(), memory("1.0.0"))
	b.start(v)
	const clients, rate, span = 100, 20000, 1500 * time.Millisecond
	stop := make(chan struct{})
	sent := 0
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		evs := make([]*hostapi.Event, clients)
		for i := range evs {
			evs[i] = event(t, fmt.Sprint("u", i))
		}
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			for range rate / 500 {
				b.a.Offer([]*hostapi.Event{evs[sent%clients]})
				sent++
			}
		}
	})
	broken := []script{
		on(hostapi.OpInit, refusing, counting()), on(hostapi.OpHealth, refusing, counting()),
		on(hostapi.OpRestore, trapping, counting()), on(hostapi.OpRestore, hanging, counting()),
	}
	var pauses []time.Duration
	end := time.Now().Add(span)
	for n := 1; time.Now().Before(end) || n <= 12; n++ {
		s, bad := counting(), n%3 == 0
		if bad {
			s = broken[n/3%len(broken)]
		}
		next, _ := b.version(s, memory(fmt.Sprint("1.", n, ".0")))
		var began time.Time
		err := b.a.Swap(t.Context(), Plan{Next: next, Commit: func(context.Context) error { began = time.Now(); return nil }})
		if (err != nil) != bad {
			t.Fatalf("swap %d: %v", n, err)
		}
		if !bad {
			pauses = append(pauses, time.Since(began))
		}
		time.Sleep(20 * time.Millisecond)
	}
	close(stop)
	wg.Wait()
	b.drained()
	b.stop()
	got := b.db.sent()
	count := map[string]int{}
	for _, line := range got {
		uid, n, _ := strings.Cut(line, " ")
		if count[uid]++; n != fmt.Sprint(count[uid]) {
			t.Fatalf("%s: got number %s, want %d", uid, n, count[uid])
		}
	}
	if len(got) != sent || b.a.Counts().Missed != 0 {
		t.Errorf("%d events handled of %d, %d missed", len(got), sent, b.a.Counts().Missed)
	}
	slices.Sort(pauses)
	t.Logf("%d events, %d good swaps, pause median %v, most %v", sent, len(pauses), pauses[len(pauses)/2], pauses[len(pauses)-1])
}

func TestReconfigure(t *testing.T) {
	tests := []struct {
		name string
		do   func(g *fakeGuest, in []byte) ([]byte, hostapi.Status)
		want string
		made int // instances; 0: not looked at, as there is a spare after a crash
	}{
		{"in place", func(g *fakeGuest, in []byte) ([]byte, hostapi.Status) {
			var m wire.Init
			if err := m.Decode(in); err != nil {
				return nil, hostapi.Invalid
			}
			g.op(hostapi.HostPut, "config="+string(m.Config))
			return nil, hostapi.OK
		}, "", 1},
		{"not known", func(*fakeGuest, []byte) ([]byte, hostapi.Status) { return nil, hostapi.Unsupported }, "", 3},
		{"refused", refusing, "will not", 1},
		{"trap", trapping, "reconfigure: trap", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			v, mod := b.version(on(hostapi.OpReconfigure, tt.do, counting()), memory("1.0.0"))
			b.start(v)
			b.offer("a")
			b.drained()
			next := *v
			next.Init.Config = []byte("new")
			err := b.a.Reconfigure(t.Context(), &next)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got the error %v, want %q", err, tt.want)
			}
			if got := b.a.Version() == &next; got != (err == nil) {
				t.Errorf("new settings in force: %v", got)
			}
			b.offer("a")
			b.drained()
			b.stop()
			want := []string{"a 1", "a 2"}
			if tt.name == "trap" {
				want = []string{"a 1", "a 1"}
			}
			if diff := cmp.Diff(want, b.db.sent()); diff != "" {
				t.Errorf("events handled (-want +got):\n%s", diff)
			}
			if _, made := mod.counts(); tt.made != 0 && made != tt.made {
				t.Errorf("%d instances were made, want %d", made, tt.made)
			}
		})
	}
}

var _ guest.Module = (*fakeModule)(nil)
