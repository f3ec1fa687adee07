package run

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

// ticks notes timers as they come, and when: "name +due missed at".
func ticks(log *[]string, do func(g *fakeGuest, m *wire.Timer) hostapi.Status) script {
	start := time.Now()
	return func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
		if op != hostapi.OpTimer {
			return nil, hostapi.Unsupported
		}
		var m wire.Timer
		if err := m.Decode(in); err != nil {
			return nil, hostapi.Invalid
		}
		*log = append(*log, fmt.Sprintf("%s due %v missed %d at %v", m.Name, time.UnixMicro(m.Due).Sub(start), m.Missed, time.Since(start)))
		if do != nil {
			return nil, do(g, &m)
		}
		return nil, hostapi.OK
	}
}

func set(g *fakeGuest, name string, at time.Time, every time.Duration) {
	msg := wire.TimerSet{Name: name, At: at.UnixMicro(), Every: every.Microseconds()}
	g.op(hostapi.HostTimerSet, string(msg.Append(nil)))
}

func TestTimers(t *testing.T) {
	tests := []struct {
		name     string
		rows     []store.Timer // due after the start, in seconds since 1970
		manifest []manifest.Timer
		do       func(g *fakeGuest, m *wire.Timer) hostapi.Status
		span     time.Duration
		want     []string
		left     []string
		letters  int
	}{
		{name: "once", rows: []store.Timer{{Name: "a", Due: time.Unix(5, 0), Data: []byte("x")}}, span: time.Minute,
			want: []string{"a due 5s missed 0 at 5s"}},
		{name: "once, late", rows: []store.Timer{{Name: "a", Due: time.Unix(-100, 0)}}, span: time.Minute,
			want: []string{"a due -1m40s missed 0 at 0s"}},
		{name: "again and again", rows: []store.Timer{{Name: "a", Due: time.Unix(5, 0), Every: 10 * time.Second}}, span: 30 * time.Second,
			want: []string{"a due 5s missed 0 at 5s", "a due 15s missed 0 at 15s", "a due 25s missed 0 at 25s"}, left: []string{"a 35s"}},
		{name: "missed while the server was down", rows: []store.Timer{{Name: "a", Due: time.Unix(-35, 0), Every: 10 * time.Second}}, span: 9 * time.Second,
			want: []string{"a due -35s missed 3 at 0s", "a due 5s missed 0 at 5s"}, left: []string{"a 15s"}},
		{name: "in their order", rows: []store.Timer{{Name: "b", Due: time.Unix(2, 0)}, {Name: "a", Due: time.Unix(1, 0)}}, span: 9 * time.Second,
			want: []string{"a due 1s missed 0 at 1s", "b due 2s missed 0 at 2s"}},
		{name: "of the manifest", manifest: []manifest.Timer{{Name: "tick", Every: manifest.Duration(20 * time.Second)}}, span: 45 * time.Second,
			want: []string{"tick due 20s missed 0 at 20s", "tick due 40s missed 0 at 40s"}},
		{name: "set anew by the plugin", rows: []store.Timer{{Name: "a", Due: time.Unix(5, 0), Every: 10 * time.Second}}, span: 60 * time.Second,
			do: func(g *fakeGuest, m *wire.Timer) hostapi.Status {
				set(g, "a", time.UnixMicro(m.Due).Add(25*time.Second), 0)
				return hostapi.OK
			},
			want: []string{"a due 5s missed 0 at 5s", "a due 30s missed 0 at 30s", "a due 55s missed 0 at 55s"}, left: []string{"a 1m20s"}},
		{name: "cancelled by the plugin", rows: []store.Timer{{Name: "a", Due: time.Unix(5, 0), Every: 10 * time.Second}}, span: 60 * time.Second,
			do: func(g *fakeGuest, m *wire.Timer) hostapi.Status {
				g.op(hostapi.HostTimerCancel, "a")
				return hostapi.OK
			},
			want: []string{"a due 5s missed 0 at 5s"}},
		{name: "fails once", rows: []store.Timer{{Name: "a", Due: time.Unix(5, 0)}}, span: 60 * time.Second,
			do: func(g *fakeGuest, m *wire.Timer) hostapi.Status {
				if g.number == 1 {
					g.trap("")
				}
				return hostapi.OK
			},
			want: []string{"a due 5s missed 0 at 5s", "a due 5s missed 0 at 5s"}},
		{name: "fails for good", rows: []store.Timer{{Name: "a", Due: time.Unix(5, 0), Every: 10 * time.Second}}, span: 12 * time.Second,
			do:   func(g *fakeGuest, m *wire.Timer) hostapi.Status { return hostapi.Failed },
			want: []string{"a due 5s missed 0 at 5s", "a due 5s missed 0 at 5s"}, left: []string{"a 15s"}, letters: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t)
				start := time.Now()
				for _, r := range tt.rows {
					r.Due = start.Add(r.Due.Sub(time.Unix(0, 0)))
					b.db.timers[r.Name] = r
				}
				var got []string
				v, _ := b.version(ticks(&got, tt.do), func(m *manifest.Manifest) { m.Timers = tt.manifest })
				b.start(v)
				time.Sleep(tt.span)
				synctest.Wait()
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
				var left []string
				for _, r := range b.db.timers {
					left = append(left, fmt.Sprintf("%s %v", r.Name, r.Due.Sub(start)))
				}
				if diff := cmp.Diff(tt.left, left); diff != "" {
					t.Errorf("rows left (-want +got):\n%s", diff)
				}
				for _, d := range b.db.dead() {
					if d.Op != "timer" || d.Subject != "a" || !strings.Contains(string(d.Detail), fmt.Sprint(start.Add(5*time.Second).UnixMicro())) {
						t.Errorf("got the dead letter %+v with detail %s", d, d.Detail)
					}
				}
				if n := len(b.db.dead()); n != tt.letters {
					t.Errorf("%d dead letters, want %d", n, tt.letters)
				}
				b.stop()
			})
		})
	}
}

// The plugin sets a timer in a call for an event: it is known before that call's
// commit returns.
func TestTimerSetInACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		var got []string
		tick := ticks(&got, nil)
		v, _ := b.version(func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
			if op == hostapi.OpEvents {
				set(g, "soon", time.Now().Add(time.Second), 0)
				return nil, hostapi.OK
			}
			return tick(g, op, in)
		})
		b.start(v)
		b.offer("a")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		b.stop()
		if diff := cmp.Diff([]string{"soon due 1s missed 0 at 1s"}, got); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

func TestManifestTimersOfAnotherVersion(t *testing.T) {
	s := newSchedule()
	now := time.Unix(1000, 0)
	span := func(d time.Duration) manifest.Duration { return manifest.Duration(d) }
	s.setFixed([]manifest.Timer{{Name: "same", Every: span(time.Minute)}, {Name: "other", Every: span(time.Minute)}, {Name: "gone", Every: span(time.Second)}}, now)
	s.set(timer{Timer: store.Timer{Name: "gone", Due: now}})
	s.setFixed([]manifest.Timer{{Name: "same", Every: span(time.Minute)}, {Name: "other", Every: span(time.Hour)}, {Name: "new", Every: span(time.Hour)}}, now.Add(time.Second))
	got := map[string]string{}
	for k, x := range s.byKey {
		got[fmt.Sprint(k.name, " ", k.fixed)] = x.Due.Sub(now).String()
	}
	want := map[string]string{"same true": "1m0s", "other true": "1h0m1s", "new true": "1h0m1s", "gone false": "0s"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("timers (-want +got):\n%s", diff)
	}
}
