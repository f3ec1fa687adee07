package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store/storetest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/index"
)

func TestDocuments(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := options(t, dsn)
		o.Now = func() time.Time { return testTime }
		s := open(t, o)
		ctx := testContext(t)
		a, b := owner("a"), owner("b")
		w := s.Plugins().Begin()
		if err := w.Put(ctx, a, Document{Collection: "plain", ID: "one", Body: []byte{0, 0xff, '\''}, Set: 7}, nil, true); err != nil {
			t.Fatal(err)
		}
		mustPut(t, w, a, "plain", "two", "")
		staged, err := w.Get(ctx, a, "plain", []string{"two", "none", "one"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := []Document{
			{Collection: "plain", ID: "two", Body: []byte{}, Data: 1, Modified: testTime},
			{Collection: "plain", ID: "one", Body: []byte{0, 0xff, '\''}, Data: 1, Set: 7, Modified: testTime},
		}
		if diff := cmp.Diff(want, staged); diff != "" {
			t.Errorf("staged (-want +got):\n%s", diff)
		}
		if !w.Staged() {
			t.Error("Staged: got false, want true")
		}
		if got := commit(t, w).Documents; got != 2 {
			t.Errorf("got %d documents committed, want 2", got)
		}
		closeStore(t, s)
		s = open(t, o)
		got, err := s.Plugins().Begin().Get(ctx, a, "plain", []string{"two", "none", "one", "two"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		want = []Document{want[0], want[1], want[0]}
		for i := range want {
			want[i].Revision = got[0].Revision
		}
		if diff := cmp.Diff(want, got); diff != "" || got[0].Revision == 0 {
			t.Errorf("after opening again (-want +got):\n%s", diff)
		}
		for _, o := range []*Owner{b, {Plugin: "a", Collections: a.Collections[1:]}} {
			if got, err := s.Plugins().Begin().Get(ctx, o, "plain", []string{"one"}, nil); len(got) > 0 || err == nil && o != b {
				t.Errorf("plugin %s with %d collections: got %v, error %v, want nothing", o.Plugin, len(o.Collections), got, err)
			}
		}

		w = s.Plugins().Begin()
		for _, c := range []struct {
			id   string
			want bool
		}{{"one", true}, {"one", false}, {"none", false}} {
			if existed, err := w.Delete(ctx, a, "plain", c.id); err != nil || existed != c.want {
				t.Errorf("Delete(%s): got %v, error %v, want %v", c.id, existed, err, c.want)
			}
		}
		if got, err := w.Get(ctx, a, "plain", []string{"one"}, nil); err != nil || len(got) > 0 {
			t.Errorf("staged to go: got %v, error %v", got, err)
		}
		wantCode(t, "must be new, was deleted", w.Put(ctx, a, Document{Collection: "plain", ID: "one"}, nil, true), "")
		wantCode(t, "must be new, is stored", w.Put(ctx, a, Document{Collection: "plain", ID: "two"}, nil, true), Conflict)
		if _, err := w.Delete(ctx, a, "plain", "one"); err != nil {
			t.Fatal(err)
		}
		commit(t, w)
		if got, err := s.Plugins().Begin().Get(ctx, a, "plain", []string{"one", "two"}, nil); err != nil || len(got) != 1 {
			t.Errorf("after deleting: got %v, error %v, want two alone", got, err)
		}
	})
}

func TestDocumentsRefused(t *testing.T) {
	s := open(t, options(t, storetest.SQLite))
	ctx := testContext(t)
	a := owner("a")
	name := keyOf(t, "name", index.String("anna"))
	long := Key{Index: "name", Key: append(append([]byte{0x50}, bytes.Repeat([]byte("x"), index.MaxBytes)...), 0)}
	for _, c := range []struct {
		name string
		o    *Owner
		d    Document
		keys []Key
		want Code
	}{
		{"largest", a, Document{Collection: "plain", ID: strings.Repeat("i", 512), Body: make([]byte, hostapi.MaxDocument)}, nil, ""},
		{"body", a, Document{Collection: "plain", ID: "i", Body: make([]byte, hostapi.MaxDocument+1)}, nil, Limit},
		{"id", a, Document{Collection: "plain", ID: strings.Repeat("i", 513)}, nil, Limit},
		{"no id", a, Document{Collection: "plain"}, nil, Invalid},
		{"id with a zero byte", a, Document{Collection: "plain", ID: "a\x00"}, nil, Invalid},
		{"id that is no text", a, Document{Collection: "plain", ID: "\xff"}, nil, Invalid},
		{"collection", a, Document{Collection: "other", ID: "i"}, nil, Invalid},
		{"negative set", a, Document{Collection: "plain", ID: "i", Set: -1}, nil, Invalid},
		{"owner", &Owner{Plugin: "a/b"}, Document{Collection: "plain", ID: "i"}, nil, Invalid},
		{"index of another collection", a, Document{Collection: "plain", ID: "i"}, []Key{name}, Invalid},
		{"key of another kind", a, Document{Collection: "users", ID: "i"}, []Key{keyOf(t, "name", index.Int(1))}, Invalid},
		{"key of fewer values", a, Document{Collection: "fences", ID: "i"}, []Key{keyOf(t, "state", index.String("x"))}, Invalid},
		{"broken key", a, Document{Collection: "users", ID: "i"}, []Key{{Index: "name", Key: []byte{0x50, 'a'}}}, Invalid},
		{"long key", a, Document{Collection: "users", ID: "i"}, []Key{long}, Limit},
		{"two keys", a, Document{Collection: "users", ID: "i"}, []Key{name, name}, Invalid},
		{"right", a, Document{Collection: "users", ID: "i"}, []Key{keyOf(t, "age", index.Int(3)), name}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := s.Plugins().Begin()
			err := w.Put(ctx, c.o, c.d, c.keys, false)
			wantCode(t, "Put", err, c.want)
			if w.Staged() != (c.want == "") {
				t.Errorf("Staged: got %v", w.Staged())
			}
			if c.want == "" {
				commit(t, w)
			}
		})
	}
	w := s.Plugins().Begin()
	_, err := w.Get(ctx, a, "plain", make([]string, hostapi.MaxPage+1), nil)
	wantCode(t, "too many ids", err, Limit)
	for _, q := range []DocQuery{
		{Collection: "none"}, {Collection: "users", Index: "none"}, {Collection: "users", Limit: -1}, {Collection: "users", Limit: 1001},
		{Collection: "users", After: "?"}, {Collection: "users", After: "AAAA"}, {Collection: "users", After: "AAAAAAAAAAAA"},
	} {
		_, err := w.Query(ctx, a, q)
		wantCode(t, fmt.Sprintf("%+v", q), err, Invalid)
	}
	commit(t, w)
	_, err = w.Commit(ctx)
	wantCode(t, "second commit", err, Invalid)
	wantCode(t, "put after the commit", w.Put(ctx, a, Document{Collection: "plain", ID: "x"}, nil, false), Invalid)
}

func TestUniqueIndex(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		ctx := testContext(t)
		a := owner("a")
		name := func(v string) Key { return keyOf(t, "name", index.String(v)) }
		put := func(w *Work, id, v string) error {
			return w.Put(ctx, a, Document{Collection: "users", ID: id}, []Key{name(v)}, false)
		}
		w := s.Plugins().Begin()
		wantCode(t, "first", put(w, "1", "anna"), "")
		wantCode(t, "same key, staged", put(w, "2", "anna"), Conflict)
		wantCode(t, "again", put(w, "1", "anna"), "")
		wantCode(t, "second", put(w, "2", "bert"), "")
		commit(t, w)

		w = s.Plugins().Begin()
		wantCode(t, "same key, stored", put(w, "3", "anna"), Conflict)
		wantCode(t, "other plugin", w.Put(ctx, owner("b"), Document{Collection: "users", ID: "1"}, []Key{name("anna")}, false), "")
		// Two documents change places: neither database may see both at once.
		wantCode(t, "out of the way", put(w, "1", "carl"), "")
		wantCode(t, "takes its place", put(w, "2", "anna"), "")
		wantCode(t, "takes the other's", put(w, "1", "bert"), "")
		commit(t, w)
		page, err := s.Plugins().Begin().Query(ctx, a, DocQuery{Collection: "users", Index: "name"})
		if got := idsAndKeys(page); err != nil || !cmp.Equal(got, []string{"2", "1"}) {
			t.Errorf("by name: got %v, error %v, want 2, 1", got, err)
		}

		// Two Works take the same free place: the second one fails.
		w1, w2 := s.Plugins().Begin(), s.Plugins().Begin()
		wantCode(t, "first Work", put(w1, "8", "zoe"), "")
		wantCode(t, "second Work", put(w2, "9", "zoe"), "")
		commit(t, w1)
		_, err = w2.Commit(ctx)
		wantCode(t, "second Work's commit", err, Conflict)
	})
}

