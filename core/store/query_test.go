package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"

	"github.com/takhost/takhost/core/store/storetest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// scene stores eight events, a second apart, known by their places.
func scene(t *testing.T, s *Store) []*hostapi.Event {
	t.Helper()
	at := func(n int) time.Time { return testTime.Add(time.Duration(n) * time.Second) }
	make := func(n int, uid, typ string, set hostapi.SetID, lat, lon float64) *hostapi.Event {
		e := newEvent(hostapi.NewID(at(n), 1, n), at(n), uid, typ)
		e.Groups, e.Lat, e.Lon = set, lat, lon
		return e
	}
	evs := []*hostapi.Event{
		make(0, "A", "a-f-G-U-C", 1, 47, 8),
		make(1, "B", "a-h-G", 1, 47.5, 8.5),
		make(2, "A", "a-f-G-U-C", 2, 48, 9),
		make(3, "C1", "b-t-f", 1, 0, 0),
		make(4, "C", "a-f-A", 1, -17, 179.5),
		make(5, "C", "a-f-A", 3, -17, -179.5),
		make(6, "A", "b-m-p-s-p-loc", 1, 47, 8),
		make(7, "a", "a-f", 1, 90, -180),
	}
	evs[3].Flags &^= cot.HasPoint
	put(t, s, evs...)
	return evs
}

func TestQueryFilters(t *testing.T) {
	sec := func(n float64) time.Time { return testTime.Add(time.Duration(n * float64(time.Second))) }
	cases := []struct {
		name string
		q    Query
		want []int // places in the scene, oldest first
	}{
		{"all", Query{}, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{"uid", Query{UID: "A"}, []int{0, 2, 6}},
		{"uid keeps case", Query{UID: "a"}, []int{7}},
		{"unknown uid", Query{UID: "Z"}, nil},
		{"uid and type", Query{UID: "A", Types: []string{"a-*"}}, []int{0, 2}},
		{"exact type", Query{Types: []string{"a-f-A"}}, []int{4, 5}},
		{"exact type keeps case", Query{Types: []string{"a-f-a"}}, nil},
		{"prefix", Query{Types: []string{"a-f-*"}}, []int{0, 2, 4, 5}},
		{"prefix without dash", Query{Types: []string{"a-f*"}}, []int{0, 2, 4, 5, 7}},
		{"star alone", Query{Types: []string{"*"}}, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{"star within", Query{Types: []string{"a-*-G*"}}, []int{0, 1, 2}},
		{"star first", Query{Types: []string{"*-loc"}}, []int{6}},
		{"several", Query{Types: []string{"b-t-f", "a-h-*", "a-*-G"}}, []int{1, 3}},
		{"overlapping", Query{Types: []string{"a-f-A", "a-f-*"}}, []int{0, 2, 4, 5}},
		{"unknown type", Query{Types: []string{"u-d-*"}}, nil},
		{"from", Query{From: sec(5)}, []int{5, 6, 7}},
		{"to", Query{To: sec(2)}, []int{0, 1}},
		{"span", Query{From: sec(1), To: sec(3.5)}, []int{1, 2, 3}},
		{"span within a microsecond", Query{From: sec(2), To: sec(2).Add(time.Nanosecond)}, []int{2}},
		{"from after a nanosecond", Query{From: sec(6).Add(time.Nanosecond)}, []int{7}},
		{"hour before", Query{To: sec(-3600)}, nil},
		{"hour after", Query{From: sec(3600)}, nil},
		{"hours around", Query{From: sec(-7200), To: sec(7200)}, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{"span and uid", Query{UID: "A", From: sec(1), To: sec(6)}, []int{2}},
		{"box", Query{Box: &cot.Box{South: 46, West: 7, North: 47.5, East: 8.5}}, []int{0, 1, 6}},
		{"box of a point", Query{Box: &cot.Box{South: 48, West: 9, North: 48, East: 9}}, []int{2}},
		{"box across the 180th meridian", Query{Box: &cot.Box{South: -20, West: 179, North: -10, East: -179}}, []int{4, 5}},
		{"box without the 180th meridian", Query{Box: &cot.Box{South: -20, West: -179, North: -10, East: 179}}, nil},
		{"box of the world leaves out what has no point", Query{Box: &cot.Box{South: -90, West: -180, North: 90, East: 180}}, []int{0, 1, 2, 4, 5, 6, 7}},
		{"box and type", Query{Types: []string{"b-*"}, Box: &cot.Box{South: 46, West: 7, North: 49, East: 10}}, []int{6}},
		{"box and uid", Query{UID: "A", Box: &cot.Box{South: 47.5, West: 7, North: 49, East: 10}}, []int{2}},
		{"sets", Query{Sets: []hostapi.SetID{2, 3, 77}}, []int{2, 5}},
		{"no set", Query{Sets: []hostapi.SetID{}}, nil},
		{"sets, type, span", Query{Sets: []hostapi.SetID{1}, Types: []string{"a-*"}, From: sec(1)}, []int{1, 4, 7}},
	}
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		evs := scene(t, s)
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				want := []hostapi.ID{}
				for _, n := range c.want {
					want = append(want, evs[n].ID)
				}
				for _, limit := range []int{0, 1} {
					q := c.q
					q.Ascending, q.Limit = true, limit
					if diff := cmp.Diff(want, idsOf(all(t, s, q))); diff != "" {
						t.Errorf("ascending, limit %d (-want +got):\n%s", limit, diff)
					}
				}
				slices.Reverse(want)
				for _, limit := range []int{0, 2} {
					q := c.q
					q.Limit = limit
					if diff := cmp.Diff(want, idsOf(all(t, s, q))); diff != "" {
						t.Errorf("newest first, limit %d (-want +got):\n%s", limit, diff)
					}
				}
			})
		}
	})
}

