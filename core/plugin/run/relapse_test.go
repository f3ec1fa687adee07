package run

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

// Wherever the newcomer crashes, the version before comes back after three times;
// it does not go by what it had in memory when the newcomer has written.
func TestRelapse(t *testing.T) {
	tests := []struct {
		name   string
		script script
		do     func(b *bed)
		want   []string
	}{
		{"it does not start again", func(g *fakeGuest, op hostapi.GuestOp, _ []byte) ([]byte, hostapi.Status) {
			if op == hostapi.OpEvents || op == hostapi.OpInit && g.number > 2 { // after the trial's and the first
				g.trap("")
			}
			return nil, hostapi.OK
		}, func(b *bed) { b.offer("x") }, []string{"old 1 a", "old 1 x", "old 1 y"}},
		{"in requests on a pool", func(g *fakeGuest, op hostapi.GuestOp, _ []byte) ([]byte, hostapi.Status) {
			if op == hostapi.OpHTTP {
				g.trap("")
			}
			return nil, hostapi.OK
		}, func(b *bed) {
			for range 3 {
				if _, err := b.a.HTTP(b.Context(), &wire.HTTPRequest{Route: "pooled"}); statusOf(err) != hostapi.Failed {
					b.Errorf("request: %v", err)
				}
			}
		}, []string{"old 1 a", "old 1 y"}},
		{"after it has written", func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
			if op == hostapi.OpEvents {
				for _, v := range hostapi.Batch(in).All() {
					if v.UID() != "x" {
						g.trap("")
					}
				}
			}
			return nil, hostapi.OK
		}, func(b *bed) {
			b.offer("x")
			time.Sleep(time.Second)
			b.offer("bad")
			time.Sleep(time.Second)
			b.offer("bad")
		}, []string{"old 1 a", "old 2 bad", "old 2 y"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t)
				old, oldMod := b.version(events(func(g *fakeGuest, _ hostapi.Batch, _ int, v hostapi.View) {
					g.op(hostapi.HostEmit, fmt.Sprint("old ", g.number, " ", v.UID()))
				}))
				b.start(old)
				b.offer("a")
				synctest.Wait()
				next, nextMod := b.version(tt.script, func(m *manifest.Manifest) { m.Version = "2.0.0" })
				if err := b.a.Swap(t.Context(), Plan{Next: next}); err != nil {
					t.Fatal(err)
				}
				b.await(Active)
				tt.do(b)
				time.Sleep(time.Second)
				b.offer("y")
				time.Sleep(time.Second)
				if v := b.a.Version().Manifest.Version; v != "1.0.0" {
					t.Errorf("version %s is in force", v)
				}
				b.stop()
				if diff := cmp.Diff(tt.want, b.db.sent()); diff != "" {
					t.Errorf("handled (-want +got):\n%s", diff)
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

// What an old version would store at its end, when the new one has been at work
// for a while, is thrown away.
func TestOldVersionStoresNothingAtItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		stopping := func(g *fakeGuest, op hostapi.GuestOp, _ []byte) ([]byte, hostapi.Status) {
			if op == hostapi.OpStop {
				g.op(hostapi.HostPut, fmt.Sprint(g.init.Version, "=stopped"))
			}
			return nil, hostapi.OK
		}
		version := func(n string) *Version {
			v, _ := b.version(stopping, func(m *manifest.Manifest) { m.Version = n })
			v.Init.Version = n
			return v
		}
		b.start(version("1.0.0"))
		if err := b.a.Swap(t.Context(), Plan{Next: version("1.1.0")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		b.stop()
		if a, n := b.db.doc("1.0.0"), b.db.doc("1.1.0"); a != "" || n != "stopped" {
			t.Errorf("the old version stored %q, the new one %q", a, n)
		}
	})
}

// A request that waits for a plugin whose code takes long to load gets its answer
// in time.
func TestHTTPWaitsForSlowCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		v, mod := b.version(func(*fakeGuest, hostapi.GuestOp, []byte) ([]byte, hostapi.Status) { return nil, hostapi.OK })
		var slow atomic.Bool
		mod.refuse = func() error {
			if slow.Load() {
				time.Sleep(8 * time.Second)
			}
			return nil
		}
		b.start(v)
		time.Sleep(time.Hour)
		if live, _ := mod.counts(); live != 0 {
			t.Fatal("it is not idle")
		}
		slow.Store(true)
		began := time.Now()
		_, err := b.a.HTTP(t.Context(), &wire.HTTPRequest{Route: "get"})
		if took := time.Since(began); statusOf(err) != hostapi.Retry || RetryAfter(err) <= 0 || took > 6*time.Second {
			t.Errorf("got %v after %v, want Retry after 5s", err, took)
		}
		time.Sleep(10 * time.Second)
		slow.Store(false)
		if _, err := b.a.HTTP(t.Context(), &wire.HTTPRequest{Route: "get"}); err != nil {
			t.Error(err)
		}
		b.stop()
	})
}