func idsAndKeys(p DocPage) []string {
	ids := []string{}
	for _, d := range p.Documents {
		ids = append(ids, d.ID)
	}
	return ids
}

func TestGuards(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		ctx := testContext(t)
		a := owner("a")
		reset := func() {
			w := s.Plugins().Begin()
			mustPut(t, w, a, "plain", "there", "x")
			mustPut(t, w, a, "fences", "f", "x", keyOf(t, "state", index.String("in"), index.Int(1)))
			if _, err := w.Delete(ctx, a, "plain", "absent"); err != nil {
				t.Fatal(err)
			}
			commit(t, w)
		}
		get := func(id string) func(*Work) error {
			return func(w *Work) error { _, err := w.Get(ctx, a, "plain", []string{id}, nil); return err }
		}
		query := func(q DocQuery) func(*Work) error {
			return func(w *Work) error { _, err := w.Query(ctx, a, q); return err }
		}
		put := func(collection, id string) func(*Work) error {
			return func(w *Work) error {
				return w.Put(ctx, a, Document{Collection: collection, ID: id, Body: []byte("y")}, nil, false)
			}
		}
		remove := func(id string) func(*Work) error {
			return func(w *Work) error { _, err := w.Delete(ctx, a, "plain", id); return err }
		}
		next := func(w *Work) error { _, err := w.Next(ctx, a, "c"); return err }
		for _, c := range []struct {
			name         string
			reads, other func(*Work) error
			want         Code
		}{
			{"read, changed", get("there"), put("plain", "there"), Conflict},
			{"read, deleted", get("there"), remove("there"), Conflict},
			{"read, another changed", get("there"), put("plain", "other"), ""},
			{"not found, made", get("absent"), put("plain", "absent"), Conflict},
			{"not found, another made", get("absent"), put("plain", "other"), ""},
			{"not found by delete, made", remove("absent"), put("plain", "absent"), Conflict},
			{"found by query, changed", query(DocQuery{Collection: "fences", Index: "state"}), put("fences", "f"), Conflict},
			{"found without body, changed", query(DocQuery{Collection: "fences", NoBodies: true}), put("fences", "f"), Conflict},
			{"counted, changed", query(DocQuery{Collection: "fences", Count: true}), put("fences", "f"), ""},
			{"range, more come", query(DocQuery{Collection: "fences"}), put("fences", "g"), ""},
			{"written unread, changed", put("plain", "there"), put("plain", "there"), ""},
			{"counter", next, next, Conflict},
			{"invisible, changed", func(w *Work) error {
				_, err := w.Get(ctx, a, "plain", []string{"there"}, func(hostapi.SetID) bool { return false })
				return err
			}, put("plain", "there"), Conflict},
		} {
			t.Run(c.name, func(t *testing.T) {
				for _, staged := range []bool{true, false} {
					reset()
					w, other := s.Plugins().Begin(), s.Plugins().Begin()
					if err := c.reads(w); err != nil {
						t.Fatal(err)
					}
					if staged {
						mustPut(t, w, a, "plain", "result", "x")
					}
					if err := c.other(other); err != nil {
						t.Fatal(err)
					}
					commit(t, other)
					want := c.want
					if !w.Staged() {
						want = "" // nothing is checked
					}
					_, err := w.Commit(ctx)
					wantCode(t, fmt.Sprintf("staged %v", staged), err, want)
				}
			})
		}
		t.Run("deleted and made again", func(t *testing.T) {
			reset()
			w := s.Plugins().Begin()
			if err := get("there")(w); err != nil {
				t.Fatal(err)
			}
			mustPut(t, w, a, "plain", "result", "x")
			for _, step := range []func(*Work) error{remove("there"), put("plain", "there")} {
				other := s.Plugins().Begin()
				if err := step(other); err != nil {
					t.Fatal(err)
				}
				commit(t, other)
			}
			_, err := w.Commit(ctx)
			wantCode(t, "commit", err, Conflict)
		})
	})
}