func TestQueryRefuses(t *testing.T) {
	down := formatCursor(5, false)
	cases := []struct {
		name string
		q    Query
		want string
	}{
		{"negative limit", Query{Limit: -1}, "limit -1: must be 1 to 1000"},
		{"large limit", Query{Limit: 1001}, "limit 1001: must be 1 to 1000"},
		{"empty glob", Query{Types: []string{"a-f", ""}}, `"" is no CoT type`},
		{"glob with a space", Query{Types: []string{"a f"}}, `"a f" is no CoT type`},
		{"glob with SQL", Query{Types: []string{"a' OR 1=1 --"}}, "CoT type"},
		{"long glob", Query{Types: []string{strings.Repeat("a", 129)}}, "1 to 128 characters"},
		{"many globs", Query{Types: make([]string, 65)}, "at most 64"},
		{"long uid", Query{UID: strings.Repeat("u", 1025)}, "uid: longer than 1024 bytes"},
		{"uid with a zero byte", Query{UID: "a\x00b"}, "uid: is not valid text"},
		{"uid outside UTF-8", Query{UID: "a\xff"}, "uid: is not valid text"},
		{"span backwards", Query{From: testTime, To: testTime.Add(-time.Second)}, "is not before its end"},
		{"empty span", Query{From: testTime, To: testTime}, "is not before its end"},
		{"box upside down", Query{Box: &cot.Box{South: 10, West: 0, North: 5, East: 0}}, "box: needs south <= north"},
		{"box beyond the pole", Query{Box: &cot.Box{South: 0, West: 0, North: 91, East: 0}}, "box: needs"},
		{"box beyond 180", Query{Box: &cot.Box{South: 0, West: 0, North: 1, East: 181}}, "box: needs"},
		{"box without numbers", Query{Box: &cot.Box{South: 0, West: math.NaN(), North: 1, East: 1}}, "box: needs"},
		{"cursor that is none", Query{After: "xyz"}, "after: is not what next of a page gave"},
		{"cursor with junk", Query{After: down + "A"}, "after: is not what next of a page gave"},
		{"cursor of zero", Query{After: formatCursor(0, false)}, "after: is not what next of a page gave"},
		{"cursor below zero", Query{After: formatCursor(-5, false)}, "after: is not what next of a page gave"},
		{"cursor of the other order", Query{After: down, Ascending: true}, "after: comes from a query in the other order"},
	}
	s := open(t, options(t, storetest.SQLite))
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := s.Archive().Query(t.Context(), c.q)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got error %v, want one with %q", err, c.want)
			}
			if got := CodeOf(err); got != Invalid {
				t.Errorf("got code %q, want %q", got, Invalid)
			}
		})
	}
}

