package store

import (
	"testing"

	"github.com/takhost/takhost/hostapi/index"
	"github.com/takhost/takhost/hostapi/manifest"
)

// owner has a collection without an index, one with some of each kind, and one
// with a unique index.
func owner(name string) *Owner {
	return &Owner{Plugin: name, Data: 1, Collections: []manifest.Collection{
		{Name: "plain"},
		{Name: "fences", Indexes: []manifest.Index{
			{Name: "state", Fields: []string{"string", "int"}},
			{Name: "seen", Fields: []string{"time"}},
			{Name: "level", Fields: []string{"float"}},
		}},
		{Name: "users", Indexes: []manifest.Index{
			{Name: "name", Fields: []string{"string"}, Unique: true},
			{Name: "age", Fields: []string{"int"}},
		}},
	}}
}

func keyOf(t testing.TB, name string, values ...index.Value) Key {
	t.Helper()
	k, err := index.AppendTuple(nil, values...)
	if err != nil {
		t.Fatal(err)
	}
	return Key{Index: name, Key: k}
}

func commit(t testing.TB, w *Work) Committed {
	t.Helper()
	c, err := w.Commit(testContext(t))
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	return c
}

// mustPut stages a document.
func mustPut(t testing.TB, w *Work, o *Owner, collection, id, body string, keys ...Key) {
	t.Helper()
	if err := w.Put(testContext(t), o, Document{Collection: collection, ID: id, Body: []byte(body)}, keys, false); err != nil {
		t.Fatalf("Put(%s, %s): %v", collection, id, err)
	}
}

// wantCode checks the code of an error; an empty one is no error.
func wantCode(t testing.TB, what string, err error, want Code) {
	t.Helper()
	if got := CodeOf(err); got != want || (err == nil) != (want == "") {
		t.Errorf("%s: got error %v with code %q, want code %q", what, err, got, want)
	}
}
