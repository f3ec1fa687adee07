package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

const (
	maxGlobs = 64

	// pageBytes bounds the xml of one page of more than one event.
	pageBytes = 16 << 20

	// More types than maxTypes that match the globs are not looked for one by
	// one in the index.
	maxTypes = 64
)

// search is a query at work. It finds ids first and reads the events of one
// page then, as a thousand events may have thousands of megabytes.
type search struct {
	q      *Query
	limit  int
	types  cot.TypeSet
	cursor hostapi.ID

	found []hit
	next  hostapi.ID // not 0: the search was broken off behind this id
}

type hit struct {
	id     hostapi.ID
	length int64 // of the xml
}

// page runs the search and reads what it found.
func (s *search) page(ctx context.Context, c bun.Conn, a *Archive) (Page, error) {
	s.found, s.next = nil, 0 // it may be the second try
	p := Page{Events: []Stored{}}
	if err := s.run(ctx, c, a); err != nil {
		return p, err
	}
	n, bytes := 0, int64(0)
	for n < min(len(s.found), s.limit) && (n == 0 || bytes+s.found[n].length <= pageBytes) {
		bytes += s.found[n].length
		n++
	}
	switch {
	case n < len(s.found):
		p.Next = formatCursor(s.found[n-1].id, s.q.Ascending)
	case s.next != 0:
		p.Next = formatCursor(s.next, s.q.Ascending)
	}
	if n == 0 {
		return p, nil
	}
	ids := make([]hostapi.ID, n)
	for i := range ids {
		ids[i] = s.found[i].id
	}
	rows, err := c.QueryContext(ctx, "SELECT "+eventColumns+" FROM events WHERE id IN (?) ORDER BY id "+s.order(), bun.List(ids))
	if err != nil {
		return p, err
	}
	defer rows.Close()
	for rows.Next() {
		var e Stored
		if err := e.scan(rows); err != nil {
			return p, fmt.Errorf("read stored event: %w", err)
		}
		p.Events = append(p.Events, e)
	}
	return p, rows.Err()
}

func (s *search) order() string {
	if s.q.Ascending {
		return "ASC"
	}
	return "DESC"
}

// idSpan is a span of ids, both ends included.
type idSpan struct{ lo, hi hostapi.ID }

func (s *search) run(ctx context.Context, c bun.Conn, a *Archive) error {
	if s.q.Sets != nil && len(s.q.Sets) == 0 {
		return nil // the events of no set
	}
	span, err := s.bounds(ctx, c)
	if err != nil || span.lo > span.hi {
		return err
	}
	sources, rest, byReading, err := s.plan(ctx, c, a.db.sqlite)
	if err != nil || len(sources) == 0 {
		return err
	}
	if !byReading {
		return s.fetch(ctx, c, sources, rest, span)
	}
	return s.walk(ctx, c, sources, rest, span, a.search)
}

// fetch appends the next hits of span, up to one more than the page holds, which
// proves that there are more.
func (s *search) fetch(ctx context.Context, c bun.Conn, sources []clause, rest clause, span idSpan) error {
	text, args := s.statement(sources, rest, span)
	rows, err := c.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var h hit
		if err := rows.Scan(&h.id, &h.length); err != nil {
			return fmt.Errorf("read id: %w", err)
		}
		s.found = append(s.found, h)
	}
	return rows.Err()
}

// statement is the SQL of fetch. With several sources, each gives its first n
// ids through the index; the first n of all are among them.
func (s *search) statement(sources []clause, rest clause, span idSpan) (string, []any) {
	rest.args = slices.Clone(rest.args)
	rest.and("id >= ? AND id <= ?", span.lo, span.hi)
	tail := fmt.Sprintf(" ORDER BY id %s LIMIT %d", s.order(), s.limit+1-len(s.found))
	var parts []string
	var args []any
	for _, src := range sources {
		parts = append(parts, "SELECT id, octet_length(xml) AS length FROM events WHERE "+src.sql+" AND "+rest.sql+tail)
		args = append(append(args, src.args...), rest.args...)
	}
	if len(parts) == 1 {
		return parts[0], args
	}
	for i, p := range parts {
		parts[i] = fmt.Sprintf("SELECT id, length FROM (%s) AS s%d", p, i)
	}
	return strings.Join(parts, " UNION ALL ") + tail, args
}
