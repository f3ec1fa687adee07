package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store/storetest"
	"github.com/takhost/takhost/hostapi/index"
	"github.com/takhost/takhost/hostapi/manifest"
)

// versions gives an owner with the indexes named: "name" is a string, unique when
// it ends in !, and so with others.
func versions(indexes ...string) *Owner {
	c := manifest.Collection{Name: "docs"}
	for _, name := range indexes {
		x := manifest.Index{Name: name, Fields: []string{"string"}}
		if n := len(name) - 1; name[n] == '!' {
			x.Name, x.Unique = name[:n], true
		}
		c.Indexes = append(c.Indexes, x)
	}
	return &Owner{Plugin: "a", Data: 1, Collections: []manifest.Collection{{Name: "other", Indexes: []manifest.Index{{Name: "x", Fields: []string{"int"}}}}, c}}
}

// fill does what the host does: ask for the keys of what has none.
func fill(t *testing.T, r *Reindex, between func(page int)) (docs int, err error) {
	t.Helper()
	for page := 0; ; page++ {
		p, err := r.Next(testContext(t), 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Documents) == 0 {
			return docs, nil
		}
		if between != nil {
			between(page)
		}
		keys := make([][]Key, len(p.Documents))
		for i, d := range p.Documents {
			docs++
			for _, x := range p.Indexes {
				keys[i] = append(keys[i], keyOf(t, x, index.String(x+" of "+string(d.Body))))
			}
		}
		if err := r.Set(testContext(t), p, keys); err != nil {
			return docs, err
		}
	}
}

func TestReindex(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		ctx := testContext(t)
		p := s.Plugins()
		old, next := versions("one"), versions("one", "two", "three!")
		start := func(o *Owner, want bool) *Reindex {
			t.Helper()
			r, err := p.Reindex(ctx, o)
			if err != nil || (r != nil) != want {
				t.Fatalf("Reindex: got %v, error %v, want one: %v", r, err, want)
			}
			if r != nil {
				t.Cleanup(r.Close)
			}
			return r
		}
		start(&Owner{Plugin: "a"}, false)
		start(old, false) // there are no documents
		write := func(o *Owner, id, body string) {
			t.Helper()
			w := p.Begin()
			var keys []Key
			for _, x := range o.Collections[1].Indexes {
				keys = append(keys, keyOf(t, x.Name, index.String(x.Name+" of "+body)))
			}
			mustPut(t, w, o, "docs", id, body, keys...)
			commit(t, w)
		}
		for i := range 35 {
			write(old, fmt.Sprintf("d%02d", i), fmt.Sprint(i))
		}
		start(old, false)

		r := start(next, true)
		if _, err := p.Reindex(ctx, next); CodeOf(err) != Conflict {
			t.Errorf("a second one: got error %v, want a conflict", err)
		}
		wantCode(t, "finish before it began", r.Finish(ctx), Conflict)
		// The old version goes on: one document of a page that is handed out, one that
		// is done, one that is to come, a new one, and one that goes.
		docs, err := fill(t, r, func(page int) {
			if page != 1 {
				return
			}
			for _, id := range []string{"d12", "d03", "d30", "e"} {
				write(old, id, "again "+id)
			}
			w := p.Begin()
			if _, err := w.Delete(ctx, old, "docs", "d11"); err != nil {
				t.Fatal(err)
			}
			commit(t, w)
		})
		if err != nil || docs < 35+3 {
			t.Errorf("got %d documents, error %v, want at least 38", docs, err)
		}
		write(old, "d05", "last")
		wantCode(t, "finish, one is left", r.Finish(ctx), Conflict)
		if docs, err := fill(t, r, nil); err != nil || docs != 1 {
			t.Errorf("what was left: got %d, error %v, want 1", docs, err)
		}
		wantCode(t, "finish", r.Finish(ctx), "")
		r.Close()
		start(next, false)

		check := func(o *Owner, x string) {
			t.Helper()
			all, err := p.Begin().Query(ctx, o, DocQuery{Collection: "docs", Limit: 1000})
			if err != nil {
				t.Fatal(err)
			}
			want := []string{}
			bodies := map[string]string{}
			for _, d := range all.Documents {
				want = append(want, d.ID)
				bodies[d.ID] = string(d.Body)
			}
			slices.SortFunc(want, func(a, b string) int { return strings.Compare(bodies[a], bodies[b]) })
			got, err := p.Begin().Query(ctx, o, DocQuery{Collection: "docs", Index: x, Limit: 1000})
			if diff := cmp.Diff(want, idsAndKeys(got)); diff != "" || err != nil {
				t.Errorf("by %s: error %v (-want +got):\n%s", x, err, diff)
			}
			for _, d := range got.Documents {
				if want := keyOf(t, x, index.String(x+" of "+string(d.Body))).Key; string(d.Key) != string(want) {
					t.Errorf("%s by %s: got key %q, want %q", d.ID, x, d.Key, want)
				}
			}
		}
		check(next, "one")
		check(next, "two")
		check(next, "three")
		checkUsage(t, s, "a")

		// The old version comes back: it does not keep the new indexes.
		write(old, "d07", "old again")
		r = start(next, true)
		if docs, err := fill(t, r, nil); err != nil || docs != 35 {
			t.Errorf("after the old version: got %d, error %v, want all 35", docs, err)
		}
		wantCode(t, "finish", r.Finish(ctx), "")
		r.Close()
		check(next, "three")

		// An index that becomes unique is filled anew, and finds what is not.
		write(next, "x1", "same")
		unique := versions("one!", "two", "three!")
		w := p.Begin()
		if err := w.Put(ctx, next, Document{Collection: "docs", ID: "x2", Body: []byte("same")}, nil, false); err != nil {
			t.Fatal(err)
		}
		commit(t, w)
		r = start(unique, true)
		_, err = fill(t, r, nil)
		wantCode(t, "two with one key", err, Conflict)
		r.Close()
		w = p.Begin()
		if _, err := w.Delete(ctx, next, "docs", "x2"); err != nil {
			t.Fatal(err)
		}
		commit(t, w)
		r = start(unique, true)
		if _, err = fill(t, r, nil); err != nil {
			t.Error(err)
		}
		wantCode(t, "finish", r.Finish(ctx), "")
		r.Close()
		check(unique, "one")
		start(unique, false)
		checkUsage(t, s, "a")
	})
}

