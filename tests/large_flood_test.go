package tests

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// One sender floods with the largest events there may be. Clients of the TAK
// protocol get a notice of each, none of them is cut, what others send keeps
// coming, and memory stays within what events may take: those kept to be
// fetched, the archive's queue, the one that comes in.
func TestFloodOfLongEvents(t *testing.T) {
	const (
		receivers = 10
		rate      = 100 // a second, if the server takes them
		most      = 500 << 20
	)
	span := 3 * time.Second
	if raceDetector {
		span = time.Second
	}
	srv := taktest.Run(t, append(taktest.Listening("http"), "--set", "archive.types=[]")...)
	var notices atomic.Int64
	counts := takclient.WithWatch(func(r *takclient.Received) {
		if r.Header.Type == "b-f-t-r" {
			notices.Add(1)
		}
	})
	clients := make([]*takclient.Client, 0, receivers)
	for range receivers {
		clients = append(clients, srv.Client(t, takclient.WithProto(), takclient.WithoutLog(), counts))
	}
	pace := newPace(t, srv)
	quiet := pace.run(t, span)
	rest, _ := srv.Memory(t)

	mallory := srv.Client(t, takclient.WithProto(), takclient.WithoutLog())
	e, _ := large(8<<20 - 4<<10)
	flood := strings.Replace(e.XML(), `uid="`, `uid="flood-`, 1)
	sent := 0
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Second / rate)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			if err := mallory.Send(flood); err != nil {
				t.Errorf("the flood ended: %v", err)
				return
			}
			sent++
		}
	}()
	loud := pace.run(t, span)
	close(stop)
	<-ended
	eventually(t, "everybody has a notice of each event", func() bool { return notices.Load() == int64(sent*receivers) })
	now, peak := srv.Memory(t)
	held := srv.Metric(t, "takhost_large_bytes")
	t.Logf("%d events of 8 MiB in %v (%.0f/s), %d notices; p99 of others %v before, %v meanwhile (median %v, %v); memory %d MB before, %d MB peak, %d MB after, of which kept %.0f MB",
		sent, span, float64(sent)/span.Seconds(), notices.Load(), quiet.p99, loud.p99, quiet.p50, loud.p50, rest>>20, peak>>20, now>>20, held/(1<<20))
	if peak > most {
		t.Errorf("memory: peak of %d MB, want at most %d", peak>>20, most>>20)
	}
	if loud.p99 > time.Second {
		t.Errorf("p99 of others during the flood: %v", loud.p99)
	}
	for _, c := range clients {
		select {
		case <-c.Done():
			t.Errorf("a receiver was cut: %v", c.Err())
		default:
		}
	}
	if sent == 0 {
		t.Error("nothing was sent")
	}
}

// pace measures how long small events take from one quiet client to another.
type pace struct {
	from *takclient.Client
	mu   sync.Mutex
	out  map[string]time.Time
	took []time.Duration
	came chan struct{}
}

func newPace(t *testing.T, srv *taktest.Child) *pace {
	p := &pace{out: map[string]time.Time{}, came: make(chan struct{}, 1<<16)}
	p.from = srv.Client(t, takclient.WithProto(), takclient.WithoutLog())
	srv.Client(t, takclient.WithProto(), takclient.WithoutLog(), takclient.WithWatch(func(r *takclient.Received) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if at, ok := p.out[r.Header.UID]; ok {
			delete(p.out, r.Header.UID)
			p.took = append(p.took, time.Since(at))
			p.came <- struct{}{}
		}
	}))
	return p
}

type paced struct{ p50, p99 time.Duration }

// run sends for a time, and waits until all has come.
func (p *pace) run(t *testing.T, span time.Duration) paced {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	n := 0
	for end := time.Now().Add(span); time.Now().Before(end); n++ {
		<-tick.C
		e, _ := takclient.NewMarker()
		p.mu.Lock()
		p.out[e.UID] = time.Now()
		p.mu.Unlock()
		takclient.Must(t, p.from.Send(e.XML()))
	}
	limit := time.After(takclient.DefaultWait)
	for range n {
		select {
		case <-p.came:
		case <-limit:
			t.Fatal("not all events of a quiet client have come")
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.Sort(p.took)
	got := paced{p.took[len(p.took)/2], p.took[len(p.took)*99/100]}
	p.took = nil
	return got
}