func TestPagesWhileInserting(t *testing.T) {
	const n, limit = 2500, 1000
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		first := events(n, testTime, 10*time.Millisecond)
		put(t, s, first...)
		more := events(n, testTime.Add(time.Hour), 10*time.Millisecond)

		// Newest first: exactly what was there at the first page.
		var got []hostapi.ID
		q := Query{Limit: limit}
		for i := 0; ; i += 400 {
			p := query(t, s, q)
			got = append(got, idsOf(p.Events)...)
			if q.After = p.Next; q.After == "" {
				break
			}
			put(t, s, more[i:i+400]...)
		}
		var want []hostapi.ID
		for _, e := range first {
			want = append(want, e.ID)
		}
		slices.Reverse(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("newest first (-want +got):\n%s", diff)
		}

		// Oldest first: what comes meanwhile comes last, once.
		got, q = nil, Query{Limit: limit, Ascending: true}
		for i := 1200; ; i += 100 {
			p := query(t, s, q)
			got = append(got, idsOf(p.Events)...)
			if q.After = p.Next; q.After == "" {
				break
			}
			put(t, s, more[i:i+100]...)
		}
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("oldest first: ids repeat or are out of order")
		}
		if stored := int(s.Archive().Stats().Events); len(got) != stored {
			t.Errorf("oldest first: got %d events, want %d", len(got), stored)
		}
	})
}

// TestLastIDs: the highest id is an event like others.
func TestLastIDs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		evs := []*hostapi.Event{newEvent(1, testTime, "u", "a-f"), newEvent(math.MaxInt64, testTime, "u", "a-f")}
		put(t, s, evs...)
		for _, q := range []Query{{}, {Sets: []hostapi.SetID{1}}, {From: testTime}, {To: testTime.Add(time.Second)}} {
			q.Limit, q.Ascending = 1, true
			if diff := cmp.Diff([]hostapi.ID{1, math.MaxInt64}, idsOf(all(t, s, q))); diff != "" {
				t.Errorf("%+v (-want +got):\n%s", q, diff)
			}
			q.After = formatCursor(math.MaxInt64, true)
			if got := query(t, s, q); len(got.Events) != 0 || got.Next != "" {
				t.Errorf("%+v: got %v behind the last, want nothing", q, idsOf(got.Events))
			}
		}
	})
}

// TestSearchBreaksOff: with no time at all, a search that reads gives what one
// span of ids holds, and goes on from there.
func TestSearchBreaksOff(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := options(t, dsn)
		o.test.searchTime = time.Nanosecond
		s := open(t, o)
		// Three events inside the box, in an hour of events outside it.
		evs := events(360, testTime, 10*time.Second)
		var want []hostapi.ID
		for i, e := range evs {
			if i%120 == 60 {
				e.Lat, want = 10, append(want, e.ID)
			}
		}
		put(t, s, evs...)
		for _, ascending := range []bool{true, false} {
			q := Query{Box: &cot.Box{South: 9, West: 0, North: 11, East: 10}, Ascending: ascending}
			pages, empty := 0, 0
			var got []hostapi.ID
			for {
				p := query(t, s, q)
				pages++
				if len(p.Events) == 0 {
					empty++
				}
				got = append(got, idsOf(p.Events)...)
				if q.After = p.Next; q.After == "" {
					break
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("ascending %v (-want +got):\n%s", ascending, diff)
			}
			if pages < 10 || empty == 0 {
				t.Errorf("ascending %v: got %d pages, %d of them empty: the search was not broken off", ascending, pages, empty)
			}
			slices.Reverse(want)
		}
	})
}

