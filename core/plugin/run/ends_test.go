package run

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

// Close waits for the call at hand, and cuts it when its own time is over.
func TestCloseDuringACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		v, mod := b.version(events(func(g *fakeGuest, _ hostapi.Batch, _ int, _ hostapi.View) { g.hang() }),
			func(m *manifest.Manifest) { m.Limits.EventsTime = manifest.Duration(time.Hour) })
		b.start(v)
		b.offer("a")
		synctest.Wait()
		waiting := make(chan error)
		go func() {
			_, err := b.a.HTTP(context.Background(), &wire.HTTPRequest{Route: "get"})
			waiting <- err
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		if err := b.a.Close(ctx); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("took %v, want 3s", took)
		}
		if err := <-waiting; statusOf(err) != hostapi.Retry {
			t.Errorf("the request that waited got %v, want Retry", err)
		}
		if live, _ := mod.counts(); live != 0 {
			t.Errorf("%d instances are left", live)
		}
		if err := b.a.Close(t.Context()); err != nil {
			t.Errorf("closed twice: %v", err)
		}
		b.offer("b") // nobody is there any more
		if _, err := b.a.Act(t.Context(), &wire.Action{}, false); statusOf(err) != hostapi.Retry {
			t.Errorf("action after the end: %v", err)
		}
		if err := b.a.Swap(t.Context(), Plan{Next: v}); err == nil {
			t.Error("swapped after the end")
		}
	})
}

// The guest is told to stop, and what it stages then is committed.
func TestStop(t *testing.T) {
	b := newBed(t)
	v, _ := b.version(func(g *fakeGuest, op hostapi.GuestOp, _ []byte) ([]byte, hostapi.Status) {
		if op == hostapi.OpStop {
			g.op(hostapi.HostPut, "stopped=yes")
		}
		return nil, hostapi.OK
	})
	b.start(v)
	b.stop()
	if got := b.db.doc("stopped"); got != "yes" {
		t.Errorf("stopped is %q", got)
	}
}

func TestSwapOfAPluginThatDoesNotRun(t *testing.T) {
	for _, state := range []State{Idle, Broken} {
		t.Run(string(state), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t)
				b.tune = Tuning{BackOff: time.Hour, Crashes: 1}
				v, _ := b.version(on(hostapi.OpTimer, trapping, counting()))
				b.start(v)
				if state == Idle {
					if !b.a.Unload(t.Context()) {
						t.Fatal("not unloaded")
					}
				} else {
					b.a.TimersChanged([]store.Timer{{Name: "bad", Due: time.Now()}})
				}
				b.await(state)
				next, _ := b.version(events(emitUID), func(m *manifest.Manifest) { m.Version = "1.1.0" })
				if err := b.a.Swap(t.Context(), Plan{Next: next}); err != nil {
					t.Fatal(err)
				}
				if c := b.await(Active); c.Version != "1.1.0" || !strings.Contains(c.Reason, "1.0.0") {
					t.Errorf("got %+v", c)
				}
				b.offer("a")
				synctest.Wait()
				b.stop()
				if diff := cmp.Diff([]string{"a"}, b.db.sent()); diff != "" {
					t.Errorf("events handled (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A swap that the old version does not come to gives up, and nothing happened.
func TestSwapWaitsForTheOldVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.tune.SwapWait = 2 * time.Second
		busy := make(chan struct{})
		v, _ := b.version(events(func(g *fakeGuest, _ hostapi.Batch, _ int, v hostapi.View) {
			g.wait(busy)
			emitUID(g, nil, 0, v)
		}), func(m *manifest.Manifest) { m.Limits.EventsTime = manifest.Duration(time.Hour) })
		b.start(v)
		b.offer("a")
		synctest.Wait()
		next, mod := b.version(events(emitUID))
		if err := b.a.Swap(t.Context(), Plan{Next: next}); !errors.Is(err, errNoTurn) {
			t.Errorf("got %v, want %v", err, errNoTurn)
		}
		if live, _ := mod.counts(); live != 0 {
			t.Errorf("%d instances of the newcomer are left", live)
		}
		close(busy)
		synctest.Wait()
		b.stop()
		if diff := cmp.Diff([]string{"a"}, b.db.sent()); diff != "" {
			t.Errorf("events handled (-want +got):\n%s", diff)
		}
	})
}

// After a crash a spare instance stands ready for a while, and takes over at the
// next one.
func TestSpare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		v, mod := b.version(events(func(g *fakeGuest, batch hostapi.Batch, _ int, v hostapi.View) {
			if batch.Attempt() == 0 {
				g.trap("")
			}
			emitUID(g, nil, 0, v)
		}))
		b.start(v)
		b.offer("a")
		synctest.Wait()
		if live, made := mod.counts(); live != 2 || made != 3 {
			t.Errorf("after a crash: %d of %d instances live, want 2 of 3", live, made)
		}
		b.offer("b")
		time.Sleep(10 * time.Millisecond)
		if live, made := mod.counts(); live != 2 || made != 4 {
			t.Errorf("after another: %d of %d instances live, want 2 of 4", live, made)
		}
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if live, _ := mod.counts(); live != 1 {
			t.Errorf("%d instances live after a quiet time, want 1", live)
		}
		b.stop()
		if diff := cmp.Diff([]string{"a", "b"}, b.db.sent()); diff != "" {
			t.Errorf("events handled (-want +got):\n%s", diff)
		}
	})
}

