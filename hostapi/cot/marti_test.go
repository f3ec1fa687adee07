package cot_test

import (
	"strings"
	"testing"

	"github.com/takhost/takhost/hostapi/cot"
)

// Any event without <marti> is an event that lacks nothing but <marti>, as the tree
// of the detail shows it.
func FuzzWithoutMarti(f *testing.F) {
	for _, detail := range []string{
		`<marti><dest uid="a"/></marti>`, `<a/><marti/><b>x</b>`, `<!-- <marti> --><marti a='>'/>`, `<![CDATA[<marti>]]>`, `<marti><marti/></marti><marti/>`,
	} {
		f.Add(detail)
	}
	f.Fuzz(func(t *testing.T, detail string) {
		xml := `<event version="2.0" uid="u" type="u-d-f" how="h-e"><point lat="1" lon="2" hae="0" ce="1" le="1"/><detail>` + detail + `</detail></event>`
		var h, after cot.Header
		if cot.Scan(xml, &h) != nil {
			t.Skip()
		}
		got := strings.Join(cot.WithoutMarti(xml, &h), "")
		if err := cot.Scan(got, &after); err != nil {
			t.Fatalf("%q became %q: %v", xml, got, err)
		}
		// Both have one detail, the rest of the text being ours.
		if want := others(t, xml, &h); others(t, got, &after) != want {
			t.Errorf("%q became %q, want the children %q", xml, got, want)
		}
		if strings.Contains(got, "<marti") && tree(t, got, &after, "marti") {
			t.Errorf("%q became %q", xml, got)
		}
	})
}

// others gives the children of the detail but marti, as they stand.
func others(t *testing.T, xml string, h *cot.Header) (raw string) {
	detail, err := cot.ParseDetail(xml, h)
	if err != nil {
		t.Fatalf("%q: %v", xml, err)
	}
	for n := range detail.Root().Children() {
		if n.Name() != "marti" {
			raw += n.Raw() + "\n"
		}
	}
	return raw
}

func tree(t *testing.T, xml string, h *cot.Header, name string) bool {
	detail, err := cot.ParseDetail(xml, h)
	if err != nil {
		t.Fatalf("%q: %v", xml, err)
	}
	_, ok := detail.Root().Child(name)
	return ok
}
