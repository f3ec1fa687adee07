package sdk

import (
	"strings"
	"testing"

	"github.com/takhost/takhost/hostapi/cot"
)

const editMe = `<event uid='A' type="a-f-G" how="m-g" time="2024-05-01T12:00:00Z" start="2024-05-01T12:00:00Z" stale="2024-05-01T12:05:00Z">` +
	`<point lat = "1" lon="2" hae="0" ce="1" le="1"/><!-- <point lat="9"/> --><detail><point/><contact callsign="x>y"/>` +
	`<remarks><![CDATA[<contact/>]]></remarks><remarks>b</remarks><a><contact/></a></detail></event>`

func TestEdit(t *testing.T) {
	tests := []struct {
		name string
		edit func(e *Edit)
		old  string // part of editMe …
		new  string // … and what comes in its place
	}{
		{"nothing", func(e *Edit) {}, "", ""},
		{"attribute", func(e *Edit) { e.SetFloat("point", "lon", 3.5) }, `lon="2"`, `lon="3.5"`},
		{"attribute with spaces", func(e *Edit) { e.SetFloat("point", "lat", 0) }, `lat = "1"`, `lat="0"`},
		{"attribute that is not there", func(e *Edit) { e.SetAttr("detail/contact", "phone", `"1"`) }, `<contact callsign`, `<contact phone="&quot;1&quot;" callsign`},
		{"attribute of the event", func(e *Edit) { e.SetAttr("", "uid", "B") }, `uid='A'`, `uid="B"`},
		{"remove all", func(e *Edit) { e.Remove("detail/remarks") }, `<remarks><![CDATA[<contact/>]]></remarks><remarks>b</remarks>`, ""},
		{"remove empty", func(e *Edit) { e.Remove("detail/contact") }, `<contact callsign="x>y"/>`, ""},
		{"remove deep", func(e *Edit) { e.Remove("detail/a/contact") }, `<a><contact/></a>`, `<a></a>`},
		{"not there", func(e *Edit) { e.Remove("detail/b/contact").SetAttr("contact", "x", "y").Remove("point/point") }, "", ""},
		{"add", func(e *Edit) { e.Add("detail", "<x/>") }, `</detail>`, `<x/></detail>`},
		{"add to an empty one", func(e *Edit) { e.Add("detail/point", "<x/>") }, `<detail><point/>`, `<detail><point><x/></point>`},
		{"add to the event", func(e *Edit) { e.Add("", "<x/>") }, `</detail></event>`, `</detail><x/></event>`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := EditEvent(editMe)
			tt.edit(e)
			got, err := e.String()
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.Replace(editMe, tt.old, tt.new, 1); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	faults := []struct {
		name string
		xml  string
		edit func(e *Edit)
	}{
		{"no event", "<x", func(e *Edit) { e.Remove("a") }},
		{"the event itself", editMe, func(e *Edit) { e.Remove("") }},
		{"bad name", editMe, func(e *Edit) { e.SetAttr("point", "a b", "") }},
		{"bad XML", editMe, func(e *Edit) { e.Add("detail", "<x>") }},
		{"no uid", editMe, func(e *Edit) { e.SetAttr("", "uid", "") }},
		{"bad position", editMe, func(e *Edit) { e.SetAttr("point", "lat", "north") }},
	}
	for _, tt := range faults {
		t.Run(tt.name, func(t *testing.T) {
			e := EditEvent(tt.xml)
			tt.edit(e)
			if got, err := e.String(); !Is(err, Invalid) {
				t.Errorf("got %s, %v, want an error that is invalid", got, err)
			}
		})
	}
}

// What the editor does not touch stays, and no event makes it panic.
func FuzzEdit(f *testing.F) {
	f.Add(editMe, "detail/contact")
	f.Add(`<event uid="A" type="b"/>`, "")
	f.Add(`<event uid="A" type="b"><detail a='>'/></event>`, "detail")
	f.Fuzz(func(t *testing.T, xml, path string) {
		var h cot.Header
		if cot.Scan(xml, &h) != nil {
			return
		}
		for _, tag := range findElements(xml, path) {
			if xml[tag.from] != '<' || xml[tag.whole-1] != '>' || tag.to > tag.whole || tag.body > tag.whole {
				t.Fatalf("%q: element at %+v", xml, tag)
			}
		}
		if got, err := EditEvent(xml).Remove("no/such/thing").String(); got != xml || err != nil {
			t.Errorf("an edit of nothing makes of %q %q, %v", xml, got, err)
		}
		if got, err := EditEvent(xml).SetAttr(path, "x-y", "1").String(); err == nil && path == "" && !strings.Contains(got, ` x-y="1"`) {
			t.Errorf("attribute is missing in %q", got)
		}
		_, _ = EditEvent(xml).Add(path, "<x/>").String()
	})
}
