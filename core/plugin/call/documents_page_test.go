package call

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// TestPagesEndByBytes: a page of large documents is one that a guest can take.
func TestPagesEndByBytes(t *testing.T) {
	b := newBed(t)
	p := b.plugin("p", all())
	const docs = 100
	large := []byte(strings.Repeat("x", 78_000))
	var want []string
	for i := 0; i < docs; {
		c := p.Begin(Options{})
		for end := i + 20; i < end; i++ {
			want = append(want, fmt.Sprintf("%03d", i))
			b.ok(c, hostapi.HostPut, &wire.Put{Collection: "things", ID: want[i], Body: large})
		}
		b.commit(c)
	}
	staged := p.Begin(Options{})
	for i := range 20 { // also of what the call itself has put
		b.ok(staged, hostapi.HostPut, &wire.Put{Collection: "things", ID: want[3*i], Body: large})
	}
	for name, c := range map[string]*Call{"stored": p.Begin(Options{}), "staged": staged} {
		t.Run(name, func(t *testing.T) {
			var got []string
			pages := 0
			for after := ""; ; pages++ {
				out := b.ok(c, hostapi.HostQuery, &wire.Query{Collection: "things", Limit: 500, After: after})
				var page wire.Documents
				if err := page.Decode(out); err != nil {
					t.Fatal(err)
				}
				if len(out) > hostapi.PageBytes+64<<10 || len(page.Documents) == 0 {
					t.Fatalf("page %d: %d documents in %d bytes", pages, len(page.Documents), len(out))
				}
				for _, d := range page.Documents {
					got = append(got, d.ID)
				}
				if after = page.Next; after == "" {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %d documents %q, want %d in their order", len(got), got, docs)
			}
			if pages > 8 {
				t.Errorf("got %d pages, want about %d", pages, docs*len(large)/hostapi.PageBytes)
			}
		})
	}
	b.ok(staged, hostapi.HostPut, &wire.Put{Collection: "things", ID: "000", Body: make([]byte, hostapi.MaxDocument)})
	out := b.ok(staged, hostapi.HostQuery, &wire.Query{Collection: "things", Limit: 500, NoBodies: true})
	var page wire.Documents
	if err := page.Decode(out); err != nil || len(page.Documents) != docs || page.Next != "" {
		t.Errorf("without bodies: got %d documents, next %q, error %v, want all", len(page.Documents), page.Next, err)
	}
}
