package store

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/takhost/takhost/hostapi"
)

// RowBytes is what one event takes in the database beside its xml: columns,
// two or three index entries, share of unused space in pages. Measured with
// 730-byte position reports of 36-character uids: 383 with SQLite, 475 with
// PostgreSQL.
const RowBytes = 430

// hourMicros is an hour in microseconds, the unit of all stored times.
const hourMicros = int64(time.Hour / time.Microsecond)

// eventHour is what was received in one hour. The table tells sizes without
// counting, which retention needs, and for a span of time the span of ids:
// ids rise with time, but run ahead of it after the clock was set back. It
// changes in the same transaction as the events.
type eventHour struct {
	bun.BaseModel `bun:"table:event_hours,alias:event_hour"`

	Hour   int64 `bun:",pk"` // hours since 1970
	MinID  int64
	MaxID  int64
	Events int64
	Bytes  int64

	// The most that the time in an id is later, or earlier, than the receipt: ms.
	Ahead  int64
	Behind int64
}

func hourOf(micros int64) int64 {
	h := micros / hourMicros
	if micros%hourMicros < 0 {
		h--
	}
	return h
}

// totals are the sums over all hours, for Stats and the size limit.
type totals struct {
	events, bytes int64
	oldest        time.Time
}

func (a *Archive) loadTotals(ctx context.Context) error {
	var sum struct {
		Events, Bytes, Oldest int64
	}
	err := a.db.with(ctx, a.db.read, func(c bun.Conn) error {
		return c.NewSelect().Model((*eventHour)(nil)).
			ColumnExpr("COALESCE(SUM(events), 0) AS events, COALESCE(SUM(bytes), 0) AS bytes, COALESCE(MIN(hour), 0) AS oldest").
			Scan(ctx, &sum.Events, &sum.Bytes, &sum.Oldest)
	})
	if err != nil {
		return fmt.Errorf("read the size of the archive: %w", err)
	}
	t := totals{events: sum.Events, bytes: sum.Bytes}
	if sum.Events > 0 {
		t.oldest = time.UnixMicro(sum.Oldest * hourMicros).UTC()
	}
	a.mu.Lock()
	a.hours = t
	a.mu.Unlock()
	return nil
}

// addTotals follows a committed change.
func (a *Archive) addTotals(hours []eventHour) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range hours {
		h := &hours[i]
		a.hours.events += h.Events
		a.hours.bytes += h.Bytes
		if at := time.UnixMicro(h.Hour * hourMicros).UTC(); h.Events > 0 && (a.hours.oldest.IsZero() || at.Before(a.hours.oldest)) {
			a.hours.oldest = at
		}
	}
}

// sumHours adds up evs by the hour of their receipt: one, at times two.
func sumHours(to []eventHour, evs []*hostapi.Event) []eventHour {
	for _, e := range evs {
		hour, id := hourOf(e.Recv), int64(e.ID)
		var h *eventHour
		for i := range to {
			if to[i].Hour == hour {
				h = &to[i]
				break
			}
		}
		if h == nil {
			to = append(to, eventHour{Hour: hour, MinID: id, MaxID: id})
			h = &to[len(to)-1]
		}
		h.MinID, h.MaxID = min(h.MinID, id), max(h.MaxID, id)
		lead := idMillis(e.ID) - floorMillis(e.Recv)
		h.Ahead, h.Behind = max(h.Ahead, lead), max(h.Behind, -lead)
		h.Events++
		h.Bytes += int64(len(e.XML)) + RowBytes
	}
	return to
}

// putHoursSQL adds one hour to the table. SQLite and PostgreSQL have different
// names for the larger of two, hence the cases.
const putHoursSQL = `INSERT INTO event_hours (hour, min_id, max_id, events, bytes, ahead, behind) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (hour) DO UPDATE SET events = event_hours.events + excluded.events, bytes = event_hours.bytes + excluded.bytes,
min_id = CASE WHEN excluded.min_id < event_hours.min_id THEN excluded.min_id ELSE event_hours.min_id END,
max_id = CASE WHEN excluded.max_id > event_hours.max_id THEN excluded.max_id ELSE event_hours.max_id END,
ahead = CASE WHEN excluded.ahead > event_hours.ahead THEN excluded.ahead ELSE event_hours.ahead END,
behind = CASE WHEN excluded.behind > event_hours.behind THEN excluded.behind ELSE event_hours.behind END`

// putHours adds hours to the table, within the transaction of their events. For
// a few events per batch its statement costs more than they do, so SQLite has
// it prepared.
func (s *session) putHours(ctx context.Context, hours []eventHour) error {
	for i := range hours {
		h := &hours[i]
		args := [...]any{h.Hour, h.MinID, h.MaxID, h.Events, h.Bytes, h.Ahead, h.Behind}
		var err error
		if s.hours != nil {
			_, err = s.hours.ExecContext(ctx, args[:]...)
		} else {
			_, err = s.conn.ExecContext(ctx, putHoursSQL, args[:]...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func bytesOf(hours []eventHour) (n int64) {
	for i := range hours {
		n += hours[i].Bytes
	}
	return n
}