// A request while the plugin is at an action of its own: nobody waits for ever,
// and an instance that dies in between costs the other call nothing.
func TestInstanceDiesInAnActionBetweenAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w *town
		tries := 0
		w = newTown(t, "ab", func(name string) script {
			return func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
				switch {
				case op == hostapi.OpAction && name == "a":
					g.trap("")
				case op == hostapi.OpEvents && name == "a":
					// The first time somebody else waits for a.
					if tries++; tries == 1 {
						go func() {
							_, _ = w.actors["a"].act(context.Background(), nil, &wire.Action{}, func(v *Version) Call { return v.Calls.Begin(callOptions()) })
						}()
						w.actors["a"].lane.lost.Store(true)
					}
					g.op(hostapi.HostEmit, "done")
				default:
					return nil, hostapi.Unsupported
				}
				return nil, hostapi.OK
			}
		})
		w.beds["a"].offer("x")
		time.Sleep(time.Second)
		synctest.Wait()
		w.stop()
		if diff := cmp.Diff([]string{"done"}, w.db.sent()); diff != "" {
			t.Errorf("emitted (-want +got):\n%s", diff)
		}
		if c := w.actors["a"].Counts(); c.Crashes != 1 || c.DeadLetters != 0 {
			t.Errorf("got %+v", c)
		}
	})
}

func callOptions() call.Options { return call.Options{Op: hostapi.OpAction} }

func TestMetrics(t *testing.T) {
	b := newBed(t)
	o := b.options()
	reg := prometheus.NewRegistry()
	var err error
	if o.Metrics, err = NewMetrics(reg); err != nil {
		t.Fatal(err)
	}
	v, _ := b.version(events(emitUID))
	b.a = New(o, v)
	if err := b.a.Activate(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	b.offer("a", "b")
	b.drained()
	got := map[string]float64{}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch {
			case m.GetCounter() != nil:
				got[f.GetName()] = m.GetCounter().GetValue()
			case m.GetGauge() != nil:
				got[f.GetName()] = m.GetGauge().GetValue()
			}
		}
	}
	if got["takhost_plugins_events_total"] != 2 || got["takhost_plugins_instances"] != 1 || got["takhost_plugins_memory_bytes"] != 1<<20 || got["takhost_plugins_code_bytes"] != 1000 {
		t.Errorf("got %v", got)
	}
	b.stop()
	if families, err = reg.Gather(); err != nil || len(families) != 0 {
		t.Errorf("after the end: %v %v", families, err)
	}
	if _, err := NewMetrics(reg); err == nil {
		t.Error("metrics were registered twice")
	}
}
