package store

import (
	"context"
	"math"
	"time"

	"github.com/uptrace/bun"
)

// A search by reading goes through the ids of firstSpan, and from there in
// steps that take about as long as spanShort to spanLong.
const (
	firstSpan = 10 * time.Second
	leastSpan = time.Second
	spanShort = 50 * time.Millisecond
	spanLong  = 250 * time.Millisecond
)

// walk goes through span bit by bit until the page is full, the span is at its
// end, or the time is over.
func (s *search) walk(ctx context.Context, c bun.Conn, sources []clause, rest clause, span idSpan, budget time.Duration) error {
	top, err := edges(ctx, c)
	if err != nil {
		return err
	}
	span.lo, span.hi = max(span.lo, top.lo), min(span.hi, top.hi)
	began := time.Now()
	for width := firstSpan; span.lo <= span.hi; {
		part := span
		ids := idWidth(width)
		if s.q.Ascending {
			part.hi = min(span.hi, span.lo+min(ids, math.MaxInt64-span.lo))
			s.next = part.hi
		} else {
			part.lo = max(span.lo, span.hi-ids)
			s.next = part.lo
		}
		at := time.Now()
		if err := s.fetch(ctx, c, sources, rest, part); err != nil {
			return err
		}
		if part == span { // its end
			s.next = 0
			return nil
		}
		if len(s.found) > s.limit || time.Since(began) >= budget {
			return nil
		}
		if s.q.Ascending {
			span.lo = part.hi + 1
		} else {
			span.hi = part.lo - 1
		}
		switch took := time.Since(at); {
		case took < spanShort && width < math.MaxInt64/8:
			width *= 4
		case took > spanLong:
			width = max(width/2, leastSpan)
		}
	}
	return nil
}

// edges gives the lowest and the highest stored id.
func edges(ctx context.Context, c bun.Conn) (e idSpan, err error) {
	// Two statements, as SQLite looks at every row for both at once.
	if err := c.NewRaw("SELECT COALESCE(MIN(id), 0) FROM events").Scan(ctx, &e.lo); err != nil {
		return e, err
	}
	err = c.NewRaw("SELECT COALESCE(MAX(id), 0) FROM events").Scan(ctx, &e.hi)
	return e, err
}
