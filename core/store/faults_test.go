package store

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"

	"github.com/takhost/takhost/core/store/storetest"
	"github.com/takhost/takhost/hostapi"
)

// hold keeps everybody else from writing events until release is called.
func hold(t *testing.T, s *Store, o Options) (release func()) {
	t.Helper()
	ctx := testContext(t)
	statements := []string{"BEGIN", "LOCK TABLE events IN ACCESS EXCLUSIVE MODE"}
	var db *database
	if o.DSN == storetest.SQLite {
		var err error
		if db, err = openSQLite(ctx, o.Dir, archiveFile(nil)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.close() })
		statements = []string{"BEGIN IMMEDIATE"}
	} else {
		db = s.Archive().db
	}
	conn, err := db.write.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range statements {
		if _, err := conn.ExecContext(ctx, text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	return func() {
		if _, err := conn.ExecContext(context.Background(), "ROLLBACK"); err != nil {
			t.Errorf("release: %v", err)
		}
		_ = conn.Close()
	}
}

func TestQueueOverflow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		for _, c := range []struct {
			name  string
			limit func(*ArchiveOptions, *hostapi.Event)
		}{
			{"events", func(a *ArchiveOptions, _ *hostapi.Event) { a.QueueEvents = 10 }},
			{"bytes", func(a *ArchiveOptions, e *hostapi.Event) { a.QueueBytes = 10*sizeOf(e) + 1 }},
		} {
			t.Run(c.name, func(t *testing.T) {
				from := testTime
				if c.name == "bytes" {
					from = from.Add(time.Hour)
				}
				evs := events(25, from, time.Second)
				o := options(t, dsn)
				c.limit(&o.Archive, evs[0])
				log := logTo(t, &o)
				s := open(t, o)
				before := s.Archive().Stats().Events
				release := hold(t, s, o)
				s.Archive().Routed(evs[:7])
				s.Archive().Routed(evs[7:])
				st := s.Archive().Stats()
				if st.Queued != 10 || st.DroppedFull != 15 || st.Dropped != 15 {
					t.Errorf("held up: got %d queued, %d dropped, %d of them for a full queue, want 10, 15, 15", st.Queued, st.Dropped, st.DroppedFull)
				}
				log.wait(t, `msg="events not archived" reason="queue full" events=15`)
				release()
				put(t, s)
				if got := s.Archive().Stats().Events - before; got != 10 {
					t.Errorf("afterwards: got %d events stored, want 10", got)
				}
				put(t, s, event(77, from.Add(time.Minute)))
				if got := s.Archive().Stats().Events - before; got != 11 {
					t.Errorf("afterwards: got %d events stored, want 11", got)
				}
			})
		}
	})
}

func TestDatabaseAwayAndBack(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		o := options(t, storetest.SQLite)
		log := logTo(t, &o)
		s := open(t, o)
		release := hold(t, s, o)
		checkAwayAndBack(t, s, log, release)
	})
	t.Run("postgres", func(t *testing.T) {
		c := storetest.NewCluster(t, storetest.Config{})
		o := options(t, c.DSN("postgres"))
		log := logTo(t, &o)
		s := open(t, o)
		put(t, s, event(1, testTime)) // so that there are connections to lose
		query(t, s, Query{})
		if err := s.SetSetting(testContext(t), "k", "v"); err != nil {
			t.Fatal(err)
		}
		if err := c.Stop(); err != nil {
			t.Fatal(err)
		}
		_, err := s.Archive().Query(testContext(t), Query{})
		if got := CodeOf(err); got != Unavailable {
			t.Errorf("query meanwhile: got error %v with code %q, want code %q", err, got, Unavailable)
		}
		checkAwayAndBack(t, s, log, func() {
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			// What hangs on old connections must not be seen.
			query(t, s, Query{})
			if err := s.SetSetting(testContext(t), "k", "w"); err != nil {
				t.Errorf("SetSetting afterwards: %v", err)
			}
		})
	})
}

