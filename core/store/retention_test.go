package store

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"

	"github.com/takhost/takhost/core/store/storetest"
	"github.com/takhost/takhost/hostapi"
)

// fakeClock is a wall clock and a clock that nobody sets.
type fakeClock struct {
	start   time.Time
	ran     atomic.Int64 // ns since start
	skipped atomic.Int64 // ns by which the wall clock was set
}

func newFakeClock(start time.Time) *fakeClock { return &fakeClock{start: start} }

func (c *fakeClock) now() time.Time {
	return c.start.Add(time.Duration(c.ran.Load() + c.skipped.Load()))
}

func (c *fakeClock) elapsed() time.Duration { return time.Duration(c.ran.Load()) }

func (c *fakeClock) use(o *Options) { o.Now, o.test.elapsed = c.now, c.elapsed }

// checkTotals compares what is reckoned with what is there.
func checkTotals(t *testing.T, s *Store) {
	t.Helper()
	var rows, hours totals
	db := s.Archive().db
	err := db.with(testContext(t), db.read, func(c bun.Conn) error {
		err := c.NewRaw("SELECT COUNT(*), COALESCE(SUM(octet_length(xml) + ?), 0) FROM events", RowBytes).Scan(t.Context(), &rows.events, &rows.bytes)
		if err != nil {
			return err
		}
		return c.NewRaw("SELECT COALESCE(SUM(events), 0), COALESCE(SUM(bytes), 0) FROM event_hours").Scan(t.Context(), &hours.events, &hours.bytes)
	})
	if err != nil {
		t.Fatal(err)
	}
	if hours != rows {
		t.Errorf("hours: got %+v, want %+v as the events have", hours, rows)
	}
	st := s.Archive().Stats()
	if got := (totals{events: st.Events, bytes: st.Bytes}); got != rows {
		t.Errorf("Stats: got %+v, want %+v as the events have", got, rows)
	}
}

func TestRetentionByAge(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := options(t, dsn)
		clock := newFakeClock(testTime)
		clock.use(&o)
		o.Archive.Keep = time.Hour
		o.test.sweepEvery = time.Millisecond
		s := open(t, o)
		// More than one chunk, over three hours, up to now; and one from an hour
		// whose ids are those of another, as after a clock that was set back.
		evs := events(5400, testTime.Add(-3*time.Hour), 2*time.Second)
		strange := newEvent(evs[2000].ID+1, testTime.Add(-10*time.Minute), "strange", "a-f")
		put(t, s, append(evs, strange)...)
		want := 1800 + 1
		eventually(t, "the old events are removed", func() bool { return s.Archive().Stats().Events <= int64(want) })
		got := all(t, s, Query{Ascending: true, Limit: 1000})
		if len(got) != want || got[0].ID != strange.ID || got[1].ID != evs[3600].ID {
			t.Errorf("got %d events from %v, want %d from %v", len(got), idsOf(got[:2]), want, []hostapi.ID{strange.ID, evs[3600].ID})
		}
		if got, want := s.Archive().Stats().Oldest, testTime.Add(-time.Hour).Truncate(time.Hour); !got.Equal(want) {
			t.Errorf("oldest: got %v, want %v", got, want)
		}
		checkTotals(t, s)

		clock.ran.Add(int64(2 * time.Hour))
		eventually(t, "all events are removed", func() bool { return s.Archive().Stats().Events == 0 })
		checkTotals(t, s)
		if got := s.Archive().Stats().Oldest; !got.IsZero() {
			t.Errorf("oldest of none: got %v, want none", got)
		}
	})
}

func TestRetentionBySize(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := options(t, dsn)
		one := int64(len(event(0, testTime).XML)) + RowBytes
		o.Archive.Max = 1000 * one
		s := open(t, o)
		// The clock is set back a year in the middle: what came last stays all the same.
		evs := events(3000, testTime, time.Second)
		for _, e := range evs[1500:] {
			e.Recv -= 365 * 24 * hourMicros
		}
		for i := 0; i < len(evs); i += 500 {
			put(t, s, evs[i:i+500]...)
		}
		last := evs[len(evs)-1].ID
		eventually(t, "the archive fits its size", func() bool { return s.Archive().Stats().Bytes <= o.Archive.Max })
		got := all(t, s, Query{Limit: 1000})
		if len(got) == 0 || got[0].ID != last {
			t.Errorf("newest: got %v, want %v", idsOf(got[:min(1, len(got))]), last)
		}
		for i, e := range got {
			if want := evs[len(evs)-1-i].ID; e.ID != want {
				t.Fatalf("event %d: got %v, want %v: the oldest must go first", i, e.ID, want)
			}
		}
		checkTotals(t, s)
	})
}

