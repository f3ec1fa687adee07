package run

import (
	"strings"
	"testing"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

func TestFilesInAnswers(t *testing.T) {
	st, err := store.Open(t.Context(), store.Options{DSN: "sqlite", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close(t.Context()) })
	content := strings.Repeat("0123456789", 10_000)
	b, err := st.Blobs().Put(t.Context(), strings.NewReader(content), store.BlobSpec{})
	if err != nil {
		t.Fatal(err)
	}
	file := wire.Part{Blob: &wire.BlobPart{Hash: b.Hash, FileName: "n.txt"}}
	missing := wire.Part{Blob: &wire.BlobPart{Hash: strings.Repeat("0", 64)}}
	piece := func(offset, length int64) wire.Part {
		return wire.Part{Blob: &wire.BlobPart{Hash: b.Hash, FileName: "n.txt", Offset: offset, Length: length}}
	}
	for name, tt := range map[string]struct {
		parts []wire.Part
		files Files
		want  string
		alone bool
		fails store.Code
		no    bool // files at all

		invalid bool
	}{
		"alone":               {parts: []wire.Part{file}, want: content, alone: true},
		"among others, twice": {parts: []wire.Part{{Data: []byte("<")}, file, {Data: []byte(">")}, file}, want: "<" + content + ">" + content},
		"missing":             {parts: []wire.Part{missing}, fails: store.NotFound},
		"missing at the end":  {parts: []wire.Part{file, missing}, fails: store.NotFound},
		"no files":            {parts: []wire.Part{file}, no: true},
		"a piece":             {parts: []wire.Part{piece(3, 40_000)}, want: content[3:40_003]},
		"the begin":           {parts: []wire.Part{piece(0, 7)}, want: content[:7]},
		"from a place on":     {parts: []wire.Part{piece(99_990, 0)}, want: content[99_990:]},
		"more than there is":  {parts: []wire.Part{piece(99_990, 1<<62)}, want: content[99_990:]},
		"nothing at the end":  {parts: []wire.Part{piece(100_000, 0)}, want: ""},
		"pieces among others": {parts: []wire.Part{piece(5, 2), {Data: []byte("-")}, file, piece(9, 1)}, want: "56-" + content + "9"},
		"beyond the end":      {parts: []wire.Part{piece(100_001, 1)}, invalid: true},
		"beyond, later":       {parts: []wire.Part{file, piece(1<<63-1, 1<<63-1)}, invalid: true},
	} {
		t.Run(name, func(t *testing.T) {
			resp := &wire.HTTPResponse{Parts: tt.parts}
			if err := checkResponse(resp); err != nil {
				t.Fatal(err)
			}
			var files Files
			if !tt.no {
				files = st.Blobs()
			}
			a, err := NewAnswer(t.Context(), resp, &fakeDocs{}, files, &store.Owner{}, nil)
			switch {
			case tt.no:
				if !call.StatusIs(err, hostapi.Unsupported) {
					t.Errorf("got error %v, want unsupported", err)
				}
				return
			case tt.invalid:
				if !call.StatusIs(err, hostapi.Invalid) {
					t.Errorf("got error %v, want invalid", err)
				}
				return
			case tt.fails != "":
				if store.CodeOf(err) != tt.fails {
					t.Errorf("got error %v, want %s", err, tt.fails)
				}
				return
			case err != nil:
				t.Fatal(err)
			}
			defer a.Close()
			if alone := a.File != nil; alone != tt.alone || alone && (a.FileName != "n.txt" || a.File.Hash != b.Hash) {
				t.Errorf("got the file %+v, want one: %v", a.File, tt.alone)
			}
			var out strings.Builder
			if err := a.WriteTo(t.Context(), &out); err != nil || out.String() != tt.want || a.Size != int64(len(tt.want)) {
				t.Errorf("got %d bytes, size %d, error %v; want %d", out.Len(), a.Size, err, len(tt.want))
			}
		})
	}
}