func checkAwayAndBack(t *testing.T, s *Store, log *lines, back func()) {
	t.Helper()
	before := s.Archive().Stats().Events
	evs := events(3000, testTime.Add(time.Hour), time.Second)
	s.Archive().Routed(evs[:1])
	log.wait(t, "archive database does not answer, events wait in memory")
	if got := s.Archive().Stats().State; got != stateAway {
		t.Errorf("meanwhile: got state %q, want %q", got, stateAway)
	}
	s.Archive().Routed(evs[1:])
	if got := s.Archive().Stats().Queued; got != len(evs) {
		t.Errorf("meanwhile: got %d queued, want %d", got, len(evs))
	}
	back()
	put(t, s)
	log.wait(t, "archive database takes events again")
	if n, _ := log.count("does not answer"); n != 1 {
		t.Errorf("said %d times that the database is away, want once", n)
	}
	st := s.Archive().Stats()
	if st.State != stateOK || st.Events-before != int64(len(evs)) || st.Dropped != 0 {
		t.Errorf("afterwards: got state %q, %d events, %d dropped, want %q, %d, 0", st.State, st.Events-before, st.Dropped, stateOK, len(evs))
	}
	checkTotals(t, s)
}

func TestRefusedEventsAreFound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		evs := events(300, testTime, time.Second)
		put(t, s, evs[0])
		again := event(0, testTime)
		long := event(1, testTime.Add(time.Hour))
		long.UID = strings.Repeat("u", maxUID+1)
		batch := append([]*hostapi.Event{}, evs[1:]...)
		batch = append(batch[:150], append([]*hostapi.Event{again, long}, batch[150:]...)...)
		refused := uint64(2)
		if !s.Archive().db.sqlite {
			// PostgreSQL checks texts; the scanner of events lets neither pass.
			zero, bytes := event(2, testTime.Add(time.Hour)), event(3, testTime.Add(time.Hour))
			zero.Callsign, bytes.XML = "a\x00b", "\xff"
			batch = append(batch, zero, bytes)
			refused += 2
		}
		put(t, s, batch...)
		st := s.Archive().Stats()
		if st.DroppedRefused != refused || st.Events != 300 || st.State != stateOK {
			t.Errorf("got %d refused, %d stored, state %q, want %d, 300, %q", st.DroppedRefused, st.Events, st.State, refused, stateOK)
		}
		checkTotals(t, s)
	})
}

// TestCommitOfUnknownOutcome: the connection broke while it was committed, and
// the events are there, some of them, or not.
func TestCommitOfUnknownOutcome(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := options(t, dsn)
		if err := o.setDefaults(); err != nil {
			t.Fatal(err)
		}
		state, db, err := openDatabases(testContext(t), &o)
		if err != nil {
			t.Fatal(err)
		}
		defer state.close()
		defer db.close()
		a, err := newArchive(testContext(t), db, o)
		if err != nil {
			t.Fatal(err)
		}
		defer a.keeper.close()
		w := &a.writer
		defer w.close()
		evs := events(10, testTime, time.Second)
		for _, n := range []int{4, 10, 10} {
			w.unsure = n != 4
			a.hours = totals{} // each time as if the answer to the commit had not come
			w.store(evs[:n])
			if got := a.hours.events; got != int64(n) {
				t.Errorf("got %d events reckoned, want %d", got, n)
			}
		}
		if got := a.q.stats().drops[dropRefused]; got != 0 {
			t.Errorf("got %d events refused, want none", got)
		}
		checkTotals(t, &Store{archive: a})
	})
}

func TestLowDisk(t *testing.T) {
	o := options(t, storetest.SQLite)
	clock := newFakeClock(testTime)
	clock.use(&o)
	log := logTo(t, &o)
	var percent atomic.Int64
	percent.Store(50)
	o.FreeDisk = func(dir string) (free, total uint64, err error) {
		if dir != o.Dir {
			return 0, 0, fmt.Errorf("asked for folder %s", dir)
		}
		p := percent.Load()
		if p < 0 {
			return 0, 0, fmt.Errorf("no such device")
		}
		return uint64(p) * 1e7, 1e9, nil
	}
	o.test.diskEvery, o.test.sweepEvery = time.Millisecond, time.Millisecond
	o.Archive.Keep = time.Hour
	s := open(t, o)
	a := s.Archive()
	put(t, s, event(1, testTime))
	states := func(want string) {
		t.Helper()
		eventually(t, "state "+want, func() bool { return a.Stats().State == want })
	}
	percent.Store(5)
	put(t, s, event(2, testTime))
	percent.Store(4)
	states(stateLow)
	a.Routed(events(3, testTime, time.Second))
	percent.Store(6) // not enough to go on
	a.Routed(events(3, testTime, time.Second))
	if st := a.Stats(); st.DroppedDisk != 6 || st.Events != 2 {
		t.Errorf("disk nearly full: got %d dropped, %d stored, want 6, 2", st.DroppedDisk, st.Events)
	}
	clock.ran.Add(int64(2 * time.Hour))
	eventually(t, "retention goes on", func() bool { return a.Stats().Events == 0 })
	percent.Store(7)
	states(stateOK)
	put(t, s, event(9, clock.now()))
	if got := a.Stats().Events; got != 1 {
		t.Errorf("with room again: got %d events, want 1", got)
	}
	percent.Store(-1)
	log.wait(t, "free disk space unknown")
	log.wait(t, `reason="disk nearly full"`)
	for _, line := range []string{"disk nearly full, archiving stopped", "archiving goes on\"", "free disk space unknown"} {
		if n, _ := log.count(line); n != 1 {
			t.Errorf("said %q %d times, want once", line, n)
		}
	}
	percent.Store(3)
	closeStore(t, s)
	open(t, o)
	if n, _ := log.count("archiving stopped"); n < 2 {
		t.Error("a start with a full disk does not say so")
	}
}