// TestFileShrinks: removed events give their place back to the file system.
func TestFileShrinks(t *testing.T) {
	o := options(t, storetest.SQLite)
	s := open(t, o)
	evs := events(4000, testTime, time.Second)
	for _, e := range evs {
		e.XML += string(make([]byte, 8<<10))
	}
	put(t, s, evs...)
	closeStore(t, s)
	path := filepath.Join(o.Dir, "archive.db")
	before := fileSize(t, path)

	o.Archive.Max = 1 << 20
	o.test.sweepEvery = time.Millisecond
	s = open(t, o)
	db := s.Archive().db
	pages := func(pragma string) (n int64) {
		err := db.with(testContext(t), db.read, func(c bun.Conn) error { return c.NewRaw("PRAGMA "+pragma).Scan(t.Context(), &n) })
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	eventually(t, "free pages are given back", func() bool {
		return s.Archive().Stats().Bytes <= o.Archive.Max && pages("freelist_count") <= vacuumFrom && pages("page_count") < 2*vacuumFrom
	})
	closeStore(t, s)
	if after := fileSize(t, path); after > before/2 {
		t.Errorf("size of the file: got %d, want less than half of %d", after, before)
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	f, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return f.Size()
}

func TestClockJumpStopsSweep(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		for _, jump := range []time.Duration{365 * 24 * time.Hour, -2 * time.Hour} {
			t.Run(jump.String(), func(t *testing.T) {
				o := options(t, dsn)
				o.Archive.Types = []string{jump.String()[:1] + "*"} // tells the runs apart in one database
				clock := newFakeClock(testTime)
				clock.use(&o)
				log := logTo(t, &o)
				o.Archive.Keep = 24 * time.Hour
				o.test.sweepEvery = time.Millisecond
				s := open(t, o)
				e := newEvent(hostapi.NewID(testTime, 1, 1), testTime.Add(-time.Hour), "u", o.Archive.Types[0][:1])
				put(t, s, e)

				clock.skipped.Store(int64(jump))
				log.wait(t, "clock of this machine jumped")
				if got := s.Archive().Stats().Events; got != 1 {
					t.Errorf("after the jump: got %d events, want 1", got)
				}
				clock.skipped.Store(int64(59 * time.Minute))
				log.wait(t, "clock of this machine is back")
				if got := s.Archive().Stats().Events; got != 1 {
					t.Errorf("after the way back: got %d events, want 1", got)
				}
				clock.ran.Add(int64(24 * time.Hour)) // in which the event grows old
				eventually(t, "the event is removed", func() bool { return s.Archive().Stats().Events == 0 })
				if n, _ := log.count("clock of this machine jumped"); n != 1 {
					t.Errorf("said %d times that the clock jumped, want once", n)
				}
			})
		}
	})
}

func TestDoubtfulClockAtStart(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := options(t, dsn)
		s := open(t, o)
		put(t, s, event(1, testTime))
		closeStore(t, s)

		o.Archive.Keep = 24 * time.Hour
		o.test.sweepEvery = time.Millisecond
		clock := newFakeClock(testTime.Add(25 * time.Hour))
		clock.use(&o)
		log := logTo(t, &o)
		s = open(t, o)
		log.wait(t, "all stored events are older than archive.keep")
		put(t, s, event(2, clock.now()))
		clock.ran.Add(int64(sweepWait - time.Second))
		if got := s.Archive().Stats().Events; got != 2 {
			t.Errorf("before the wait is over: got %d events, want 2", got)
		}
		clock.ran.Add(int64(time.Second))
		eventually(t, "the old event is removed", func() bool { return s.Archive().Stats().Events == 1 })
		closeStore(t, s)

		clock = newFakeClock(testTime)
		clock.use(&o)
		log = logTo(t, &o)
		s = open(t, o)
		log.wait(t, "the newest stored event is from the future")
		if diff := cmp.Diff(1, len(all(t, s, Query{}))); diff != "" {
			t.Errorf("with a clock behind (-want +got):\n%s", diff)
		}
	})
}