func TestCounter(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := options(t, dsn)
		s := open(t, o)
		ctx := testContext(t)
		next := func(w *Work, plugin, name string, want int64) {
			t.Helper()
			if got, err := w.Next(ctx, owner(plugin), name); err != nil || got != want {
				t.Errorf("%s of %s: got %d, error %v, want %d", name, plugin, got, err, want)
			}
		}
		w := s.Plugins().Begin()
		next(w, "a", "c", 1)
		next(w, "a", "c", 2)
		next(w, "b", "c", 1)
		mark := w.Mark()
		next(w, "a", "c", 3)
		w.Undo(mark)
		next(w, "a", "c", 3)
		commit(t, w)
		w = s.Plugins().Begin()
		next(w, "a", "c", 4) // never committed
		closeStore(t, s)
		s = open(t, o)
		w = s.Plugins().Begin()
		next(w, "a", "c", 4)
		next(w, "b", "c", 2)
		next(w, "a", "d", 1)
		_, err := w.Next(ctx, owner("a"), "")
		wantCode(t, "no name", err, Invalid)
	})
}

func TestUndo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		ctx := testContext(t)
		a := owner("a")
		name := func(v string) []Key { return []Key{keyOf(t, "name", index.String(v))} }
		w := s.Plugins().Begin()
		mustPut(t, w, a, "users", "kept", "1", name("k")...)
		mark := w.Mark()
		mustPut(t, w, a, "users", "kept", "2", name("other")...)
		mustPut(t, w, a, "users", "gone", "1", name("k")...)
		if err := w.SetTopic(ctx, a, "t", []TopicMember{{User: "u"}}); err != nil {
			t.Fatal(err)
		}
		if err := w.SetAlias(ctx, a, "m", []string{"t"}); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{
			w.SetTimer(a, Timer{Name: "x", Due: testTime}), w.SetCursor(a, Cursor{ID: 5}), w.SetState(a, "k", []byte("v")), w.AddDeadLetter(a, DeadLetter{Op: "events"}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		w.Undo(mark)
		if got, err := w.Get(ctx, a, "users", []string{"kept", "gone"}, nil); err != nil || len(got) != 1 || string(got[0].Body) != "1" {
			t.Errorf("after Undo: got %v, error %v", got, err)
		}
		wantCode(t, "place that is taken again", w.Put(ctx, a, Document{Collection: "users", ID: "x"}, name("k"), false), Conflict)
		wantCode(t, "place that is free again", w.Put(ctx, a, Document{Collection: "users", ID: "x"}, name("other"), false), "")
		w.Undo(mark)
		c := commit(t, w)
		if diff := cmp.Diff(Committed{Documents: 1}, c); diff != "" {
			t.Errorf("committed (-want +got):\n%s", diff)
		}
		if _, err := s.Plugins().Cursor(ctx, "a"); CodeOf(err) != NotFound {
			t.Errorf("cursor: got error %v", err)
		}
		w = s.Plugins().Begin()
		mustPut(t, w, a, "users", "z", "")
		w.Undo(0)
		w.Undo(-1)
		w.Undo(5)
		if w.Staged() {
			t.Error("Staged after Undo of all: got true")
		}
	})
}

