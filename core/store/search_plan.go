package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// clause is a part of a WHERE with its arguments.
type clause struct {
	sql  string
	args []any
}

func (c *clause) and(sql string, args ...any) {
	if c.sql != "" {
		c.sql += " AND "
	}
	c.sql += sql
	c.args = append(c.args, args...)
}

// plan splits the query into what an index finds (an event is of one of the
// sources; the empty one is all events) and the conditions that the events read
// must meet. byReading says that few of the events read may meet them.
func (s *search) plan(ctx context.Context, c bun.Conn, sqlite bool) (sources []clause, rest clause, byReading bool, err error) {
	q := s.q
	if !q.From.IsZero() {
		rest.and("recv >= ?", ceilMicros(q.From))
	}
	if !q.To.IsZero() {
		rest.and("recv < ?", ceilMicros(q.To))
	}
	byType := len(q.Types) > 0 && !s.types.All()
	switch {
	case q.UID != "":
		sources = []clause{{"uid = ?", []any{q.UID}}}
	case byType:
		names, few, err := s.typeNames(ctx, c)
		if err != nil {
			return nil, rest, false, err
		}
		if few {
			for _, name := range names {
				sources = append(sources, clause{"type = ?", []any{name}})
			}
			byType = false
			break
		}
		fallthrough
	default:
		sources = []clause{{"1 = 1", nil}}
	}
	if byType {
		byReading = true
		text, args := s.typeClause(sqlite)
		rest.and(text, args...)
	}
	if q.Sets != nil {
		byReading = true
		rest.and(`"groups" IN (?)`, bun.List(q.Sets))
	}
	if b := q.Box; b != nil {
		byReading = true
		rest.and("lat >= ? AND lat <= ?", b.South, b.North)
		if b.West <= b.East {
			rest.and("lon >= ? AND lon <= ?", b.West, b.East)
		} else {
			rest.and("(lon >= ? OR lon <= ?)", b.West, b.East)
		}
	}
	return sources, rest, byReading, nil
}

// ceilMicros: receipts have whole microseconds, so those from t on are those
// from the next whole one.
func ceilMicros(t time.Time) int64 {
	m := t.UnixMicro()
	if t.Nanosecond()%1000 > 0 {
		m++
	}
	return m
}