// checkUsage compares the sums with what is there.
func checkUsage(t *testing.T, s *Store, plugin string) {
	t.Helper()
	var n, size int64
	from, to := collRange(plugin)
	row := s.state.read.DB.QueryRowContext(testContext(t), s.state.dialect("SELECT COUNT(*), COALESCE(SUM(size), 0) FROM documents WHERE coll >= ? AND coll < ?"), from, to)
	if err := row.Scan(&n, &size); err != nil {
		t.Fatal(err)
	}
	if u, err := s.Plugins().Usage(testContext(t), plugin); err != nil || u.Documents != n || u.Bytes != size {
		t.Errorf("usage of %s: got %+v, error %v, want %d documents of %d bytes", plugin, u, err, n, size)
	}
	if used, err := s.Plugins().usedBytes(testContext(t), plugin); err != nil || used != size {
		t.Errorf("known use of %s: got %d, error %v, want %d", plugin, used, err, size)
	}
}

func TestRemovePlugin(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		ctx := testContext(t)
		p := s.Plugins()
		// Names before, behind and below that of the plugin that goes.
		plugins := []string{"a", "a-b", "a.", "a0", "b"}
		counts := func() map[string]int {
			n := map[string]int{}
			for _, table := range []string{
				"documents", "doc_keys", "doc_unique", "doc_indexes", "counters", "plugin_usage", "topics", "topic_members",
				"topic_aliases", "timers", "archive_cursors", "plugin_state", "dead_letters", "plugin_settings",
			} {
				var rows int
				if err := s.state.read.NewRaw("SELECT COUNT(*) FROM "+table).Scan(ctx, &rows); err != nil {
					t.Fatal(err)
				}
				n[table] = rows
			}
			return n
		}
		fill := func(plugin string, docs int) {
			o := owner(plugin)
			if r, err := p.Reindex(ctx, o); err != nil || r != nil {
				t.Fatalf("Reindex: got %v, error %v", r, err)
			}
			w := p.Begin()
			for i := range docs {
				mustPut(t, w, o, "users", fmt.Sprint(i), "x", keyOf(t, "name", index.String(fmt.Sprint(i))), keyOf(t, "age", index.Int(5)))
			}
			for _, err := range []error{
				w.SetTopic(ctx, o, plugin+"/t", []TopicMember{{User: "u"}}), w.SetAlias(ctx, o, plugin+"/m", []string{"x"}),
				w.SetTimer(o, Timer{Name: "t", Due: testTime}), w.SetCursor(o, Cursor{ID: 1}), w.SetState(o, "k", []byte("v")),
				w.AddDeadLetter(o, DeadLetter{}), p.SetSettings(ctx, plugin, map[string]string{"k": "1"}),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			if _, err := w.Next(ctx, o, "c"); err != nil {
				t.Fatal(err)
			}
			commit(t, w)
		}
		for _, name := range plugins[1:] {
			fill(name, 3)
		}
		want := counts()
		fill("a", removeChunk+50)
		c, err := p.RemovePlugin(ctx, "a")
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Topics) != 1 || !c.Topics[0].Dropped || c.Topics[0].Name != "a/t" || len(c.Aliases) != 1 || c.Aliases[0].Name != "a/m" ||
			len(c.Timers) != 1 || !c.Timers[0].Cancelled || c.Timers[0].Revision == 0 || c.Documents != removeChunk+50 {
			t.Errorf("committed: got %+v", c)
		}
		if diff := cmp.Diff(want, counts()); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
		if c, err := p.RemovePlugin(ctx, "a"); err != nil || !cmp.Equal(c, Committed{}) {
			t.Errorf("again: got %+v, error %v", c, err)
		}
		for _, name := range plugins {
			checkUsage(t, s, name)
		}
		fill("a", 2)
		_, err = p.RemovePlugin(ctx, "a/b")
		wantCode(t, "no name", err, Invalid)
	})
}
