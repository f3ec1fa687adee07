package store

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store/storetest"
	"github.com/takhost/takhost/hostapi"
)

// after reads all that is behind c, some at a time.
func after(t testing.TB, s *Store, c Cursor, limit int) ([]hostapi.ID, Cursor) {
	t.Helper()
	ids := []hostapi.ID{}
	for {
		evs, next, err := s.Archive().After(testContext(t), c, limit)
		if err != nil {
			t.Fatalf("After(%v): %v", c, err)
		}
		if len(evs) == 0 {
			if next != c {
				t.Errorf("After(%v): no events, but the cursor became %v", c, next)
			}
			return ids, c
		}
		c = next
		ids = append(ids, idsOf(evs)...)
	}
}

func TestAfter(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := options(t, dsn)
		s := open(t, o)
		at := func(n int) *hostapi.Event { return event(n, testTime.Add(time.Duration(n)*time.Millisecond)) }
		// What is committed together goes by id; what comes after a higher one was
		// committed comes after it.
		batches := [][]int{{5, 3, 4}, {8, 1, 9}, {7, 2}, {10}, {6}}
		var want []hostapi.ID
		for _, n := range []int{3, 4, 5, 1, 8, 9, 7, 2, 10, 6} {
			want = append(want, at(n).ID)
		}
		var cursors []Cursor
		for _, b := range batches {
			c, err := s.Archive().End(testContext(t))
			if err != nil {
				t.Fatal(err)
			}
			cursors = append(cursors, c)
			var evs []*hostapi.Event
			for _, n := range b {
				evs = append(evs, at(n))
			}
			put(t, s, evs...)
		}
		check := func(what string) {
			t.Helper()
			for _, limit := range []int{1, 2, 3, 0} {
				n := 0
				for i, c := range cursors {
					got, _ := after(t, s, c, limit)
					if diff := cmp.Diff(want[n:], got); diff != "" {
						t.Errorf("%s: behind batch %d, %d at a time (-want +got):\n%s", what, i, limit, diff)
					}
					n += len(batches[i])
				}
			}
		}
		check("first")
		_, end := after(t, s, Cursor{}, 3)
		if c, err := s.Archive().End(testContext(t)); err != nil || c != end {
			t.Errorf("End: got %v, error %v, want %v", c, err, end)
		}
		closeStore(t, s)
		s = open(t, o)
		check("after opening again")
		put(t, s, at(12), at(0))
		if got, _ := after(t, s, end, 1); !cmp.Equal(got, []hostapi.ID{at(0).ID, at(12).ID}) {
			t.Errorf("after opening again: got %v, want %v, late although it came with the first batch, and %v", got, at(0).ID, at(12).ID)
		}
		byID, err := s.Archive().Events(testContext(t), []hostapi.ID{at(9).ID, at(99).ID, at(1).ID})
		if diff := cmp.Diff([]hostapi.ID{at(9).ID, at(1).ID}, idsOf(byID)); diff != "" || err != nil {
			t.Errorf("by id: error %v (-want +got):\n%s", err, diff)
		}
		for _, limit := range []int{-1, 1001} {
			_, _, err := s.Archive().After(testContext(t), Cursor{}, limit)
			wantCode(t, "limit", err, Invalid)
		}
	})
}

// TestAfterWhileArchiving: readers follow a writer whose events are out of order,
// and get each event once, in one order.
func TestAfterWhileArchiving(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		const n = 1500
		evs := events(n, testTime, time.Millisecond)
		r := rand.New(rand.NewPCG(1, 2))
		for i := range evs { // most a little out of order, some by much
			j := min(i+r.IntN(4), n-1)
			if i%100 == 0 {
				j = min(i+r.IntN(500), n-1)
			}
			evs[i], evs[j] = evs[j], evs[i]
		}
		type result struct {
			ids []hostapi.ID
			err error
		}
		results := make(chan result)
		const readers = 3
		for i := range readers {
			go func() {
				news, stop := s.Archive().Committed()
				defer stop()
				var res result
				var c Cursor
				for len(res.ids) < n {
					evs, next, err := s.Archive().After(testContext(t), c, 50*(i+1))
					if err != nil {
						res.err = err
						break
					}
					res.ids, c = append(res.ids, idsOf(evs)...), next
					if len(evs) > 0 {
						continue
					}
					select {
					case <-news:
						continue
					case <-time.After(testWait):
					}
					break
				}
				results <- res
			}()
		}
		for part := range slices.Chunk(evs, 40) {
			put(t, s, part...)
		}
		var first []hostapi.ID
		for range readers {
			res := <-results
			if res.err != nil {
				t.Fatal(res.err)
			}
			if first == nil {
				first = res.ids
			} else if !slices.Equal(first, res.ids) {
				t.Error("two readers got different orders")
			}
			seen := map[hostapi.ID]bool{}
			for _, id := range res.ids {
				if seen[id] {
					t.Errorf("event %v came twice", id)
				}
				seen[id] = true
			}
			if len(seen) != n {
				t.Errorf("got %d events, want %d", len(seen), n)
			}
		}
	})
}

// TestRetentionOfLateEvents: with the events go the notes about them, and cursors
// stay right.
func TestRetentionOfLateEvents(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := options(t, dsn)
		now := testTime
		o.Now = func() time.Time { return now }
		o.Archive.Keep = time.Hour
		s := open(t, o)
		put(t, s, event(5, testTime.Add(-2*time.Hour)))
		put(t, s, event(1, testTime.Add(-3*time.Hour)), event(2, testTime.Add(-time.Minute)))
		put(t, s, event(3, testTime.Add(-2*time.Minute)))
		ids, c := after(t, s, Cursor{}, 1)
		if len(ids) != 4 {
			t.Fatalf("got %d events, want 4", len(ids))
		}
		closeStore(t, s)
		o.test.sweepEvery = time.Millisecond
		s = open(t, o)
		eventually(t, "two events are removed", func() bool { return s.Archive().Stats().Events == 2 })
		var late int
		if err := s.archive.db.read.NewRaw("SELECT COUNT(*) FROM late_events").Scan(testContext(t), &late); err != nil || late != 1 {
			t.Errorf("got %d notes, error %v, want that of event 3", late, err)
		}
		if got, _ := after(t, s, Cursor{}, 1); !cmp.Equal(got, []hostapi.ID{event(2, testTime.Add(-time.Minute)).ID, event(3, testTime.Add(-2*time.Minute)).ID}) {
			t.Errorf("what is left: got %v", got)
		}
		if got, _ := after(t, s, c, 1); len(got) != 0 {
			t.Errorf("behind the end: got %v, want nothing", got)
		}
	})
}
