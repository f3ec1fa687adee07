package stream

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// queued makes an event of uid and type that holds for a minute from recv on;
// n tells events of the same uid apart.
func queued(typ, uid string, n int, recv time.Time) *hostapi.Event {
	return &hostapi.Event{
		Header: cot.Header{UID: uid, Type: typ, Time: recv.UnixMicro(), Stale: recv.Add(time.Minute).UnixMicro()},
		XML:    strings.Repeat("x", 100), Recv: recv.UnixMicro(), Conn: uint64(n),
	}
}

func names(evs []*hostapi.Event) []string {
	var out []string
	for _, e := range evs {
		out = append(out, fmt.Sprintf("%s/%s/%d", e.Type, e.UID, e.Conn))
	}
	return out
}

func TestQueueOverflow(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	old := now.Add(-2 * time.Minute)
	for _, c := range []struct {
		name string
		push []*hostapi.Event
		want []string
		drop dropped
		ok   bool
	}{
		{
			"newer positions supersede",
			[]*hostapi.Event{queued("a-f", "A", 1, now), queued("b-t-f", "A", 2, now), queued("a-f", "B", 1, now), queued("a-f", "A", 3, now), queued("a-f", "A", 4, now)},
			[]string{"b-t-f/A/2", "a-f/B/1", "a-f/A/4"},
			dropped{superseded: 2}, true,
		},
		{
			"expired positions go, others stay",
			[]*hostapi.Event{queued("a-f", "A", 1, old), queued("b-t-f", "C", 1, old), queued("a-f", "B", 1, now), queued("u-d-f", "D", 1, old), queued("a-f", "E", 1, old)},
			[]string{"b-t-f/C/1", "a-f/B/1", "u-d-f/D/1"},
			dropped{expired: 2}, true,
		},
		{
			"nothing else ever goes",
			[]*hostapi.Event{queued("b-t-f", "A", 1, old), queued("b-t-f", "A", 2, old), queued("b-a-o-tbl", "B", 1, old), queued("t-x-m-c", "C", 1, old), queued("t-x-d-d", "D", 1, old)},
			[]string{"b-t-f/A/1", "b-t-f/A/2", "b-a-o-tbl/B/1", "t-x-m-c/C/1", "t-x-d-d/D/1"},
			dropped{}, false,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := queue{maxEvents: 4, maxBytes: 1 << 20}
			var sum dropped
			var ok bool
			for _, e := range c.push {
				var d dropped
				d, ok = q.push([]*hostapi.Event{e}, clock)
				sum.superseded += d.superseded
				sum.expired += d.expired
			}
			if sum != c.drop || ok != c.ok {
				t.Errorf("dropped %+v, ok %v; want %+v, %v", sum, ok, c.drop, c.ok)
			}
			if want := 100 * q.len(); q.bytes != want {
				t.Errorf("counts %d bytes, holds %d", q.bytes, want)
			}
			if d := cmp.Diff(c.want, names(q.take(nil, 1<<20))); d != "" {
				t.Errorf("left (-want +got):\n%s", d)
			}
			if !q.empty() || q.bytes != 0 {
				t.Errorf("taken wholly, but %d events and %d bytes are left", q.len(), q.bytes)
			}
		})
	}
}

func TestQueueBoundsBytes(t *testing.T) {
	now := time.Now()
	q := queue{maxEvents: 1000, maxBytes: 250}
	large := queued("u-d-f", "A", 1, now)
	large.XML = strings.Repeat("x", 5000)
	if _, ok := q.push([]*hostapi.Event{large}, time.Now); !ok {
		t.Error("a single event larger than the bound must fit into an empty queue")
	}
	if _, ok := q.push([]*hostapi.Event{queued("u-d-f", "B", 1, now)}, time.Now); ok {
		t.Error("the queue takes more than its bytes")
	}
}

func TestQueueTakesInPieces(t *testing.T) {
	now := time.Now()
	q := queue{maxEvents: 100, maxBytes: 1 << 20}
	q.replay([]*hostapi.Event{queued("a-f", "R", 1, now), queued("a-f", "R", 2, now), queued("a-f", "R", 3, now)})
	q.push([]*hostapi.Event{queued("a-f", "A", 1, now), switchToProto, queued("a-f", "A", 2, now), queued("a-f", "A", 3, now)}, time.Now)
	var got [][]string
	for !q.empty() {
		evs := q.take(nil, 250)
		if evs[0] == switchToProto {
			got = append(got, []string{"switch"})
			if len(evs) != 1 {
				t.Error("the switch does not come alone")
			}
			continue
		}
		got = append(got, names(evs))
	}
	want := [][]string{{"a-f/R/1", "a-f/R/2"}, {"a-f/R/3", "a-f/A/1"}, {"switch"}, {"a-f/A/2", "a-f/A/3"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("pieces (-want +got):\n%s", d)
	}
}

func TestReplaysKeepTheirPlaceAndCountForNothing(t *testing.T) {
	now := time.Now()
	event := func(uid string, v int) *hostapi.Event { return queued("a-f", uid, v, now) }
	q := queue{maxEvents: 8, maxBytes: 1 << 20}
	push := func(e *hostapi.Event) {
		t.Helper()
		if _, ok := q.push([]*hostapi.Event{e}, time.Now); !ok {
			t.Fatal("the queue is full")
		}
	}
	var many []*hostapi.Event
	for i := range 20 {
		many = append(many, event(fmt.Sprint("R", i), 1))
	}
	shared := slices.Clone(many)
	push(event("A", 1))
	q.replay(many[:10])
	q.replay(many[11:])
	push(event("A", 2))
	if n := q.waiting(); n != 21 {
		t.Errorf("%d events wait, want 21", n)
	}
	for v := 3; v < 8; v++ {
		push(event("A", v)) // it overflows, and the older positions of A go
	}
	q.forget(func(e *hostapi.Event) bool { return e.UID == "R0" || e.UID == "R15" })
	got := names(q.take(nil, 1<<20))
	want := []string{}
	for i := range 20 {
		if i != 0 && i != 10 && i != 15 {
			want = append(want, fmt.Sprintf("a-f/R%d/1", i))
		}
	}
	if d := cmp.Diff(append(want, "a-f/A/7"), got[max(0, len(got)-len(want)-1):]); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	if !slices.Equal(many, shared) {
		t.Error("the slice that is shared with others was changed")
	}
	if !q.empty() || q.bytes != 0 || q.waiting() != 0 {
		t.Errorf("%d events and %d bytes stay behind", q.len(), q.bytes)
	}

	q.replay(many[:1])
	q.forget(func(*hostapi.Event) bool { return true })
	if evs := q.take(nil, 100); len(evs) != 0 || !q.empty() {
		t.Errorf("an emptied replay gives %v and leaves %d", names(evs), q.len())
	}
}

func BenchmarkQueue(b *testing.B) {
	now := time.Now()
	evs := make([]*hostapi.Event, 64)
	for i := range evs {
		evs[i] = queued("a-f-G-U-C", fmt.Sprint("uid", i%10), i, now)
	}
	b.Run("push and take", func(b *testing.B) {
		q := queue{maxEvents: 8192, maxBytes: 8 << 20}
		dst := make([]*hostapi.Event, 0, 256)
		for b.Loop() {
			q.push(evs, time.Now)
			for !q.empty() {
				dst = q.take(dst[:0], writeSize)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(evs)), "ns/event")
	})
	b.Run("push into a full one", func(b *testing.B) {
		q := queue{maxEvents: 8192, maxBytes: 8 << 20}
		for b.Loop() {
			q.push(evs, time.Now)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(evs)), "ns/event")
	})
}
