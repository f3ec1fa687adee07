package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store/storetest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/index"
)

// pages follows Next to the end and gives the ids.
func pages(t *testing.T, w *Work, o *Owner, q DocQuery) []string {
	t.Helper()
	ids := []string{}
	for range 1000 {
		p, err := w.Query(testContext(t), o, q)
		if err != nil {
			t.Fatalf("Query(%+v): %v", q, err)
		}
		ids = append(ids, idsAndKeys(p)...)
		if p.Next == "" {
			return ids
		}
		q.After = p.Next
	}
	t.Fatal("the pages have no end")
	return nil
}

// TestQuerySeesStaged: documents are stored, then half of them changed by a Work,
// and the queries of the Work compared with what they should give.
func TestQuerySeesStaged(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		ctx := testContext(t)
		a := owner("a")
		type doc struct {
			id    string
			level float64
			has   bool // a key
			set   hostapi.SetID
		}
		model := map[string]doc{}
		put := func(w *Work, d doc) {
			t.Helper()
			var keys []Key
			if d.has {
				keys = []Key{keyOf(t, "level", index.Float(d.level))}
			}
			if err := w.Put(ctx, a, Document{Collection: "fences", ID: d.id, Set: d.set, Body: []byte(d.id)}, keys, false); err != nil {
				t.Fatal(err)
			}
			model[d.id] = d
		}
		w := s.Plugins().Begin()
		for i := range 60 {
			put(w, doc{fmt.Sprintf("d%02d", i), float64(i%7) - 3, i%5 != 0, hostapi.SetID(i % 3)})
		}
		commit(t, w)
		w = s.Plugins().Begin()
		for i := range 60 {
			id := fmt.Sprintf("d%02d", i)
			switch i % 6 {
			case 0:
				if _, err := w.Delete(ctx, a, "fences", id); err != nil {
					t.Fatal(err)
				}
				delete(model, id)
			case 1:
				put(w, doc{id, float64(i%4) - 2, true, hostapi.SetID(i % 2)})
			case 2:
				put(w, doc{id + "new", float64(i % 5), i%4 != 0, 0})
			}
		}
		visible := Visible(func(set hostapi.SetID) bool { return set == 1 })
		for _, c := range []DocQuery{
			{}, {Descending: true}, {From: []byte("d1"), To: []byte("d4")}, {Visible: visible},
			{Index: "level"}, {Index: "level", Descending: true}, {Index: "level", Visible: visible, Descending: true},
			{Index: "level", From: keyOf(t, "", index.Float(-1)).Key, To: keyOf(t, "", index.Float(2)).Key},
			{Index: "level", From: keyOf(t, "", index.Float(0)).Key}, {Index: "level", To: keyOf(t, "", index.Float(0)).Key, Descending: true},
			{Index: "level", From: keyOf(t, "", index.Float(100)).Key},
		} {
			for _, limit := range []int{1, 7, 1000} {
				q := c
				q.Collection, q.Limit = "fences", limit
				t.Run(fmt.Sprintf("%+v", q), func(t *testing.T) {
					type placed struct {
						docPlace
						level float64
					}
					var want []placed
					for _, d := range model {
						p := placed{docPlace{"", d.id}, d.level}
						bound := d.id
						if q.Index != "" {
							if !d.has {
								continue
							}
							p.key = string(keyOf(t, "", index.Float(d.level)).Key)
							bound = p.key
						}
						if bound < string(q.From) || len(q.To) > 0 && bound >= string(q.To) || q.Visible != nil && d.set != 0 && d.set != 1 {
							continue
						}
						want = append(want, p)
					}
					slices.SortFunc(want, func(a, b placed) int { return a.compare(b.docPlace) })
					if q.Descending {
						slices.Reverse(want)
					}
					ids := []string{}
					for _, p := range want {
						ids = append(ids, p.id)
					}
					if diff := cmp.Diff(ids, pages(t, w, a, q)); diff != "" {
						t.Errorf("ids (-want +got):\n%s", diff)
					}
					q.Count = true
					if p, err := w.Query(ctx, a, q); err != nil || p.Count != uint64(len(want)) || len(p.Documents) > 0 {
						t.Errorf("count: got %+v, error %v, want %d", p, err, len(want))
					}
				})
			}
		}
		for _, noBodies := range []bool{false, true} {
			p, err := w.Query(ctx, a, DocQuery{Collection: "fences", Index: "level", Limit: 1000, NoBodies: noBodies})
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range p.Documents {
				body := d.ID
				if noBodies {
					body = ""
				}
				if want := keyOf(t, "", index.Float(model[d.ID].level)).Key; string(d.Key) != string(want) || string(d.Body) != body || d.Collection != "fences" || d.Modified.IsZero() {
					t.Errorf("%s: got key %x, body %q, modified %v", d.ID, d.Key, d.Body, d.Modified)
				}
			}
		}
	})
}

