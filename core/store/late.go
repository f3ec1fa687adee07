package store

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/takhost/takhost/hostapi"
)

// Ids are given out before events reach the queue, so that an event may be
// committed after one with a higher id. The writer notes such late events in
// late_events, in the transaction of the event, for Archive.After.
//
// top is the highest id committed so far and seq the last number of a late event.
// Numbers are taken from the ids of their time: those of rows that retention has
// removed, or a power cut, are not used again, as ids are not.
type lateness struct {
	known bool // top and seq are what the database has
	top   hostapi.ID
	seq   int64
}

// learn reads what the database has, at the start and after a fault.
func (l *lateness) learn(ctx context.Context, s *session) error {
	if l.known {
		return nil
	}
	var top, lateTop, seq int64
	err := s.conn.NewRaw("SELECT (SELECT COALESCE(MAX(id), 0) FROM events), (SELECT COALESCE(MAX(top), 0) FROM late_events), (SELECT COALESCE(MAX(seq), 0) FROM late_events)").
		Scan(ctx, &top, &lateTop, &seq)
	if err != nil {
		return err
	}
	// Retention may have removed the event that was the highest.
	l.top, l.seq, l.known = max(l.top, hostapi.ID(top), hostapi.ID(lateTop)), max(l.seq, seq), true
	return nil
}

// note writes those of evs that are late, and gives the state after the commit.
func (l *lateness) note(ctx context.Context, c bun.Conn, evs []*hostapi.Event) (lateness, error) {
	next := lateness{known: true, top: l.top, seq: l.seq}
	n := 0
	for _, e := range evs {
		next.top = max(next.top, e.ID)
		if e.ID < l.top {
			n++
		}
	}
	if n == 0 {
		return next, nil
	}
	next.seq = max(next.seq, int64(next.top))
	rows := make([]lateEvent, 0, n)
	for _, e := range evs {
		if e.ID < l.top {
			next.seq++
			rows = append(rows, lateEvent{Seq: next.seq, ID: e.ID, Top: l.top})
		}
	}
	if _, err := c.NewInsert().Model(&rows).Exec(ctx); err != nil {
		return next, fmt.Errorf("note late events: %w", err)
	}
	return next, nil
}

type lateEvent struct {
	bun.BaseModel `bun:"table:late_events"`

	Seq int64
	ID  hostapi.ID
	Top hostapi.ID
}
