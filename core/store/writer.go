package store

import (
	"context"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"github.com/takhost/takhost/hostapi"
)

const (
	retryFirst = 100 * time.Millisecond
	retryMost  = 5 * time.Second
)

// writer puts batches into the database. It belongs to one goroutine.
type writer struct {
	a     *Archive
	s     *session // nil until needed and after a fault
	hours []eventHour
	late  lateness

	unsure   bool // the last commit may or may not have taken place
	wasFault bool

	refused time.Time // when the log last showed a refused event
}

// run writes what is queued until the queue is closed and empty, and between
// batches lets retention work.
func (a *Archive) run() {
	w := &a.writer
	defer w.close()
	sweep := time.NewTimer(min(a.sweeper.every, time.Second))
	defer sweep.Stop()
	var evs []*hostapi.Event
	for {
		if a.finish.CompareAndSwap(true, false) {
			w.checkpoint()
		}
		wait, idle, done := a.q.ready()
		if idle && done {
			return
		}
		if !idle && wait <= 0 {
			evs = a.q.take(evs[:0])
			w.store(evs)
			a.q.release(evs)
			clear(evs)
			if a.sweeper.excess() > 0 {
				sweep.Reset(0)
			}
			select { // under constant load the select below is never reached
			case <-sweep.C:
				sweep.Reset(a.sweeper.step(w))
			case <-a.abort:
				a.q.giveUp()
				return
			default:
			}
			continue
		}
		var gathered <-chan time.Time
		if !idle {
			gathered = time.After(wait)
		}
		select {
		case <-a.q.wake:
		case <-gathered:
		case <-sweep.C:
			sweep.Reset(a.sweeper.step(w))
		case <-a.abort:
			a.q.giveUp()
			return
		}
	}
}

// store writes evs, however long the database takes to take them. An event that
// it refuses for good is found by halving the batch, and dropped.
func (w *writer) store(evs []*hostapi.Event) {
	for wait := retryFirst; len(evs) > 0; wait = min(2*wait, retryMost) {
		err := w.insert(evs)
		if err == nil {
			w.recovered()
			return
		}
		if f := faultOf(err); f != faultRow {
			w.unsure = errors.Is(err, errCommit)
			w.close()
			select {
			case <-w.a.abort: // the reason of the error, as connections are cut then
			default:
				w.trouble(f, err)
			}
			if !w.pause(wait) {
				w.a.q.drop(dropClosed, len(evs))
				return
			}
			continue
		}
		if len(evs) == 1 {
			w.refuse(evs[0], err)
			return
		}
		half := len(evs) / 2
		w.store(evs[:half])
		evs, wait = evs[half:], retryFirst/2
	}
}

// refuse drops an event. The log shows one for many: all are counted there by
// the keeper.
func (w *writer) refuse(e *hostapi.Event, err error) {
	w.a.q.drop(dropRefused, 1)
	if time.Since(w.refused) >= reportEvery {
		w.refused = time.Now()
		w.a.log.Warn("archive database refuses an event", "id", e.ID, "type", e.Type, "error", err)
	}
}

// insert writes evs and what they add to their hours in one transaction.
func (w *writer) insert(evs []*hostapi.Event) error {
	ctx := context.Background() // the driver of SQLite starts a goroutine per row for any other
	began := time.Now()
	s, err := w.session(ctx)
	if err != nil {
		return err
	}
	if err := w.late.learn(ctx, s); err != nil {
		return err
	}
	if w.unsure {
		if evs, err = w.missing(ctx, s, evs); err != nil {
			return err
		}
		w.unsure = false
		if len(evs) == 0 {
			w.a.tell()
			return nil
		}
	}
	w.hours = sumHours(w.hours[:0], evs)
	var late lateness
	err = s.tx(ctx, func(c bun.Conn) error {
		if err := s.ins.insert(ctx, c, evs); err != nil {
			return err
		}
		if late, err = w.late.note(ctx, c, evs); err != nil {
			return err
		}
		return s.putHours(ctx, w.hours)
	})
	if err != nil {
		return err
	}
	w.late = late
	w.a.addTotals(w.hours)
	w.a.keeper.written(bytesOf(w.hours))
	w.a.met.stored(len(evs), time.Since(began))
	w.a.tell()
	return nil
}

// missing gives those of evs that are not stored, after a commit whose outcome
// is unknown. What is there counts as stored.
func (w *writer) missing(ctx context.Context, s *session, evs []*hostapi.Event) ([]*hostapi.Event, error) {
	ids := make([]hostapi.ID, len(evs))
	for i, e := range evs {
		ids[i] = e.ID
	}
	var found []hostapi.ID
	if err := s.conn.NewRaw("SELECT id FROM events WHERE id IN (?)", bun.List(ids)).Scan(ctx, &found); err != nil {
		return nil, err
	}
	have := make(map[hostapi.ID]bool, len(found))
	for _, id := range found {
		have[id] = true
	}
	var rest, there []*hostapi.Event
	for _, e := range evs {
		if have[e.ID] {
			there = append(there, e)
		} else {
			rest = append(rest, e)
		}
	}
	w.a.addTotals(sumHours(nil, there))
	w.a.met.stored(len(there), 0)
	return rest, nil
}

// checkpoint copies the end of the log, so that the next batch begins it anew.
func (w *writer) checkpoint() {
	ctx := context.Background()
	s, err := w.session(ctx)
	if err == nil {
		_, err = checkpoint(ctx, s.conn, "PASSIVE")
	}
	if err != nil {
		w.close()
		w.a.log.Warn("archive log not copied into its file, tried again later", "error", err)
	}
}

func (w *writer) session(ctx context.Context) (*session, error) {
	if w.s == nil {
		s, err := w.a.db.session(ctx)
		if err != nil {
			return nil, err
		}
		w.s = s
	}
	return w.s, nil
}

func (w *writer) close() {
	w.late.known = false // nobody knows what became of the last batch
	if w.s != nil {
		w.s.close()
		w.s = nil
	}
}

// pause waits before the next try; false means that there shall be none.
func (w *writer) pause(d time.Duration) bool {
	select {
	case <-w.a.abort:
		return false
	case <-time.After(d):
		return true
	}
}

// trouble says once what is wrong with the database.
func (w *writer) trouble(f fault, err error) {
	before := w.a.setState(func(c *condition) { c.full, c.away = f == faultFull, f != faultFull })
	switch {
	case f == faultFull && !before.full:
		w.a.log.Error("disk full, archiving waits: free space, or lower archive.max", "database", w.a.db.name, "error", err)
	case f != faultFull && !before.away:
		w.a.log.Error("archive database does not answer, events wait in memory", "database", w.a.db.name, "error", err)
	}
	w.wasFault = true
}

func (w *writer) recovered() {
	if !w.wasFault {
		return
	}
	w.wasFault = false
	before := w.a.setState(func(c *condition) { c.full, c.away = false, false })
	w.a.log.Info("archive database takes events again", "database", w.a.db.name, "after", w.a.now().Sub(before.since), "waiting", w.a.q.stats().events)
}
