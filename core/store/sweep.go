package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/uptrace/bun"

	"github.com/takhost/takhost/hostapi"
)

const (
	sweepRows  = 2000                  // looked at, and at most removed, in one transaction
	sweepPause = 20 * time.Millisecond // between two of them

	vacuumPages = 512  // given back to the file system in one transaction
	vacuumFrom  = 2048 // free pages that stay for new events
)

// sweeper removes what retention no longer keeps. It works in the writer's
// goroutine, a small step at a time.
//
// By age, events go by the core's clock at their receipt. That clock is not
// believed after it jumped, until it agrees with the clock that nobody sets
// again, or until the next start: a forward jump would remove everything. The
// size limit goes by the order of ids, which no clock turns round, so it is
// enforced in any case.
type sweeper struct {
	a     *Archive
	clock *clock
	every time.Duration

	rest    time.Duration // of clock.elapsed; before, nothing goes by age
	removed bool          // since the last look at free pages
}

// newSweeper compares the clock with the newest stored event. A clock more than
// an hour behind it removes nothing too early, so it only deserves a warning.
// When all stored events are older than keep, either the server was off that
// long or the clock is wrong; nobody can tell, and the sweep would remove all
// of them, so it rests for ten minutes in which a time service can step the
// clock (which then counts as a jump) or somebody reads the warning.
func newSweeper(ctx context.Context, a *Archive, opt Options) (*sweeper, error) {
	s := &sweeper{a: a, clock: newClock(opt.Now, opt.test.elapsed), every: opt.test.sweepEvery}
	var newest int64
	err := a.db.with(ctx, a.db.read, func(c bun.Conn) error {
		return c.NewRaw("SELECT recv FROM events ORDER BY id DESC LIMIT 1").Scan(ctx, &newest)
	})
	if CodeOf(err) == NotFound {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the newest event: %w", err)
	}
	now, last := opt.Now(), time.UnixMicro(newest).UTC()
	switch {
	case last.Sub(now) > clockJump:
		a.log.Warn("the newest stored event is from the future: is the clock of this machine right?", "event", last, "clock", now.UTC())
	case a.opt.Keep > 0 && now.Sub(last) > a.opt.Keep:
		s.rest = opt.test.elapsed() + opt.test.sweepWait
		a.log.Warn("all stored events are older than archive.keep and will be removed: is the clock of this machine right?",
			"newest", last, "clock", now.UTC(), "keep", a.opt.Keep, "removal begins in", opt.test.sweepWait)
	}
	return s, nil
}

// excess is by how many bytes the archive is larger than it may be.
func (s *sweeper) excess() int64 {
	if s.a.opt.Max == 0 {
		return 0
	}
	s.a.mu.Lock()
	defer s.a.mu.Unlock()
	return max(0, s.a.hours.bytes-s.a.opt.Max)
}

// step does a little of what is to do and tells when to come again.
func (s *sweeper) step(w *writer) time.Duration {
	more, err := s.work(context.Background(), w)
	if err != nil {
		w.close()
		s.a.log.Warn("archive retention failed, tried again later", "error", err)
		return s.every
	}
	if more {
		return sweepPause
	}
	return s.every
}

func (s *sweeper) work(ctx context.Context, w *writer) (more bool, err error) {
	ses, err := w.session(ctx)
	if err != nil {
		return false, err
	}
	if n := s.excess(); n > 0 {
		more, err = s.chunk(ctx, ses, victims{order: "min_id, hour", hour: math.MaxInt64, before: math.MaxInt64, bytes: n})
	} else if s.a.opt.Keep > 0 && s.ageCounts() {
		cutoff := s.clock.now().Add(-s.a.opt.Keep).UnixMicro()
		more, err = s.chunk(ctx, ses, victims{order: "hour", hour: hourOf(cutoff), before: cutoff, bytes: math.MaxInt64})
	}
	if more || err != nil {
		return more, err
	}
	if s.a.db.sqlite {
		return s.vacuum(ctx, ses)
	}
	return false, s.a.loadTotals(ctx) // other nodes write too
}

// ageCounts says whether the age of events can be believed now.
func (s *sweeper) ageCounts() bool {
	right, changed := s.clock.check()
	if changed && !right {
		s.a.log.Warn("the clock of this machine jumped, events are no longer removed by age: restart takhost when the clock is right",
			"jump", s.clock.skew().Round(time.Second))
	}
	if changed && right {
		s.a.log.Info("the clock of this machine is back, events are removed by age again")
	}
	return right && s.clock.elapsed() >= s.rest
}