func TestQuota(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := options(t, dsn)
		s := open(t, o)
		ctx := testContext(t)
		a := owner("a")
		a.Quota = 1000
		put := func(w *Work, id string, n int) error {
			return w.Put(ctx, a, Document{Collection: "plain", ID: id, Body: make([]byte, n)}, nil, false)
		}
		usage := func(want Usage) {
			t.Helper()
			got, err := s.Plugins().Usage(ctx, "a")
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("usage: error %v (-want +got):\n%s", err, diff)
			}
		}
		w := s.Plugins().Begin()
		wantCode(t, "first", put(w, "1", 499), "")
		wantCode(t, "second", put(w, "2", 499), "")
		wantCode(t, "one too many", put(w, "3", 1), Limit)
		wantCode(t, "larger", put(w, "2", 500), Limit)
		wantCode(t, "as large", put(w, "2", 499), "")
		commit(t, w)
		usage(Usage{Documents: 2, Bytes: 1000, Data: 1})
		closeStore(t, s)
		s = open(t, o)
		usage(Usage{Documents: 2, Bytes: 1000, Data: 1})

		w = s.Plugins().Begin()
		wantCode(t, "full", put(w, "3", 0), Limit)
		wantCode(t, "smaller", put(w, "1", 399), "")
		wantCode(t, "what became free", put(w, "3", 99), "")
		wantCode(t, "and no more", put(w, "4", 0), Limit)
		if _, err := w.Delete(ctx, a, "plain", "2"); err != nil {
			t.Fatal(err)
		}
		wantCode(t, "in its place", put(w, "4", 499), "")
		commit(t, w)
		usage(Usage{Documents: 3, Bytes: 1000, Data: 1})

		// Two Works that each see room.
		w = s.Plugins().Begin()
		if _, err := w.Delete(ctx, a, "plain", "4"); err != nil {
			t.Fatal(err)
		}
		commit(t, w)
		w1, w2 := s.Plugins().Begin(), s.Plugins().Begin()
		wantCode(t, "first Work", put(w1, "5", 300), "")
		wantCode(t, "second Work", put(w2, "6", 300), "")
		commit(t, w1)
		_, err := w2.Commit(ctx)
		wantCode(t, "second Work's commit", err, Limit)

		// A plugin that has more than it now may have can get rid of it.
		a.Quota = 10
		w = s.Plugins().Begin()
		wantCode(t, "more", put(w, "1", 400), Limit)
		wantCode(t, "less", put(w, "1", 300), "")
		if _, err := w.Delete(ctx, a, "plain", "3"); err != nil {
			t.Fatal(err)
		}
		commit(t, w)
		usage(Usage{Documents: 2, Bytes: 602, Data: 1})
	})
}

