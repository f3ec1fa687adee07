package tests

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// arrivals notes when a client got each event.
type arrivals struct {
	mu sync.Mutex
	at map[string]time.Time
}

func (a *arrivals) saw(r *takclient.Received) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at[r.Header.UID] = r.At
}

// A crash of the process loses at most the events of the last 50 ms (DESIGN 2,
// rule 10). What a receiver has got was routed, and routing comes before the
// archive by microseconds; the time at which the receiver got it is what the
// test knows. slack is for the scheduling of three processes on few cores.
func TestKillUnderLoadLosesAtMostAMoment(t *testing.T) {
	const window = 50 * time.Millisecond
	slack, rate := 100*time.Millisecond, 4000 // events a second
	if raceDetector {
		slack, rate = 200*time.Millisecond, 1000
	}
	srv := taktest.Run(t)
	var top hostapi.ID
	for cycle := range 3 {
		live := srv.Watch(t, nil)
		typ := fmt.Sprintf("b-x-kill-%d", cycle)
		got := &arrivals{at: map[string]time.Time{}}
		receiver := srv.Client(t, takclient.WithoutLog(), takclient.WithWatch(got.saw), takclient.WithFaults())
		load := startLoad(t, srv, typ, 4, rate/4)
		receiver.ExpectCounts(t, "two seconds of load", func(n takclient.Counts) bool { return n.Events > 2*rate })
		killed := time.Now()
		srv.Kill9(t)
		load.stop()
		receiver.WaitClosed(t)
		for _, e := range live.All() {
			if e.ID <= top {
				t.Fatalf("id %s after a crash is not above %s", e.ID, top)
			}
		}
		for _, e := range live.All() {
			top = max(top, e.ID)
		}

		srv.Restart(t)
		if st := srv.Status(t); st.Archive.State != "ok" {
			t.Errorf("archive after a crash: got the state %q, want ok", st.Archive.State)
		}
		stored := map[string]bool{}
		last := hostapi.ID(0)
		for _, e := range srv.Events(t, url.Values{"type": {typ}, "order": {"asc"}}) {
			if e.ID <= last {
				t.Fatalf("archived ids: %s follows %s", e.ID, last)
			}
			last = e.ID
			if stored[e.UID] {
				t.Errorf("%s is in the archive twice", e.UID)
			}
			stored[e.UID] = true
		}
		top = max(top, last)
		lost, oldest := 0, time.Duration(0)
		for uid, at := range got.at {
			if strings.HasPrefix(uid, "load-") && !stored[uid] {
				lost++
				oldest = max(oldest, killed.Sub(at))
			}
		}
		t.Logf("crash %d at %d events/s: %d received, %d archived, %d of the received lost, the oldest %v before the kill",
			cycle, rate, len(got.at), len(stored), lost, oldest.Round(100*time.Microsecond))
		if oldest > window+slack {
			t.Errorf("lost an event that was received %v before the kill, want at most %v (and %v for scheduling)", oldest, window, slack)
		}
	}
}

// load is clients that send markers at a steady rate until they are stopped or
// the server goes.
type load struct {
	quit chan struct{}
	wg   sync.WaitGroup
	sent atomic.Int64
}

// loadTarget is what a load needs of a server, in process or not.
type loadTarget interface {
	Client(testing.TB, ...takclient.Option) *takclient.Client
}

func startLoad(t *testing.T, srv loadTarget, typ string, clients, rate int) *load {
	t.Helper()
	l := &load{quit: make(chan struct{})}
	const every = 5 * time.Millisecond
	for i := range clients {
		c := srv.Client(t, takclient.WithoutLog(), takclient.WithFaults())
		l.wg.Go(func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			began := time.Now()
			for n := 0; ; {
				select {
				case <-l.quit:
					return
				case <-tick.C:
				}
				var batch []string
				for due := int(time.Since(began).Seconds() * float64(rate)); n < due; n++ {
					batch = append(batch, takclient.Event{UID: fmt.Sprintf("load-%s-%d-%d", typ, i, n), Type: typ, How: "m-g", Lat: 1, Lon: 2}.XML())
				}
				if c.SendAll(batch...) != nil {
					return // the server is gone
				}
				l.sent.Add(int64(len(batch)))
			}
		})
	}
	return l
}

func (l *load) stop() {
	close(l.quit)
	l.wg.Wait()
}