// TestSpanAfterClockWasSetBack: ids go on rising while receipts fall back, so
// an id does not tell the time of its event.
func TestSpanAfterClockWasSetBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		ahead := testTime.Add(48*time.Hour + 17*time.Minute)
		evs := []*hostapi.Event{
			newEvent(hostapi.NewID(testTime, 1, 0), testTime, "before", "a-f"),
			newEvent(hostapi.NewID(ahead, 1, 0), ahead, "wrong", "a-f"),
			newEvent(hostapi.NewID(ahead, 1, 1), testTime.Add(time.Second), "after", "a-f"),
			newEvent(hostapi.NewID(ahead, 1, 2), testTime.Add(2*time.Hour), "later", "a-f"),
			newEvent(77, testTime.Add(3*time.Second), "low id", "a-f"),
		}
		put(t, s, evs...)
		uids := func(q Query) (got []string) {
			for _, e := range all(t, s, q) {
				got = append(got, e.UID)
			}
			return got
		}
		got := uids(Query{From: testTime, To: testTime.Add(time.Minute), Ascending: true})
		if diff := cmp.Diff([]string{"low id", "before", "after"}, got); diff != "" {
			t.Errorf("first minute (-want +got):\n%s", diff)
		}
		got = uids(Query{From: testTime.Add(time.Hour), To: testTime.Add(24 * time.Hour)})
		if diff := cmp.Diff([]string{"later"}, got); diff != "" {
			t.Errorf("first day (-want +got):\n%s", diff)
		}
	})
}

// TestManyTypes: more types than are looked for one by one.
func TestManyTypes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		var evs []*hostapi.Event
		for i := range 700 {
			evs = append(evs, newEvent(hostapi.NewID(testTime, 1, i), testTime, "u", fmt.Sprintf("x_%d-%d", i%2, i)))
		}
		put(t, s, evs...)
		for glob, want := range map[string]int{"x_0-*": 350, "x_*": 700, "x-*": 0, "*-1*": 110 + 1, "x_1-69*": 6} {
			if got := len(all(t, s, Query{Types: []string{glob}})); got != want {
				t.Errorf("%s: got %d events, want %d", glob, got, want)
			}
		}
	})
}

// TestPageOfLargeEvents: a page ends when it has enough bytes.
func TestPageOfLargeEvents(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		evs := events(5, testTime, time.Second)
		for i, e := range evs {
			e.XML = strings.Repeat(string(rune('a'+i)), []int{6 << 20, 6 << 20, 6 << 20, 10, 18 << 20}[i])
		}
		put(t, s, evs...)
		var got [][]hostapi.ID
		q := Query{Ascending: true}
		for {
			p := query(t, s, q)
			got = append(got, idsOf(p.Events))
			if q.After = p.Next; q.After == "" {
				break
			}
		}
		want := [][]hostapi.ID{{evs[0].ID, evs[1].ID}, {evs[2].ID, evs[3].ID}, {evs[4].ID}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages (-want +got):\n%s", diff)
		}
	})
}

func TestCancelledQuery(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Archive().Query(ctx, Query{}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled before: got error %v, want %v", err, context.Canceled)
		}
		// A statement that would run for minutes.
		ctx, cancel = context.WithCancel(t.Context())
		done := make(chan error, 1)
		began := make(chan struct{})
		go func() {
			d := s.Archive().db
			done <- d.with(ctx, d.read, func(c bun.Conn) error {
				close(began)
				var n int64
				return c.NewRaw("WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5000000000) SELECT COUNT(*) FROM r").Scan(ctx, &n)
			})
		}()
		<-began
		cancel()
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled meanwhile: got error %v, want %v", err, context.Canceled)
			}
		case <-time.After(testWait):
			t.Fatal("cancelled meanwhile: the statement goes on")
		}
		if p := query(t, s, Query{}); len(p.Events) != 0 {
			t.Errorf("afterwards: got %d events, want none", len(p.Events))
		}
	})
}
