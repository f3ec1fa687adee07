package route

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/takhost/takhost/hostapi"
)

// While others publish, newcomers join: each of them gets of every publisher
// one latest position or none, and from there on every event, in order, none
// twice and none left out.
func TestJoinLosesNothing(t *testing.T) {
	b := newBed(t)
	const publishers, joiners, rounds = 4, 40, 300
	var wg sync.WaitGroup
	start := make(chan struct{})
	for p := range publishers {
		u := b.join(Who{})
		u.uid, u.callsign = fmt.Sprint("P", p), fmt.Sprint("PUB", p)
		wg.Go(func() {
			<-start
			for i := range rounds {
				u.send("a-f-G", u.uid, fmt.Sprintf(`<contact callsign="%s" endpoint="e"/><n v="%d"/>`, u.callsign, i))
			}
		})
	}
	boxes := make([]*inbox, joiners)
	for j := range joiners {
		boxes[j] = &inbox{}
		wg.Go(func() {
			<-start
			s := b.Router.Join(boxes[j], Who{Conn: uint64(1000 + j), In: hostapi.AnonSet, Out: hostapi.AnonSet})
			_ = s
		})
	}
	close(start)
	wg.Wait()
	for j, box := range boxes {
		last := map[string]int{}
		for _, e := range box.takeEvents() {
			n := number(t, e)
			if before, ok := last[e.UID]; ok && n != before+1 {
				t.Fatalf("joiner %d: %s jumps from %d to %d", j, e.UID, before, n)
			}
			last[e.UID] = n
		}
		for uid, n := range last {
			if n != rounds-1 {
				t.Fatalf("joiner %d: %s ends at %d", j, uid, n)
			}
		}
		if len(last) != publishers {
			t.Fatalf("joiner %d saw %d publishers", j, len(last))
		}
	}
}

func number(t *testing.T, e *hostapi.Event) int {
	t.Helper()
	s := e.XML[e.DetailAt:e.DetailTo]
	i := len(s) - len(`"/>`)
	k := i
	for s[k-1] >= '0' && s[k-1] <= '9' {
		k--
	}
	n, err := strconv.Atoi(s[k:i])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestIDsRise(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ids := NewIDs(5, 0, func() time.Time { return now })
	var last hostapi.ID
	check := func(n int) {
		t.Helper()
		for range n {
			id, _ := ids.Next()
			if id <= last || id.Node() != 5 {
				t.Fatalf("id %d of node %d after %d", id, id.Node(), last)
			}
			last = id
		}
	}
	check(10_000) // more than one millisecond holds
	now = now.Add(-time.Hour)
	check(10)
	now = now.Add(2 * time.Hour)
	check(1)
	if d := last.Time().Sub(now); d != 0 {
		t.Errorf("the id's time is %v off the clock", d)
	}
	// After a restart, with the clock set back and another node's id stored last.
	stored := hostapi.NewID(now.Add(time.Minute), 900, 7)
	ids = NewIDs(5, stored, func() time.Time { return now })
	if id, _ := ids.Next(); id <= stored || id.Node() != 5 {
		t.Errorf("id %d of node %d is not above the stored %d", id, id.Node(), stored)
	}
}

func TestIDsAreUniqueAcrossGoroutines(t *testing.T) {
	ids := NewIDs(1, 0, time.Now)
	const workers, each = 4, 20_000
	got := make([][]hostapi.ID, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range each {
				id, _ := ids.Next()
				got[w] = append(got[w], id)
			}
		})
	}
	wg.Wait()
	seen := map[hostapi.ID]bool{}
	for _, list := range got {
		if !slices.IsSorted(list) {
			t.Error("one goroutine's ids do not rise")
		}
		for _, id := range list {
			if seen[id] {
				t.Fatalf("id %d twice", id)
			}
			seen[id] = true
		}
	}
}

func BenchmarkBroadcast(b *testing.B) {
	for _, receivers := range []int{1, 60, 1000} {
		b.Run(fmt.Sprint(receivers), func(b *testing.B) {
			r := New(Options{IDs: NewIDs(1, 0, time.Now), Groups: NewGroups(nil, nil), Now: time.Now})
			for i := range receivers {
				r.Join(sink{}, Who{Conn: uint64(i + 1), In: hostapi.AnonSet, Out: hostapi.AnonSet})
			}
			s := r.Join(sink{}, Who{Conn: 100_000, In: hostapi.AnonSet, Out: hostapi.AnonSet})
			evs := make([]*hostapi.Event, 16)
			for i := range evs {
				evs[i] = &hostapi.Event{XML: "<event/>"}
				evs[i].Type, evs[i].UID = "u-d-f", strconv.Itoa(i)
			}
			b.ReportAllocs()
			r.Close()
			for b.Loop() {
				s.Publish(evs)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(evs)), "ns/event")
		})
	}
}

type sink struct{}

func (sink) Offer([]*hostapi.Event) bool { return false }
func (sink) Replay([]*hostapi.Event)     {}
func (sink) Close(string)                {}

func BenchmarkRegroup(b *testing.B) {
	const clients = 2000
	for _, part := range []int{1, clients} {
		b.Run(fmt.Sprintf("%d of %d", part, clients), func(b *testing.B) {
			r := New(Options{IDs: NewIDs(1, 0, time.Now), Groups: NewGroups(nil, func(hostapi.SetID, []hostapi.GroupID) error { return nil }), Now: time.Now})
			var sets [2]hostapi.SetID
			for i := range sets {
				set, err := r.opt.Groups.Intern(hostapi.GroupID(2), hostapi.GroupID(3+i))
				if err != nil {
					b.Fatal(err)
				}
				sets[i] = set
			}
			now := time.Now()
			for i := range clients {
				s := r.Join(sink{}, Who{Conn: uint64(i + 1), In: sets[0], Out: sets[0]})
				e := &hostapi.Event{XML: "<event/>", Recv: now.UnixMicro()}
				e.Type, e.UID, e.Callsign, e.Endpoint = "a-f-G", strconv.Itoa(i), strconv.Itoa(i), "e"
				e.Time, e.Stale = now.UnixMicro(), now.Add(time.Hour).UnixMicro()
				s.Publish([]*hostapi.Event{e})
			}
			r.Close()
			b.ReportAllocs()
			for n := 1; b.Loop(); n++ {
				changed := r.Regroup(func(who Who, _ string) (in, out hostapi.SetID, ok bool) {
					return sets[n%2], sets[n%2], int(who.Conn) <= part
				}, true)
				if changed != part {
					b.Fatalf("%d changed", changed)
				}
			}
		})
	}
}
