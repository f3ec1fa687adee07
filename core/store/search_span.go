package store

import (
	"context"
	"database/sql"
	"math"
	"time"

	"github.com/uptrace/bun"

	"github.com/takhost/takhost/hostapi"
)

// idWidth is how many ids a span of time has.
func idWidth(d time.Duration) hostapi.ID {
	step := hostapi.NewID(time.UnixMilli(idEpochMillis+1), 0, 0)
	return min(hostapi.ID(d.Milliseconds()), math.MaxInt64/step) * step
}

// idEpochMillis is where the time of ids begins.
var idEpochMillis = hostapi.ID(0).Time().UnixMilli()

// idMillis is the time in an id, in ms since 1970.
func idMillis(id hostapi.ID) int64 { return id.Time().UnixMilli() }

// idAt is the lowest id of a time in ms since 1970; times that no id can tell
// give the nearest one that it can.
func idAt(millis int64) hostapi.ID {
	if millis >= idMillis(math.MaxInt64) {
		return math.MaxInt64
	}
	return hostapi.NewID(time.UnixMilli(millis), 0, 0)
}

// bounds gives the span of ids in which the events of the query's time and page
// lie. In most hours the id of an event tells its time; how much ids ran ahead
// of the clock, after it was set back, or behind it, is known for each hour.
func (s *search) bounds(ctx context.Context, c bun.Conn) (idSpan, error) {
	span := idSpan{0, math.MaxInt64}
	if !s.q.From.IsZero() {
		from := ceilMicros(s.q.From)
		at, later, err := hourAndRest(ctx, c, hourOf(from), "hour > ?", "MIN(min_id)")
		if err != nil {
			return span, err
		}
		span.lo = math.MaxInt64
		if at != nil {
			span.lo = max(hostapi.ID(at.MinID), idAt(floorMillis(from)-at.Behind))
		}
		if later.Valid {
			span.lo = min(span.lo, hostapi.ID(later.Int64))
		}
	}
	if !s.q.To.IsZero() {
		to := ceilMicros(s.q.To)
		at, earlier, err := hourAndRest(ctx, c, hourOf(to), "hour < ?", "MAX(max_id)")
		if err != nil {
			return span, err
		}
		span.hi = -1
		if at != nil {
			span.hi = min(hostapi.ID(at.MaxID), idAt(floorMillis(to)+at.Ahead+1))
		}
		if earlier.Valid {
			span.hi = max(span.hi, hostapi.ID(earlier.Int64))
		}
	}
	switch {
	case s.cursor == 0:
	case s.q.Ascending && s.cursor == math.MaxInt64:
		span.lo, span.hi = 1, 0 // nothing is behind it
	case s.q.Ascending:
		span.lo = max(span.lo, s.cursor+1)
	default:
		span.hi = min(span.hi, s.cursor-1)
	}
	return span, nil
}

// hourAndRest gives the row of one hour, nil when there is none, and an extreme
// of the hours on one side of it.
func hourAndRest(ctx context.Context, c bun.Conn, hour int64, where, extreme string) (*eventHour, sql.NullInt64, error) {
	var rest sql.NullInt64
	var at []eventHour
	if err := c.NewSelect().Model(&at).Where("hour = ?", hour).Scan(ctx); err != nil {
		return nil, rest, err
	}
	if err := c.NewSelect().Model((*eventHour)(nil)).ColumnExpr(extreme).Where(where, hour).Scan(ctx, &rest); err != nil {
		return nil, rest, err
	}
	if len(at) == 0 {
		return nil, rest, nil
	}
	return &at[0], rest, nil
}

func floorMillis(micros int64) int64 {
	ms := micros / 1000
	if micros%1000 < 0 {
		ms--
	}
	return ms
}
