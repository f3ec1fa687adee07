package run

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

// telling is counting by a guest that says with each event, request and decision
// what URLs it knows. takes: it is told by reconfigure.
func telling(t *testing.T, takes hostapi.Status) script {
	return func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
		known := func() string {
			var list []string
			for i, u := range g.init.BaseURLs {
				list = append(list, g.init.BaseListeners[i]+"="+u)
			}
			return fmt.Sprintf("%s at %s", g.init.NodeID, strings.Join(list, " "))
		}
		switch op {
		case hostapi.OpReconfigure:
			if takes == hostapi.OK {
				var m wire.Init
				if err := m.Decode(slices.Clone(in)); err != nil {
					t.Errorf("reconfigure: %v", err)
				}
				g.init = m
				return nil, hostapi.OK
			}
			return (&wire.Error{Message: "will not"}).Append(nil), takes
		case hostapi.OpEvents:
			for _, v := range hostapi.Batch(in).All() {
				uid := strings.Clone(v.UID())
				g.state[uid]++
				g.op(hostapi.HostEmit, fmt.Sprintf("%s %d, %s", uid, g.state[uid], known()))
			}
			return nil, hostapi.OK
		case hostapi.OpHTTP:
			return (&wire.HTTPResponse{Parts: []wire.Part{{Data: []byte(known())}}}).Append(nil), hostapi.OK
		case hostapi.OpFilter:
			return (&wire.FilterVerdict{Verdict: wire.VerdictDrop, Reason: known()}).Append(nil), hostapi.OK
		}
		return counting()(g, op, in)
	}
}

func TestReach(t *testing.T) {
	first := []BaseURL{{"https", "https://a:8443"}, {"http", "http://a:8080"}}
	second := []BaseURL{{"https", "https://b:8443"}}
	const one, two = "node at https=https://a:8443 http=http://a:8080", "node at https=https://b:8443"
	for name, tt := range map[string]struct {
		state  string
		takes  hostapi.Status
		goesOn bool // its own memory
		made   int  // instances at the end, with those of the pool and without filters
	}{
		"store, is told":         {"store", hostapi.OK, true, 3},
		"store, cannot be told":  {"store", hostapi.Unsupported, false, 4},
		"store, refuses":         {"store", hostapi.Failed, false, 4},
		"memory, is told":        {"memory", hostapi.OK, true, 3},
		"memory, cannot be told": {"memory", hostapi.Unsupported, true, 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t)
				reach := &Reach{}
				reach.Set(first)
				v, mod := b.version(telling(t, tt.takes), func(m *manifest.Manifest) { m.State = tt.state })
				v.Init.NodeID = "node"
				opt := b.options()
				opt.Reach = reach
				b.a = New(opt, v)
				b.db.notice = b.a.TimersChanged
				if err := b.a.Activate(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				ask := func(route, want string) {
					t.Helper()
					resp, err := b.a.HTTP(t.Context(), &wire.HTTPRequest{Route: route, ReadOnly: true})
					if err != nil {
						t.Fatal(err)
					}
					if got := string(resp.Parts[0].Data); got != want {
						t.Errorf("%s: got %q, want %q", route, got, want)
					}
				}
				b.offer("x")
				synctest.Wait()
				ask("get", one)
				ask("pooled", one)
				if reach.Set(slices.Clone(first)) {
					t.Error("the same list is told to differ")
				}
				if !reach.Set(second) {
					t.Error("another list is not told to differ")
				}
				// At once, whoever is quicker.
				ask("get", two)
				ask("pooled", two)
				b.a.Changed()
				b.offer("x")
				time.Sleep(time.Second) // events of a moment are gathered
				b.stop()
				second := "x 2, " + two
				if !tt.goesOn {
					second = "x 1, " + two
				}
				if diff := cmp.Diff([]string{"x 1, " + one, second}, b.db.sent()); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
				if live, made := mod.counts(); live != 0 || made != tt.made {
					t.Errorf("got %d instances, %d of them left, want %d", made, live, tt.made)
				}
			})
		})
	}
}

// A plugin that does nothing is told when the server moves, and keeps what it has
// when it dies of it.
func TestReachOfIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		reach := &Reach{}
		told := 0
		v, mod := b.version(on(hostapi.OpReconfigure, func(*fakeGuest, []byte) ([]byte, hostapi.Status) {
			told++
			return nil, hostapi.OK
		}, counting()))
		opt := b.options()
		opt.Reach = reach
		b.a = New(opt, v)
		if err := b.a.Activate(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		reach.Set([]BaseURL{{"web", "https://a"}})
		b.a.Changed()
		synctest.Wait()
		if told != 1 {
			t.Errorf("told %d times, want once", told)
		}
		// Nobody is woken to be told.
		time.Sleep(time.Hour)
		reach.Set(nil)
		b.a.Changed()
		synctest.Wait()
		if live, made := mod.counts(); told != 1 || live != 0 || made != 1 {
			t.Errorf("told %d times, %d of %d instances live, want once and none", told, live, made)
		}
		b.stop()
	})
}

func TestReachOfFilters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		reach := &Reach{}
		reach.Set([]BaseURL{{"https", "https://a"}})
		v, _ := b.version(telling(t, hostapi.Unsupported), func(m *manifest.Manifest) {
			m.Filters = []manifest.Filter{{Types: []string{"*"}}}
		})
		opt := b.options()
		opt.Reach = reach
		b.a = New(opt, v)
		if err := b.a.Activate(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		decide := func(want string) {
			t.Helper()
			for range 2 * cap(b.a.filters.Load().free) {
				if _, reason := b.a.Filter("tcp", event(t, "x")); reason != want {
					t.Errorf("got %q, want %q", reason, want)
				}
			}
		}
		decide(" at https=https://a")
		reach.Set([]BaseURL{{"https", "https://b"}})
		b.a.Changed()
		synctest.Wait()
		decide(" at https=https://b")
		b.stop()
	})
}