// TestPageEnds: a page of large documents ends early, and so does one whose
// documents nobody may see.
func TestPageEnds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		ctx := testContext(t)
		a := owner("a")
		w := s.Plugins().Begin()
		for i := range 40 {
			mustPut(t, w, a, "plain", fmt.Sprintf("%02d", i), strings.Repeat("x", hostapi.MaxDocument))
		}
		check := func(w *Work, what string) {
			t.Helper()
			p, err := w.Query(ctx, a, DocQuery{Collection: "plain"})
			if err != nil || len(p.Documents) < 3 || len(p.Documents) > 4 || p.Next == "" {
				t.Errorf("%s: got %d documents, next %q, error %v, want those of a mebibyte and a next", what, len(p.Documents), p.Next, err)
			}
			if got := pages(t, w, a, DocQuery{Collection: "plain"}); len(got) != 40 {
				t.Errorf("%s: got %d documents in all, want 40", what, len(got))
			}
		}
		check(w, "staged")
		commit(t, w)
		w = s.Plugins().Begin()
		check(w, "stored")
		ids := pages(t, w, a, DocQuery{Collection: "plain", NoBodies: true})
		p, err := w.Query(ctx, a, DocQuery{Collection: "plain", NoBodies: true})
		if err != nil || len(p.Documents) != 40 {
			t.Errorf("without bodies: got %d, error %v, want all on one page", len(p.Documents), err)
		}
		_, err = w.Get(ctx, a, "plain", append(ids, ids...), nil)
		wantCode(t, "more than a Get gives", err, Limit)

		w = s.Plugins().Begin()
		for i := range docPageLook + 500 {
			if err := w.Put(ctx, a, Document{Collection: "fences", ID: fmt.Sprintf("%05d", i), Set: 1}, nil, false); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Put(ctx, a, Document{Collection: "fences", ID: "x", Set: 2}, nil, false); err != nil {
			t.Fatal(err)
		}
		commit(t, w)
		w = s.Plugins().Begin()
		if err := w.Put(ctx, a, Document{Collection: "fences", ID: "000005", Set: 2}, nil, false); err != nil {
			t.Fatal(err)
		}
		if err := w.Put(ctx, a, Document{Collection: "fences", ID: "y"}, nil, false); err != nil {
			t.Fatal(err)
		}
		q := DocQuery{Collection: "fences", Limit: 10, Visible: func(set hostapi.SetID) bool { return set == 2 }}
		p, err = w.Query(ctx, a, q)
		if got := idsAndKeys(p); err != nil || p.Next == "" || !cmp.Equal(got, []string{"000005"}) {
			t.Errorf("mostly invisible: got %v, next %q, error %v, want 000005 and a next", got, p.Next, err)
		}
		if diff := cmp.Diff([]string{"000005", "x", "y"}, pages(t, w, a, q)); diff != "" {
			t.Errorf("mostly invisible (-want +got):\n%s", diff)
		}
		_, err = w.Query(ctx, a, DocQuery{Collection: "fences", After: p.Next, Descending: true})
		wantCode(t, "next of another query", err, Invalid)
	})
}
