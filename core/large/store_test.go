package large

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/takhost/takhost/hostapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type clock struct{ now time.Time }

func newStore(t *testing.T, bytes int64) (*Store, *clock) {
	t.Helper()
	c := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	return NewStore(Options{Bytes: bytes, Keep: 10 * time.Minute, Now: func() time.Time { return c.now }}), c
}

// sized makes an event of a sender that takes that many bytes.
func sized(t testing.TB, id hostapi.ID, user string, size int) *Event {
	t.Helper()
	e := routed(t, id, event("<detail>"+strings.Repeat("x", size-cost-len(event("<detail></detail>")))+"</detail>"))
	e.User = user
	return Of(e)
}

func kept(s *Store, ids ...hostapi.ID) (list []hostapi.ID) {
	for _, id := range ids {
		if _, ok := s.get(id); ok {
			list = append(list, id)
		}
	}
	return list
}

func TestStoreIsBounded(t *testing.T) {
	s, _ := newStore(t, 100_000)
	for i := range 1000 {
		if !s.Keep(sized(t, hostapi.ID(i+1), "ann", 9_000)) {
			t.Fatalf("event %d was not kept", i)
		}
		if n, bytes := s.Held(); bytes > 100_000 || bytes != int64(n)*9_000 {
			t.Fatalf("%d events have %d bytes", n, bytes)
		}
	}
	if n, _ := s.Held(); n != 11 {
		t.Errorf("got %d events, want 11", n)
	}
	if s.Keep(sized(t, 5000, "ann", 100_001)) {
		t.Error("an event larger than the bound was kept")
	}
	if got := s.met.evicted.Load(); got != 989 {
		t.Errorf("counted %d evicted, want 989", got)
	}
}

func TestLeastRecentGoesFirst(t *testing.T) {
	s, c := newStore(t, 40_000)
	for id := hostapi.ID(1); id <= 4; id++ {
		s.Keep(sized(t, id, "ann", 10_000))
		c.now = c.now.Add(time.Second)
	}
	if _, ok := s.Get(1); !ok { // used
		t.Fatal("event 1 is not kept")
	}
	c.now = c.now.Add(time.Second)
	s.Keep(sized(t, 5, "ann", 10_000))
	if diff := cmp.Diff([]hostapi.ID{1, 3, 4, 5}, kept(s, 1, 2, 3, 4, 5)); diff != "" {
		t.Error(diff)
	}
}

// A flood takes the room of whoever makes it.
func TestFloodLeavesOthersAlone(t *testing.T) {
	s, c := newStore(t, 1_000_000)
	var quiet []hostapi.ID
	for i := range 5 {
		id := hostapi.ID(i + 1)
		s.Keep(sized(t, id, fmt.Sprint("quiet", i), 70_000))
		quiet = append(quiet, id)
	}
	for i := range 500 {
		c.now = c.now.Add(time.Millisecond)
		s.Keep(sized(t, hostapi.ID(1000+i), "mallory", 100_000))
	}
	if diff := cmp.Diff(quiet, kept(s, quiet...)); diff != "" {
		t.Error(diff)
	}
	// Without a name it is by connection.
	a, b := routed(t, 1, event("")), routed(t, 2, event(""))
	a.User, b.User, b.Conn = "", "", 8
	if Of(a).holder == Of(b).holder {
		t.Errorf("two connections share %q", Of(a).holder)
	}
}

func TestKeptForATime(t *testing.T) {
	s, c := newStore(t, 100_000)
	s.Keep(sized(t, 1, "ann", 10_000))
	c.now = c.now.Add(6 * time.Minute)
	s.Keep(sized(t, 2, "ann", 10_000))
	if _, ok := s.Get(1); !ok { // which does not keep it longer
		t.Error("gone before its time")
	}
	c.now = c.now.Add(5 * time.Minute)
	if diff := cmp.Diff([]hostapi.ID{2}, kept(s, 1, 2)); diff != "" {
		t.Error(diff)
	}
	s.Sweep()
	if n, bytes := s.Held(); n != 1 || bytes != 10_000 {
		t.Errorf("after the sweep: %d events, %d bytes", n, bytes)
	}
	c.now = c.now.Add(time.Hour)
	s.Sweep()
	if n, bytes := s.Held(); n != 0 || bytes != 0 || len(s.shares) != 0 {
		t.Errorf("at the end: %d events, %d bytes, shares %v", n, bytes, s.shares)
	}
}

func TestKeepTwice(t *testing.T) {
	s, _ := newStore(t, 100_000)
	e := sized(t, 1, "ann", 10_000)
	s.Keep(e)
	s.Keep(sized(t, 1, "bob", 20_000))
	if n, bytes := s.Held(); n != 1 || bytes != 20_000 || s.shares["user ann"] != 0 {
		t.Errorf("%d events, %d bytes, shares %v", n, bytes, s.shares)
	}
}

func TestLoad(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := NewStore(Options{Bytes: 100_000, Keep: time.Minute, Now: time.Now, Metrics: reg})
	ctx := context.Background()
	var mu sync.Mutex
	reads := 0
	load := func(context.Context) (*Event, error) {
		mu.Lock()
		defer mu.Unlock()
		reads++
		return Read(1, "u", 1, event("<detail><a/></detail>"))
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if e, err := s.Load(ctx, 1, load); err != nil || e == nil || e.ID != 1 {
				t.Errorf("got %v, %v", e, err)
			}
		})
	}
	wg.Wait()
	if reads > loadsAtOnce {
		t.Errorf("read %d times, want at most once for each turn (%d)", reads, loadsAtOnce)
	}
	if e, err := s.Load(ctx, 2, func(context.Context) (*Event, error) { return nil, nil }); e != nil || err != nil {
		t.Errorf("an event that is nowhere: got %v, %v", e, err)
	}
	away := errors.New("away")
	if _, err := s.Load(ctx, 2, func(context.Context) (*Event, error) { return nil, away }); !errors.Is(err, away) {
		t.Errorf("got %v, want the error of the archive", err)
	}
	want := map[string]float64{
		"takhost_large_fetched_total memory": float64(50 - reads), "takhost_large_fetched_total archive": float64(reads), "takhost_large_fetched_total nowhere": 1,
		"takhost_large_evicted_total": 0, "takhost_large_refused_total": 0, "takhost_large_events": 1, "takhost_large_bytes": float64(s.bytes),
	}
	if diff := cmp.Diff(want, gathered(t, reg)); diff != "" {
		t.Error(diff)
	}
}

// gathered gives metrics by name and value of their label.
func gathered(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName()
			for _, l := range m.Label {
				name += " " + l.GetValue()
			}
			all[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return all
}

func TestLoadWaitsForItsTurnAsLongAsAsked(t *testing.T) {
	s, _ := newStore(t, 100_000)
	hold, in := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	for i := range loadsAtOnce {
		wg.Go(func() {
			_, err := s.Load(context.Background(), hostapi.ID(i+1), func(context.Context) (*Event, error) {
				in <- struct{}{}
				<-hold
				return nil, nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		<-in
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Load(ctx, 99, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(hold)
	wg.Wait()
}

func BenchmarkHash(b *testing.B) {
	e := routed(b, 1, event("<detail>"+strings.Repeat(`<link point="47.4,10.2"/>`, 8<<20/25)+`<marti><dest uid="a"/></marti></detail>`))
	b.SetBytes(int64(len(e.XML)))
	for b.Loop() {
		if _, err := Of(e).Notice(); err != nil {
			b.Fatal(err)
		}
	}
}