// victims says which events are to go: of the first hour, in order, up to hour,
// those received before a time (µs), until so many bytes are free.
type victims struct {
	order  string
	hour   int64
	before int64
	bytes  int64
}

// chunk removes some of the victims. more says that it got on, so that there
// may be more to do.
func (s *sweeper) chunk(ctx context.Context, ses *session, v victims) (more bool, err error) {
	var change eventHour
	var last bool
	err = ses.tx(ctx, func(tx bun.Conn) error {
		var h eventHour
		err := tx.NewSelect().Model(&h).Where("hour <= ?", v.hour).OrderExpr(v.order).Limit(1).Scan(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		from, to := h.Hour*hourMicros, (h.Hour+1)*hourMicros
		first, end, whole, err := v.reach(ctx, tx, &h)
		if err != nil {
			return err
		}
		var lengths []int64
		if end >= first {
			err = tx.NewRaw("DELETE FROM events WHERE id >= ? AND id <= ? AND recv >= ? AND recv < ? RETURNING octet_length(xml)",
				first, end, from, to).Scan(ctx, &lengths)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			_, err = tx.ExecContext(ctx, "DELETE FROM late_events WHERE id >= ? AND id <= ? AND NOT EXISTS (SELECT 1 FROM events WHERE events.id = late_events.id)", first, end)
			if err != nil {
				return err
			}
		}
		change = eventHour{Hour: h.Hour, Events: -int64(len(lengths))}
		for _, n := range lengths {
			change.Bytes -= n + RowBytes
		}
		more = end >= first || whole
		last = whole && (h.Events+change.Events <= 0 || len(lengths) == 0)
		if last {
			// Should the table count events that are not there, it goes by the events.
			change.Events, change.Bytes = -h.Events, -h.Bytes
			_, err = tx.NewDelete().Model(&h).WherePK().Exec(ctx)
			return err
		}
		_, err = tx.NewUpdate().Model(&h).WherePK().
			Set("events = events + ?", change.Events).Set("bytes = bytes + ?", change.Bytes).Set("min_id = ?", int64(end)+1).Exec(ctx)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("remove old events: %w", err)
	}
	s.removed = s.removed || change.Events < 0
	s.a.met.swept(-change.Events)
	if last { // another hour is the oldest now
		return more, s.a.loadTotals(ctx)
	}
	s.a.addTotals([]eventHour{change})
	return more, nil
}

// reach looks at the next events of the hour in the order of ids, some of which
// may belong to other hours, and gives the span of ids in which all events of
// this hour are victims; whole says that none of it is left then.
func (v *victims) reach(ctx context.Context, tx bun.Conn, h *eventHour) (first, last hostapi.ID, whole bool, err error) {
	var rows []struct {
		ID     hostapi.ID
		Recv   int64
		Length int64
	}
	err = tx.NewRaw("SELECT id, recv, octet_length(xml) AS length FROM events WHERE id >= ? AND id <= ? ORDER BY id LIMIT ?",
		h.MinID, h.MaxID, sweepRows).Scan(ctx, &rows)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, 0, false, err
	}
	first, last = hostapi.ID(h.MinID), hostapi.ID(h.MinID)-1
	var freed int64
	for i := range rows {
		r := &rows[i]
		if hourOf(r.Recv) == h.Hour {
			if r.Recv >= v.before || freed >= v.bytes {
				return first, last, false, nil
			}
			freed += r.Length + RowBytes
		}
		last = r.ID
	}
	return first, last, len(rows) < sweepRows, nil
}

// vacuum gives free pages back to the file system, all of them while the disk
// is nearly full, otherwise what is more than new events will soon need.
func (s *sweeper) vacuum(ctx context.Context, ses *session) (more bool, err error) {
	s.a.mu.Lock()
	low := s.a.cond.low || s.a.cond.full
	s.a.mu.Unlock()
	if !s.removed && !low {
		return false, nil
	}
	var free, all int
	if err := ses.conn.NewRaw("PRAGMA freelist_count").Scan(ctx, &free); err != nil {
		return false, fmt.Errorf("read free pages: %w", err)
	}
	if err := ses.conn.NewRaw("PRAGMA page_count").Scan(ctx, &all); err != nil {
		return false, fmt.Errorf("read pages: %w", err)
	}
	leave := max(vacuumFrom, all/20)
	if low {
		leave = 0
	}
	if free <= leave {
		s.removed = false
		return false, nil
	}
	if _, err := ses.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", min(vacuumPages, free-leave))); err != nil {
		return false, fmt.Errorf("give free pages back: %w", err)
	}
	s.a.keeper.written(vacuumPages * 4096)
	return true, nil
}
