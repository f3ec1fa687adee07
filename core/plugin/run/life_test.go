package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

func TestActivateFails(t *testing.T) {
	tests := []struct {
		name   string
		script script
		refuse error
		want   string
	}{
		{"no instance", nil, errors.New("no memory"), "make an instance: no memory"},
		{"init refuses", func(g *fakeGuest, op hostapi.GuestOp, _ []byte) ([]byte, hostapi.Status) {
			if op == hostapi.OpInit {
				return (&wire.Error{Message: "period is missing"}).Append(nil), hostapi.Invalid
			}
			return nil, hostapi.OK
		}, nil, "period is missing"},
		{"init never ends", func(g *fakeGuest, op hostapi.GuestOp, _ []byte) ([]byte, hostapi.Status) {
			g.hang()
			return nil, hostapi.OK
		}, nil, "init: deadline"},
		{"not healthy", func(g *fakeGuest, op hostapi.GuestOp, _ []byte) ([]byte, hostapi.Status) {
			if op == hostapi.OpHealth {
				return (&wire.Error{Message: "ill"}).Append(nil), hostapi.Failed
			}
			return nil, hostapi.OK
		}, nil, "health: failed: ill"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			v, mod := b.version(tt.script, func(m *manifest.Manifest) { m.Limits.InitTime = manifest.Duration(20 * time.Millisecond) })
			mod.refuse = func() error { return tt.refuse }
			b.a = New(b.options(), v)
			err := b.a.Activate(t.Context(), nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got the error %v, want %q in it", err, tt.want)
			}
			b.offer("a")
			b.stop()
			if live, _ := mod.counts(); live != 0 {
				t.Errorf("%d instances are left", live)
			}
			if err := b.a.Activate(t.Context(), nil); !errors.Is(err, ErrClosed) {
				t.Errorf("activate after close: got %v, want %v", err, ErrClosed)
			}
		})
	}
}

// Events that come before the plugin is active are its first.
func TestEventsQueueBeforeActivation(t *testing.T) {
	b := newBed(t)
	v, _ := b.version(events(emitUID))
	b.a = New(b.options(), v)
	b.offer("a", "b")
	if err := b.a.Activate(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	b.await(Active)
	b.drained()
	b.stop()
	if diff := cmp.Diff([]string{"a", "b"}, b.db.sent()); diff != "" {
		t.Errorf("events handled (-want +got):\n%s", diff)
	}
}

func TestCircuit(t *testing.T) {
	for _, hold := range []bool{false, true} {
		t.Run(fmt.Sprint("hold ", hold), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t)
				b.tune = Tuning{}
				var well atomic.Bool
				v, mod := b.version(events(func(g *fakeGuest, _ hostapi.Batch, _ int, v hostapi.View) {
					if !well.Load() {
						g.trap("")
					}
					emitUID(g, nil, 0, v)
				}), func(m *manifest.Manifest) {
					if hold {
						m.OnFailure = "hold"
					}
				})
				b.start(v)
				began := time.Now()
				// Two crashes each: the third event is the culprit of the fifth crash.
				for i := range 3 {
					time.Sleep(time.Second)
					b.offer(fmt.Sprint("bad", i))
					synctest.Wait()
				}
				c := b.await(Broken)
				if got := c.Retry.Sub(c.At); got != time.Second {
					t.Errorf("back-off of %v, want 1s", got)
				}
				if !strings.Contains(c.Reason, "trap") {
					t.Errorf("got the reason %q", c.Reason)
				}
				well.Store(true)
				b.offer("while broken")
				if _, err := b.a.HTTP(t.Context(), &wire.HTTPRequest{Route: "get"}); RetryAfter(err) <= 0 {
					t.Errorf("request while broken: got %v, want a Retry with its time", err)
				}
				b.await(Active)
				b.offer("after")
				time.Sleep(time.Second)
				// The event at hand when the circuit opened is given once more, as a
				// fresh instance may have been to blame.
				want := []string{"bad2", "after"}
				if hold {
					want = []string{"bad2", "while broken", "after"}
				}
				if diff := cmp.Diff(want, b.db.sent()); diff != "" {
					t.Errorf("events handled (-want +got):\n%s", diff)
				}
				if n := b.a.Counts(); n.DeadLetters != 2 || n.Crashes != 5 || (n.Missed == 0) != hold {
					t.Errorf("got %+v", n)
				}
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("took %v", took)
				}
				b.stop()
				if live, _ := mod.counts(); live != 0 {
					t.Errorf("%d instances are left", live)
				}
			})
		})
	}
}

func TestBackOffDoubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.tune = Tuning{BackOffMax: 6 * time.Second}
		starts := 0
		v, _ := b.version(func(g *fakeGuest, op hostapi.GuestOp, _ []byte) ([]byte, hostapi.Status) {
			if op == hostapi.OpInit {
				if starts++; starts > 1 {
					return nil, hostapi.Failed
				}
			}
			if op == hostapi.OpTimer {
				g.trap("")
			}
			return nil, hostapi.OK
		})
		b.start(v)
		b.a.TimersChanged([]store.Timer{{Name: "t", Due: time.Now()}})
		var got []time.Duration
		for range 5 {
			c := b.await(Broken)
			got = append(got, c.Retry.Sub(c.At))
		}
		want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 6 * time.Second, 6 * time.Second}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("back-offs (-want +got):\n%s", diff)
		}
		b.stop()
	})
}

