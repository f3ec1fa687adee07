package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/takhost/takhost/hostapi"
)

// Cursor is a place in the order in which events were committed to the archive.
// The zero Cursor is before all that are stored.
type Cursor struct {
	ID   hostapi.ID // all events up to this id are read, but for late ones
	Late int64      // all late events up to this number are read
}

// afterSQL gives the places of the next events. One that came in time stands
// where its id is. A late one stands behind the id that was the highest when it
// was committed; whoever has read up to there has not read it by its id.
const afterSQL = `SELECT pos, seq, id, length FROM (
	SELECT * FROM (
		SELECT id AS pos, 0 AS seq, id, octet_length(xml) AS length FROM events
		WHERE id > ? AND NOT EXISTS (SELECT 1 FROM late_events WHERE late_events.id = events.id) ORDER BY id LIMIT ?) AS a
	UNION ALL
	SELECT * FROM (
		SELECT l.top AS pos, l.seq, l.id, octet_length(e.xml) AS length FROM late_events AS l JOIN events AS e ON e.id = l.id
		WHERE l.seq > ? ORDER BY l.seq LIMIT ?) AS b
) AS c ORDER BY pos, seq LIMIT ?`

// After gives up to limit events behind a cursor (0: hostapi.DefaultPage) in the
// order in which they were committed, and the cursor behind them. Going on with
// that cursor, also after a restart, gives every event that retention leaves in
// time, and none twice. A page of no events is the last one for now; one may be
// short for 16 MiB of xml.
func (a *Archive) After(ctx context.Context, c Cursor, limit int) ([]Stored, Cursor, error) {
	switch {
	case limit < 0 || limit > maxLimit:
		return nil, c, fmt.Errorf("read the archive: %w", invalidf("limit %d: must be 1 to %d", limit, maxLimit))
	case limit == 0:
		limit = defaultLimit
	}
	var events []Stored
	var next Cursor
	err := a.db.with(ctx, a.db.read, func(conn bun.Conn) (err error) {
		next = c
		events, err = a.after(ctx, conn, &next, limit)
		return err
	})
	if err != nil {
		return nil, c, fmt.Errorf("read the archive: %w", err)
	}
	return events, next, nil
}

func (a *Archive) after(ctx context.Context, conn bun.Conn, c *Cursor, limit int) ([]Stored, error) {
	for {
		ids := make([]hostapi.ID, 0, limit)
		bytes := int64(0)
		full := false
		rows, err := conn.Conn.QueryContext(ctx, a.db.dialect(afterSQL), int64(c.ID), limit, c.Late, limit, limit)
		err = each(rows, err, func(rows *sql.Rows) error {
			var pos, id hostapi.ID
			var seq, length int64
			if err := rows.Scan(&pos, &seq, &id, &length); err != nil {
				return err
			}
			if full = full || len(ids) > 0 && bytes+length > pageBytes; full {
				return nil
			}
			bytes += length
			ids = append(ids, id)
			// Up to a late event's place everything has been given.
			c.ID, c.Late = max(c.ID, pos), max(c.Late, seq)
			return nil
		})
		if err != nil || len(ids) == 0 {
			return nil, err
		}
		events, err := a.byID(ctx, conn, ids)
		if err != nil || len(events) > 0 {
			return events, err
		}
		// Retention was faster with all of them.
	}
}

// Events gives those of the events that are stored, in the order of ids.
func (a *Archive) Events(ctx context.Context, ids []hostapi.ID) ([]Stored, error) {
	if len(ids) > maxLimit {
		return nil, fmt.Errorf("read events: %w", invalidf("%d ids: at most %d at once", len(ids), maxLimit))
	}
	var events []Stored
	if len(ids) == 0 {
		return events, nil
	}
	err := a.db.with(ctx, a.db.read, func(conn bun.Conn) (err error) {
		events, err = a.byID(ctx, conn, ids)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return events, nil
}

// byID reads events in the order of ids; those that are gone are left out.
func (a *Archive) byID(ctx context.Context, conn bun.Conn, ids []hostapi.ID) ([]Stored, error) {
	at := make(map[hostapi.ID]int, len(ids))
	for i, id := range ids {
		at[id] = i
	}
	found := make([]Stored, len(ids))
	rows, err := conn.QueryContext(ctx, "SELECT "+eventColumns+" FROM events WHERE id IN (?)", bun.List(ids))
	err = each(rows, err, func(rows *sql.Rows) error {
		var e Stored
		if err := e.scan(rows); err != nil {
			return err
		}
		found[at[e.ID]] = e
		return nil
	})
	if err != nil {
		return nil, err
	}
	events := found[:0]
	for i := range found {
		if found[i].ID != 0 {
			events = append(events, found[i])
		}
	}
	return events, nil
}

// End gives the cursor behind all events committed so far.
func (a *Archive) End(ctx context.Context) (Cursor, error) {
	var c Cursor
	err := a.db.with(ctx, a.db.read, func(conn bun.Conn) error {
		return conn.Conn.QueryRowContext(ctx, "SELECT (SELECT COALESCE(MAX(id), 0) FROM events), (SELECT COALESCE(MAX(seq), 0) FROM late_events)").Scan(&c.ID, &c.Late)
	})
	if err != nil {
		return Cursor{}, fmt.Errorf("read the end of the archive: %w", err)
	}
	return c, nil
}

// Committed gives a channel that holds a value when events were committed since
// one was last taken from it, and a function that ends that.
func (a *Archive) Committed() (c <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.told == nil {
		a.told = map[chan struct{}]struct{}{}
	}
	a.told[ch] = struct{}{}
	return ch, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.told, ch)
	}
}

// tell wakes those that wait for events.
func (a *Archive) tell() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for ch := range a.told {
		poke(ch)
	}
}
