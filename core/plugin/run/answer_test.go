package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// fakeDocs has n documents, of which those of set 2 are hidden from callers.
type fakeDocs struct {
	n       int
	queries int
	err     error
}

func (f *fakeDocs) Get(_ context.Context, _ *store.Owner, c string, ids []string, _ store.Visible) ([]store.Document, error) {
	if c != "docs" || ids[0] == "missing" {
		return nil, f.err
	}
	return []store.Document{{Body: []byte("doc " + ids[0])}}, f.err
}

func (f *fakeDocs) Query(_ context.Context, _ *store.Owner, q store.DocQuery) (store.DocPage, error) {
	f.queries++
	if f.err != nil && f.queries > 1 {
		return store.DocPage{}, f.err
	}
	at := 0
	fmt.Sscan(q.After, &at)
	var p store.DocPage
	for ; at < f.n && len(p.Documents) < q.Limit; at++ {
		set := hostapi.SetID(1 + at%2)
		if q.Visible == nil || q.Visible(set) {
			p.Documents = append(p.Documents, store.Document{Body: fmt.Append(nil, at)})
		}
	}
	if at < f.n {
		p.Next = fmt.Sprint(at)
	}
	return p, nil
}

func TestAnswer(t *testing.T) {
	visible := func(s hostapi.SetID) bool { return s == 1 }
	all := make([]string, 250)
	for i := range all {
		all[i] = fmt.Sprint(i)
	}
	tests := []struct {
		name  string
		parts []wire.Part
		n     int
		err   error
		want  string
		size  int64
		fails string
	}{
		{name: "nothing", size: 0},
		{name: "data", parts: []wire.Part{{Data: []byte("a")}, {}, {Data: []byte("bc")}}, want: "abc", size: 3},
		{name: "a document", parts: []wire.Part{{Document: &wire.DocumentPart{Collection: "docs", ID: "x"}}}, want: "doc x", size: 5},
		{name: "a document that is not there", parts: []wire.Part{{Document: &wire.DocumentPart{Collection: "docs", ID: "missing"}}}, fails: "not_found"},
		{name: "a document among others", parts: []wire.Part{{Data: []byte("[")}, {Document: &wire.DocumentPart{Collection: "docs", ID: "x"}}}, want: "[doc x", size: -1},
		{name: "a range over pages", parts: []wire.Part{{Data: []byte("[")}, {Range: &wire.RangePart{Query: &wire.Query{}, Separator: ","}}, {Data: []byte("]")}},
			n: 250, want: "[" + strings.Join(all, ",") + "]", size: -1},
		{name: "an empty range", parts: []wire.Part{{Data: []byte("[")}, {Range: &wire.RangePart{Query: &wire.Query{}, Separator: ","}}, {Data: []byte("]")}}, want: "[]", size: -1},
		{name: "a range with a limit", parts: []wire.Part{{Range: &wire.RangePart{Query: &wire.Query{Limit: 120}, Separator: ","}}},
			n: 250, want: strings.Join(all[:120], ","), size: -1},
		{name: "a range as caller", parts: []wire.Part{{Range: &wire.RangePart{Query: &wire.Query{AsCaller: true}, Separator: ","}}},
			n: 6, want: "0,2,4", size: -1},
		{name: "a database that goes away", parts: []wire.Part{{Range: &wire.RangePart{Query: &wire.Query{}, Separator: ","}}},
			n: 250, err: errors.New("away"), fails: "part 0: read documents: away", size: -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			docs := &fakeDocs{n: tt.n, err: tt.err}
			resp := &wire.HTTPResponse{Parts: tt.parts, Headers: []wire.Pair{{Name: "x-a", Value: "b"}}, ContentType: "text/plain"}
			if err := checkResponse(resp); err != nil {
				t.Fatal(err)
			}
			a, err := NewAnswer(t.Context(), resp, docs, nil, &store.Owner{}, visible)
			var b strings.Builder
			if err == nil {
				err = a.WriteTo(t.Context(), &b)
			}
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("got the error %v, want %q", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != tt.want || a.Size != tt.size || a.Status != 200 || a.Header[0] != [2]string{"x-a", "b"} || a.ContentType != "text/plain" {
				t.Errorf("got %q of size %d, %+v; want %q of size %d", b.String(), a.Size, a, tt.want, tt.size)
			}
		})
	}
}

func TestCheckResponse(t *testing.T) {
	for name, p := range map[string]wire.Part{
		"two things at once":      {Data: []byte("a"), Document: &wire.DocumentPart{}},
		"a range without a query": {Range: &wire.RangePart{}},
		"a range that counts":     {Range: &wire.RangePart{Query: &wire.Query{Count: true}}},
		"a file without a hash":   {Blob: &wire.BlobPart{}},
		"a file from below zero":  {Blob: &wire.BlobPart{Hash: "00", Offset: -1}},
		"fewer bytes than none":   {Blob: &wire.BlobPart{Hash: "00", Length: -1}},
	} {
		if err := checkResponse(&wire.HTTPResponse{Parts: []wire.Part{p}}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