func TestDataVersion(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		ctx := testContext(t)
		write := func(data uint32, id string) {
			w := s.Plugins().Begin()
			o := owner("a")
			o.Data = data
			mustPut(t, w, o, "plain", id, "x")
			commit(t, w)
		}
		want := func(want uint32) {
			t.Helper()
			if got, err := s.Plugins().DataVersion(ctx, "a"); err != nil || got != want {
				t.Errorf("got %d, error %v, want %d", got, err, want)
			}
		}
		want(0)
		write(3, "x")
		want(3)
		write(2, "y")
		want(3)
		docs, err := s.Plugins().Begin().Get(ctx, owner("a"), "plain", []string{"x", "y"}, nil)
		if err != nil || len(docs) != 2 || docs[0].Data != 3 || docs[1].Data != 2 {
			t.Errorf("documents: got %v, error %v, want data 3 and 2", docs, err)
		}
		w := s.Plugins().Begin()
		for _, id := range []string{"x", "y"} {
			if _, err := w.Delete(ctx, owner("a"), "plain", id); err != nil {
				t.Fatal(err)
			}
		}
		commit(t, w)
		want(0)
	})
}

func TestContextOfReads(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		ctx, cancel := context.WithCancel(testContext(t))
		cancel()
		w := s.Plugins().Begin()
		_, err := w.Get(ctx, owner("a"), "plain", []string{"x"}, nil)
		_, qerr := w.Query(ctx, owner("a"), DocQuery{Collection: "plain"})
		for _, err := range []error{err, qerr} {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got error %v, want that of the context", err)
			}
		}
	})
}