func TestDiskFull(t *testing.T) {
	o := options(t, storetest.SQLite)
	o.test.pragmas = []string{"max_page_count(300)"}
	log := logTo(t, &o)
	s := open(t, o)
	a := s.Archive()
	evs := events(2500, testTime, time.Second)
	for _, e := range evs {
		e.XML += strings.Repeat(" ", 1000)
	}
	put(t, s, evs[:100]...)
	a.Routed(evs[100:])
	log.wait(t, "disk full, archiving waits")
	if got := a.Stats().State; got != stateFull {
		t.Errorf("got state %q, want %q", got, stateFull)
	}
	// Somebody makes room.
	db, err := openSQLite(testContext(t), filepath.Clean(o.Dir), archiveFile([]string{"max_page_count(1000000)"}))
	if err != nil {
		t.Fatal(err)
	}
	defer db.close()
	grow := db.write
	err = db.with(testContext(t), grow, func(c bun.Conn) error {
		for _, text := range []string{
			"CREATE TABLE room (x BLOB)", "INSERT INTO room VALUES (zeroblob(8000000))", "DROP TABLE room", // leaves free pages
		} {
			if _, err := c.ExecContext(t.Context(), text); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s)
	log.wait(t, "archive database takes events again")
	st := a.Stats()
	if diff := cmp.Diff([]any{stateOK, int64(2500), uint64(0)}, []any{st.State, st.Events, st.Dropped}); diff != "" {
		t.Errorf("with room again: state, events, dropped (-want +got):\n%s", diff)
	}
	checkTotals(t, s)
}

func TestCloseGivesUpInTime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := options(t, dsn)
		s, err := Open(testContext(t), o)
		if err != nil {
			t.Fatal(err)
		}
		release := hold(t, s, o)
		s.Archive().Routed(events(5000, testTime, time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		err = s.Archive().Close(ctx)
		if err == nil || !strings.Contains(err.Error(), "5000 events could not be stored in time") {
			t.Errorf("got error %v, want one that counts 5000 events", err)
		}
		s.Archive().Routed(events(1, testTime, 0))
		if got := s.Archive().Stats(); got.Dropped != 5001 || got.Queued != 0 || got.State != stateClosed {
			t.Errorf("got %d dropped, %d queued, state %q, want 5001, 0, %q", got.Dropped, got.Queued, got.State, stateClosed)
		}
		if o.DSN == storetest.SQLite {
			release() // with PostgreSQL the connection was cut
		}
		if err := s.Close(testContext(t)); err != nil {
			t.Errorf("Close again: %v", err)
		}
	})
}

func TestCloseStoresTheRest(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := options(t, dsn)
		s := open(t, o)
		evs := events(4000, testTime, time.Second)
		s.Archive().Routed(evs)
		closeStore(t, s)
		if st := s.Archive().Stats(); st.Events != 4000 || st.Dropped != 0 {
			t.Errorf("got %d stored, %d dropped, want 4000, 0", st.Events, st.Dropped)
		}
		s = open(t, o)
		if got := s.Archive().Stats().Events; got != 4000 {
			t.Errorf("after opening again: got %d events, want 4000", got)
		}
	})
}
