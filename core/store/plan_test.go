package store

import (
	"strings"
	"testing"

	"github.com/uptrace/bun"

	"github.com/takhost/takhost/core/store/storetest"

	"github.com/takhost/takhost/hostapi/cot"
)

// TestQueriesUseIndexes asks both databases how they would find the events.
func TestQueriesUseIndexes(t *testing.T) {
	cases := []struct {
		name             string
		q                Query
		sqlite, postgres string
	}{
		{"newest", Query{}, "SEARCH events USING INTEGER PRIMARY KEY", "events_pkey"},
		{"uid", Query{UID: "rare"}, "SEARCH events USING INDEX events_uid", "events_uid"},
		{"type", Query{Types: []string{"b-t-f"}}, "SEARCH events USING INDEX events_type", "events_type"},
		{"several types", Query{Types: []string{"b-*"}}, "INDEX events_type (type=?", "events_type"},
		{"span", Query{From: testTime, To: testTime.Add(1e9)}, "SEARCH events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)", "events_pkey"},
		{"box", Query{Box: &cot.Box{South: 0, West: 0, North: 1, East: 1}, From: testTime, To: testTime.Add(1e9)}, "SEARCH events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)", "events_pkey"},
	}
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		evs := events(3000, testTime, 5e6)
		for i, e := range evs {
			if i%500 == 0 {
				e.UID, e.Type = "rare", "b-t-f"
			}
			if i%501 == 0 {
				e.Type = "b-m-p"
			}
		}
		put(t, s, evs...)
		db := s.Archive().db
		explain := "EXPLAIN "
		if db.sqlite {
			explain = "EXPLAIN QUERY PLAN "
		} else if _, err := db.write.ExecContext(t.Context(), "VACUUM ANALYZE events"); err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				want := c.postgres
				if db.sqlite {
					want = c.sqlite
				}
				got := explainQuery(t, db, &c.q, explain)
				if !strings.Contains(got, want) {
					t.Errorf("got the plan\n%swant one with %q", got, want)
				}
				for _, bad := range []string{"SCAN events", "Seq Scan on events"} {
					if strings.Contains(got, bad) {
						t.Errorf("got the plan\n%swant one without %q", got, bad)
					}
				}
			})
		}
	})
}

// explainQuery gives the plan of the first statement of q.
func explainQuery(t *testing.T, db *database, q *Query, explain string) string {
	t.Helper()
	ctx := testContext(t)
	s, err := newSearch(q)
	if err != nil {
		t.Fatal(err)
	}
	var plan strings.Builder
	err = db.with(ctx, db.read, func(c bun.Conn) error {
		span, err := s.bounds(ctx, c)
		if err != nil {
			return err
		}
		sources, rest, _, err := s.plan(ctx, c, db.sqlite)
		if err != nil {
			return err
		}
		text, args := s.statement(sources, rest, span)
		rows, err := c.QueryContext(ctx, explain+text, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var line string
			var skip any
			dest := []any{&line}
			if db.sqlite {
				dest = []any{&skip, &skip, &skip, &line}
			}
			if err := rows.Scan(dest...); err != nil {
				return err
			}
			plan.WriteString(line + "\n")
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return plan.String()
}
