package web

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
)

func ids(evs []*hostapi.Event) []hostapi.ID {
	var list []hostapi.ID
	for _, e := range evs {
		list = append(list, e.ID)
	}
	return list
}

func TestLiveOrder(t *testing.T) {
	l := NewLive()
	l.Routed([]*hostapi.Event{event(t, 1, "U", "a-f-G", 0, 0)}) // nobody watches
	r := l.watch(Filter{uid: "U"})
	defer l.drop(r)
	l.Routed([]*hostapi.Event{event(t, 2, "U", "a-f-G", 0, 0), event(t, 3, "V", "a-f-G", 0, 0), event(t, 4, "U", "a-f-G", 0, 0)})
	l.Routed([]*hostapi.Event{event(t, 5, "U", "a-f-G", 0, 0)})
	<-r.wake
	evs, missed := r.take(nil)
	if diff := cmp.Diff([]hostapi.ID{2, 4, 5}, ids(evs)); diff != "" || missed != 0 {
		t.Errorf("missed %d, events (-want +got):\n%s", missed, diff)
	}
	if evs, _ := r.take(nil); len(evs) != 0 {
		t.Errorf("a second take gives %v", ids(evs))
	}
}

func TestLiveOverflow(t *testing.T) {
	big := event(t, 1, "U", "a-f-G", 0, 0)
	big.XML = strings.Repeat("x", liveBytes/4)
	small := event(t, 1, "U", "a-f-G", 0, 0)
	for _, c := range []struct {
		name   string
		e      *hostapi.Event
		n      int
		kept   int
		missed uint64
	}{
		{"as many as fit", small, liveEvents, liveEvents, 0},
		{"too many", small, 3*liveEvents + 7, liveEvents, 2*liveEvents + 7},
		{"too large", big, 10, 4, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := NewLive()
			r := l.watch(Filter{})
			defer l.drop(r)
			for i := range c.n {
				e := &hostapi.Event{Header: c.e.Header, XML: c.e.XML, ID: hostapi.ID(i)}
				l.Routed([]*hostapi.Event{e})
			}
			evs, missed := r.take(nil)
			if len(evs) != c.kept || missed != c.missed {
				t.Fatalf("got %d events and %d missed, want %d and %d", len(evs), missed, c.kept, c.missed)
			}
			for i, e := range evs {
				if want := hostapi.ID(c.n - c.kept + i); e.ID != want {
					t.Fatalf("event %d is %d, want %d: the oldest go", i, e.ID, want)
				}
			}
		})
	}
}

// TestLiveConcurrent shows that what was taken and what was missed is all.
func TestLiveConcurrent(t *testing.T) {
	const senders, each = 4, 5000
	l := NewLive()
	r := l.watch(Filter{})
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			e := event(t, 1, "U", "a-f-G", 0, 0)
			for range each {
				l.Routed([]*hostapi.Event{e})
			}
		})
	}
	for range 3 { // others come and go meanwhile
		wg.Go(func() {
			for range 200 {
				l.drop(l.watch(Filter{}))
			}
		})
	}
	sent := make(chan struct{})
	go func() { wg.Wait(); close(sent) }()
	var got, lost uint64
	for more := true; more; {
		select {
		case <-r.wake:
		case <-sent:
			more = false
		}
		evs, missed := r.take(nil)
		got, lost = got+uint64(len(evs)), lost+missed
	}
	if got+lost != senders*each {
		t.Errorf("got %d and lost %d of %d", got, lost, senders*each)
	}
	l.drop(r)
	if l.readers.Load() != nil {
		t.Error("somebody still watches")
	}
}

func TestLiveClose(t *testing.T) {
	l := NewLive()
	r := l.watch(Filter{})
	l.Close()
	l.Close()
	<-r.done
	<-l.watch(Filter{}).done
	l.drop(r)
	l.Routed([]*hostapi.Event{event(t, 1, "U", "a-f-G", 0, 0)})
}

func TestLiveCostsNothingUnwatched(t *testing.T) {
	l := NewLive()
	evs := []*hostapi.Event{event(t, 1, "U", "a-f-G", 0, 0)}
	if n := testing.AllocsPerRun(100, func() { l.Routed(evs) }); n != 0 {
		t.Errorf("got %v allocations", n)
	}
}

func BenchmarkLive(b *testing.B) {
	evs := []*hostapi.Event{event(b, 1, "U", "a-f-G-U-C", 0, 0)}
	for _, c := range []struct {
		name  string
		types []string
		n     int
	}{{"nobody", nil, 0}, {"filtered", []string{"b-*"}, 1}, {"one", nil, 1}} {
		b.Run(c.name, func(b *testing.B) {
			l := NewLive()
			for range c.n {
				f, err := NewFilter("", c.types, "")
				if err != nil {
					b.Fatal(err)
				}
				l.watch(f)
			}
			b.ReportAllocs()
			for b.Loop() {
				l.Routed(evs)
			}
		})
	}
}
