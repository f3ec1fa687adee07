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
	for name, tt := range map[string]struct {
		parts []wire.Part
		files Files
		want  string
		alone bool
		fails store.Code
		no    bool // files at all
	}{
		"alone":               {parts: []wire.Part{file}, want: content, alone: true},
		"among others, twice": {parts: []wire.Part{{Data: []byte("<")}, file, {Data: []byte(">")}, file}, want: "<" + content + ">" + content},
		"missing":             {parts: []wire.Part{missing}, fails: store.NotFound},
		"missing at the end":  {parts: []wire.Part{file, missing}, fails: store.NotFound},
		"no files":            {parts: []wire.Part{file}, no: true},
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
			case tt.fails != "":
				if store.CodeOf(err) != tt.fails {
					t.Errorf("got error %v, want %s", err, tt.fails)
				}
				return
			case err != nil:
				t.Fatal(err)
			}
			defer a.Close()
			if alone := a.File != nil; alone != tt.alone || alone && (a.File.FileName != "n.txt" || a.File.Hash != b.Hash) {
				t.Errorf("got the file %+v, want one: %v", a.File, tt.alone)
			}
			var out strings.Builder
			if err := a.WriteTo(t.Context(), &out); err != nil || out.String() != tt.want || a.Size != int64(len(tt.want)) {
				t.Errorf("got %d bytes, size %d, error %v; want %d", out.Len(), a.Size, err, len(tt.want))
			}
		})
	}
}
