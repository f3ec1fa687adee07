package sdk

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi/wire"
)

func TestResponse(t *testing.T) {
	docs := func(w *Response) { _ = w.Documents(Collection{name: "c"}.Query(), ",") }
	rangePart := wire.Part{Range: &wire.RangePart{Query: &wire.Query{Collection: "c"}, Separator: ","}}
	data := func(s string) wire.Part { return wire.Part{Data: []byte(s)} }
	tests := []struct {
		name  string
		write func(w *Response)
		want  wire.HTTPResponse
	}{
		{"empty", func(w *Response) {}, wire.HTTPResponse{}},
		{"status alone", func(w *Response) { w.Status(204).Header("a", "b") }, wire.HTTPResponse{Status: 204, Headers: []Pair{{Name: "a", Value: "b"}}}},
		{"bytes", func(w *Response) { _, _ = w.WriteString("a"); _, _ = w.Write([]byte("b")) }, wire.HTTPResponse{Parts: []wire.Part{data("ab")}}},
		{"json", func(w *Response) { w.JSON().Object().Key("a").Int(1) }, wire.HTTPResponse{Parts: []wire.Part{data(`{"a":1}`)}}},
		{"xml", func(w *Response) { w.ContentType("text/xml").XML().Header().Start("a") },
			wire.HTTPResponse{ContentType: "text/xml", Parts: []wire.Part{data(`<?xml version="1.0" encoding="UTF-8"?><a/>`)}}},
		{"documents in an array", func(w *Response) {
			w.JSON().Object().Key("a").Array()
			docs(w)
			w.JSON().End().Key("b").Int(1)
		}, wire.HTTPResponse{Parts: []wire.Part{data(`{"a":[`), rangePart, data(`],"b":1}`)}}},
		{"a document as a value", func(w *Response) {
			w.JSON().Object().Key("a")
			w.Document("c", "x").JSON().Key("b").Null()
		}, wire.HTTPResponse{Parts: []wire.Part{data(`{"a":`), {Document: &wire.DocumentPart{Collection: "c", ID: "x"}}, data(`,"b":null}`)}}},
		{"text around json", func(w *Response) {
			_, _ = w.WriteString("<")
			w.JSON().Array().Int(1).End()
			_, _ = w.WriteString(">")
		}, wire.HTTPResponse{Parts: []wire.Part{data("<"), data("[1]>")}}},
		{"documents between lines", func(w *Response) {
			_, _ = w.WriteString("(")
			docs(w)
			_, _ = w.WriteString(")")
		}, wire.HTTPResponse{Parts: []wire.Part{data("("), rangePart, data(")")}}},
		{"a piece of a blob", func(w *Response) { w.BlobRange("00", 5, 7) }, wire.HTTPResponse{Parts: []wire.Part{{Blob: &wire.BlobPart{Hash: "00", Offset: 5, Length: 7}}}}},
		{"a blob", func(w *Response) { w.Blob("00", "x.zip") }, wire.HTTPResponse{Parts: []wire.Part{{Blob: &wire.BlobPart{Hash: "00", FileName: "x.zip"}}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &Response{}
			tt.write(w)
			out, err := w.append(nil)
			if err != nil {
				t.Fatal(err)
			}
			var got wire.HTTPResponse
			if err := got.Decode(out); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	faults := []struct {
		name  string
		write func(w *Response)
		want  string
	}{
		{"documents behind elements", func(w *Response) { w.JSON().Array().Int(1); docs(w) }, "behind other elements"},
		{"documents twice", func(w *Response) { w.JSON().Array(); docs(w); docs(w) }, "behind other elements"},
		{"elements behind documents", func(w *Response) { w.JSON().Array(); docs(w); w.JSON().Int(1) }, "behind documents"},
		{"documents without a key", func(w *Response) { w.JSON().Object(); docs(w) }, "without a key"},
		{"bad XML", func(w *Response) { w.XML().End() }, "more ends"},
	}
	for _, tt := range faults {
		t.Run(tt.name, func(t *testing.T) {
			w := &Response{}
			tt.write(w)
			if _, err := w.append(nil); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
