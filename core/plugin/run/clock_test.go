package run

import (
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

// A clock that is set makes timers neither fire in a row nor stand still.
func TestTimersWhenTheClockIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		v, _ := b.version(func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
			if op == hostapi.OpTimer {
				var m wire.Timer
				if err := m.Decode(in); err != nil {
					return nil, hostapi.Invalid
				}
				g.op(hostapi.HostEmit, m.Name)
			}
			return nil, hostapi.OK
		}, func(m *manifest.Manifest) {
			m.Timers = []manifest.Timer{{Name: "each", Every: manifest.Duration(time.Minute)}}
		})
		var offset atomic.Int64
		o := b.options()
		o.Now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
		b.a = New(o, v)
		b.db.notice = b.a.TimersChanged
		began := time.Now()
		if err := b.a.Activate(t.Context(), []store.Timer{
			{Name: "once", Due: began.Add(90 * time.Minute)}, {Name: "far", Due: began.Add(72 * time.Hour), Every: time.Minute},
		}); err != nil {
			t.Fatal(err)
		}
		took := func() []string {
			b.db.mu.Lock()
			defer b.db.mu.Unlock()
			sent := b.db.emits
			b.db.emits = nil
			return sent
		}
		time.Sleep(61 * time.Second)
		if diff := cmp.Diff([]string{"each"}, took()); diff != "" {
			t.Errorf("in the first minute (-want +got):\n%s", diff)
		}
		offset.Store(int64(2 * time.Hour))
		time.Sleep(11 * time.Second)
		if diff := cmp.Diff([]string{"each", "once"}, took()); diff != "" {
			t.Errorf("set forward (-want +got):\n%s", diff)
		}
		offset.Store(0)
		time.Sleep(71 * time.Second)
		if diff := cmp.Diff([]string{"each"}, took()); diff != "" {
			t.Errorf("set back (-want +got):\n%s", diff)
		}
		b.stop()
	})
}
