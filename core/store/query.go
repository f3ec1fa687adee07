package store

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// Query asks for stored events. Zero fields do not restrict.
type Query struct {
	UID   string
	Types []string  // globs of CoT types; an event matches one of them
	From  time.Time // received at or after
	To    time.Time // received before
	Box   *cot.Box  // events without a point are in no box
	Sets  []hostapi.SetID

	Limit     int    // events of a page: 1 to 1,000; 0: 100
	After     string // Next of the page before
	Ascending bool   // oldest first; otherwise newest first
}

// Page is one page of events in the order of their ids.
type Page struct {
	Events []Stored `json:"events"`

	// Next gives the following page. It is empty when nothing follows. It may
	// be set on a short or even empty page: a page ends at 16 MiB of xml, and a
	// search through very many events of which few match after two seconds.
	Next string `json:"next,omitempty"`
}

const (
	defaultLimit = 100
	maxLimit     = 1000
)

// Query gives one page of events. Going on with Next neither repeats nor loses
// an event that was stored when the first page was asked for. Events are found
// once they are committed, at most 50 ms after they were routed.
//
// Events by uid, by type and by time are found through an index or the order of
// ids. Boxes and group sets are looked for by reading events in that order, a
// span of ids at a time, so that a page ends in time however few match.
func (a *Archive) Query(ctx context.Context, q Query) (Page, error) {
	s, err := newSearch(&q)
	if err != nil {
		return Page{}, fmt.Errorf("query the archive: %w", err)
	}
	var p Page
	err = a.db.with(ctx, a.db.read, func(c bun.Conn) error {
		p, err = s.page(ctx, c, a)
		return err
	})
	if err != nil {
		return Page{}, fmt.Errorf("query the archive: %w", err)
	}
	return p, nil
}

// topID gives the highest id of the stored events.
func (a *Archive) topID(ctx context.Context) (id hostapi.ID, err error) {
	err = a.db.with(ctx, a.db.read, func(c bun.Conn) error {
		return c.NewRaw("SELECT COALESCE(MAX(id), 0) FROM events").Scan(ctx, &id)
	})
	return id, err
}

// newSearch checks the query.
func newSearch(q *Query) (*search, error) {
	s := &search{q: q, limit: q.Limit}
	switch {
	case q.Limit < 0 || q.Limit > maxLimit:
		return nil, invalidf("limit %d: must be 1 to %d", q.Limit, maxLimit)
	case q.Limit == 0:
		s.limit = defaultLimit
	}
	if len(q.UID) > maxUID {
		return nil, invalidf("uid: longer than %d bytes", maxUID)
	}
	if !validText(q.UID) {
		return nil, invalidf("uid: is not valid text")
	}
	if len(q.Types) > maxGlobs {
		return nil, invalidf("types: %d given, at most %d are possible", len(q.Types), maxGlobs)
	}
	var err error
	if s.types, err = cot.ParseTypeSet(q.Types); err != nil {
		return nil, invalidf("types: %v", err)
	}
	if !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
		return nil, invalidf("time span: its begin %s is not before its end %s", q.From.Format(time.RFC3339), q.To.Format(time.RFC3339))
	}
	if b := q.Box; b != nil && !b.Valid() {
		return nil, invalidf("box: needs south <= north within -90 to 90, west and east within -180 to 180")
	}
	if s.cursor, err = parseCursor(q.After, q.Ascending); err != nil {
		return nil, err
	}
	return s, nil
}