func TestIdleUnload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.patience = 2 * time.Hour
		v, mod := b.version(events(emitUID))
		loads := 0
		v.Code = NewCode(func(context.Context) (guest.Module, error) {
			loads++
			time.Sleep(100 * time.Millisecond)
			mod.closed = false
			return mod, nil
		})
		b.start(v)
		b.offer("a")
		synctest.Wait()
		time.Sleep(9 * time.Minute)
		if c := b.a.Counts(); c.Instances != 1 || c.Code == 0 {
			t.Errorf("after 9 minutes: got %+v", c)
		}
		b.await(Idle)
		synctest.Wait()
		if c := b.a.Counts(); c.Instances != 0 || c.Code != 0 || c.Memory != 0 || !mod.closed {
			t.Errorf("idle: got %+v", c)
		}
		b.offer("b")
		b.await(Active)
		synctest.Wait()
		if loads != 2 {
			t.Errorf("loaded %d times, want 2", loads)
		}
		if !b.a.Unload(t.Context()) {
			t.Error("was not unloaded when asked to")
		}
		b.await(Idle)
		if b.a.Unload(t.Context()) {
			t.Error("was unloaded twice")
		}
		if _, err := b.a.HTTP(t.Context(), &wire.HTTPRequest{Route: "get"}); err == nil || !strings.Contains(err.Error(), "unsupported") {
			t.Errorf("request: got %v, want the guest's own refusal", err)
		}
		b.a.TimersChanged([]store.Timer{{Name: "later", Due: time.Now().Add(time.Hour)}})
		b.await(Idle)
		b.await(Active) // for the timer
		if diff := cmp.Diff([]string{"a", "b"}, b.db.sent()); diff != "" {
			t.Errorf("events handled (-want +got):\n%s", diff)
		}
		b.stop()
	})
}

func TestMemoryPluginIsNotUnloaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		v, mod := b.version(events(emitUID), func(m *manifest.Manifest) { m.State = "memory" })
		b.start(v)
		time.Sleep(time.Hour)
		if live, made := mod.counts(); live != 1 || made != 1 {
			t.Errorf("%d instances of %d live, want the first one", live, made)
		}
		if b.a.Unload(t.Context()) {
			t.Error("was unloaded when asked to")
		}
		b.stop()
	})
}

func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		var checks []string
		v, mod := b.version(func(g *fakeGuest, op hostapi.GuestOp, _ []byte) ([]byte, hostapi.Status) {
			if op != hostapi.OpHealth {
				return nil, hostapi.OK
			}
			checks = append(checks, fmt.Sprint(g.number))
			switch len(checks) {
			case 3:
				g.hang()
			case 4:
				return nil, hostapi.Failed
			}
			return nil, hostapi.OK
		})
		b.start(v)
		time.Sleep(55 * time.Second)
		b.offer("a") // makes an instance again, if there is none
		synctest.Wait()
		b.stop()
		if c := b.a.Counts(); c.Crashes != 2 || mod.made < 2 {
			t.Errorf("got %d crashes and %d instances, want 2 and more", c.Crashes, mod.made)
		}
		if len(checks) < 4 || checks[0] != "1" || checks[2] != "1" {
			t.Errorf("checks of the instances %v", checks)
		}
	})
}

func TestRecycle(t *testing.T) {
	for _, state := range []string{"store", "memory"} {
		t.Run(state, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t)
				v, mod := b.version(counting(), func(m *manifest.Manifest) { m.State = state })
				b.start(v)
				b.offer("a")
				synctest.Wait()
				time.Sleep(25 * time.Hour)
				b.offer("a")
				synctest.Wait()
				time.Sleep(2 * time.Minute)
				b.offer("a")
				synctest.Wait()
				b.stop()
				_, made := mod.counts()
				if made < 2 {
					t.Errorf("%d instances were made, want several", made)
				}
				want := "a 1,a 2,a 3"
				if got := strings.Join(b.db.sent(), ","); state == "memory" && got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			})
		})
	}
}

// counting is a guest that numbers the events of each uid in its own memory, and
// hands that over.
func counting() script {
	return func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
		switch op {
		case hostapi.OpEvents:
			for _, v := range hostapi.Batch(in).All() {
				uid := strings.Clone(v.UID())
				g.state[uid]++
				g.op(hostapi.HostEmit, fmt.Sprint(uid, " ", g.state[uid]))
			}
		case hostapi.OpSnapshot:
			var s wire.Snapshot
			for k, n := range g.state {
				s.Entries = append(s.Entries, wire.SnapshotEntry{Key: []byte(k), Value: []byte(fmt.Sprint(n))})
			}
			return s.Append(nil), hostapi.OK
		case hostapi.OpRestore:
			var s wire.Snapshot
			if err := s.Decode(in); err != nil {
				return nil, hostapi.Invalid
			}
			for _, e := range s.Entries {
				n := 0
				fmt.Sscan(string(e.Value), &n)
				g.state[string(e.Key)] = n
			}
		default:
			return nil, hostapi.Unsupported
		}
		return nil, hostapi.OK
	}
}
