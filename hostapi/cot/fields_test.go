package cot

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// detail puts content into the detail of an otherwise good event.
func detail(content string) string { return in("<detail>" + content + "</detail>") }

func mustScan(t failer, text string) *Header {
	t.Helper()
	var h Header
	if err := Scan(text, &h); err != nil {
		t.Fatalf("scan %.200q: %v", text, err)
	}
	return &h
}

func TestScanFields(t *testing.T) {
	const good = `<event version="2.0" uid="U-1" type="a-f-G" how="m-g" time="2026-01-02T03:04:05.678Z"` +
		` start="2026-01-02T03:04:05Z" stale="2026-01-02T03:05:05.5+01:00">` +
		`<point lat="48.5" lon="-11.25" hae="500.125" ce="3" le="9999999.0"/><detail>` +
		`<contact callsign="A" endpoint="*:-1:stcp"/><__group name="Dark Blue" role="HQ"/>` +
		`<track speed="1.5" course="359.9"/></detail></event>`
	goodFacts := facts{
		UID: "U-1", Type: "a-f-G", How: "m-g",
		Time: 1767323045678000, Start: 1767323045000000, Stale: 1767319505500000,
		Lat: 48.5, Lon: -11.25, Hae: 500.125, CE: 3, LE: 9999999, Point: true, Detail: true,
		Callsign: "A", Endpoint: "*:-1:stcp", Team: "Dark Blue", Role: "HQ", Speed: 1.5, Course: 359.9,
	}
	base := facts{UID: "u", Type: "t"}
	withDetail := func(change func(*facts)) facts {
		f := base
		f.Detail = true
		change(&f)
		return f
	}
	tests := []struct {
		name string
		text string
		want facts
	}{
		{"everything", good, goodFacts},
		{"nothing but uid and type", in(""), base},
		{"entities", `<event uid="a&amp;b" type="&#116;" how='&quot;'/>`, facts{UID: "a&b", Type: "t", How: `"`}},
		{"white space in values is blanks", "<event uid='a\tb\nc\rd\r\ne' type='t'/>", facts{UID: "a b c d e", Type: "t"}},
		{"referenced white space stays", "<event uid='a&#10;b' type='t'/>", facts{UID: "a b", Type: "t"}},
		{"beyond ASCII", `<event uid="ß🚁" type="t"/>`, facts{UID: "ß🚁", Type: "t"}},

		{"point in detail", detail(`<point lat="1" lon="2"/>`), withDetail(func(*facts) {})},
		{"two points", in(`<point lat="1" lon="2"/><point lat="3" lon="4"/>`), facts{UID: "u", Type: "t", Lat: 1, Lon: 2, Point: true}},
		{"empty point", in(`<point/>`), facts{UID: "u", Type: "t", Point: true}},
		{"point with content", in(`<point lat="1"> <!-- --> </point>`), facts{UID: "u", Type: "t", Lat: 1, Point: true}},
		{"point with empty numbers", in(`<point lat="" lon=" " hae="" ce="" le=""/>`), facts{UID: "u", Type: "t", Point: true}},
		{"point with blanks and exponents", in(`<point lat=" +1.5 " lon="1e-2" hae="-.5" ce="5." le="&#49;0"/>`),
			facts{UID: "u", Type: "t", Point: true, Lat: 1.5, Lon: 0.01, Hae: -0.5, CE: 5, LE: 10}},
		{"NaN for unknown", in(`<point lat="1" lon="2" hae="NaN" ce="nan" le=" NAN "/>`),
			facts{UID: "u", Type: "t", Point: true, Lat: 1, Lon: 2, Hae: Unknown, CE: Unknown, LE: Unknown}},

		{"empty detail tag", in(`<detail/>`), withDetail(func(*facts) {})},
		{"empty detail", detail(""), withDetail(func(*facts) {})},
		{"detail with attributes and text", in(`<detail a="b">x</detail >`), withDetail(func(f *facts) { f.DetailRaw = "x" })},
		{"two details", in("<detail><contact callsign='A'/></detail><detail><contact callsign='B'/><emergency/></detail>"),
			withDetail(func(f *facts) { f.Callsign = "A"; f.DetailRaw = "<contact callsign='A'/>" })},
		{"empty detail, then another", in("<detail/><detail><contact callsign='B'/></detail>"), withDetail(func(*facts) {})},
		{"detail in detail", detail("<detail><contact callsign='B'/></detail>"), withDetail(func(*facts) {})},
		{"children of event", in(`<contact callsign="A"/><__group name="Cyan"/><track speed="1"/><emergency/><marti archive="false"><dest uid="x"/></marti>`), base},
		{"deeper in detail", detail(`<a><contact callsign="A"/><__group name="Cyan"/><track speed="1"/><emergency/><__forcedelete/><_flow-tags_/><marti archive="false"><dest uid="x"/></marti></a>`),
			withDetail(func(*facts) {})},
		{"two contacts", detail(`<contact callsign="A"/><contact callsign="B" endpoint="e"/>`), withDetail(func(f *facts) { f.Callsign = "A" })},
		{"contact with content", detail(`<contact callsign="A"><x/></contact>`), withDetail(func(f *facts) { f.Callsign = "A" })},
		{"two groups", detail(`<__group role="HQ"/><__group name="Cyan"/>`), withDetail(func(f *facts) { f.Role = "HQ" })},
		{"two tracks", detail(`<track/><track speed="1"/>`), withDetail(func(*facts) {})},
		{"track without numbers", detail(`<track speed="NaN" course="north"/>`), withDetail(func(*facts) {})},
		{"names in other case", detail(`<Contact callsign="A"/><contact Callsign="A"/>`), withDetail(func(*facts) {})},
		{"flags", detail(`<emergency type="911 Alert">A</emergency><__forcedelete/><_flow-tags_ a="b"/><marti archive="false"/>`),
			withDetail(func(f *facts) { f.Emergency, f.ForceDelete, f.FlowTags, f.NoArchive = true, true, true, true })},
		{"archive true", detail(`<marti archive="true"/>`), withDetail(func(*facts) {})},
		{"archive element", detail(`<archive/>`), withDetail(func(*facts) {})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := factsOf(tt.text, mustScan(t, tt.text))
			if tt.want.DetailRaw == "" {
				got.DetailRaw = "" // compared by the oracle below
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("header differs (-want +got):\n%s", diff)
			}
			compareOracle(t, tt.text)
		})
	}
}

func TestDests(t *testing.T) {
	tests := []struct {
		name, marti string
		want        []Dest
	}{
		{"none", `<marti></marti>`, nil},
		{"empty marti", `<marti/>`, nil},
		{"callsign", `<marti><dest callsign="A"/></marti>`, []Dest{{DestCallsign, "A"}}},
		{"each kind", `<marti><dest callsign="a"/><dest publish="b"/><dest uid="c"/><dest mission="d"/><dest mission-guid="e"/><dest group="f"/></marti>`,
			[]Dest{{DestCallsign, "a"}, {DestPublish, "b"}, {DestUID, "c"}, {DestMission, "d"}, {DestMissionGUID, "e"}, {DestGroup, "f"}}},
		{"order of attributes does not count", `<marti><dest group="f" uid="c" mission="d" callsign="a"/><dest group="f" mission="d"/></marti>`,
			[]Dest{{DestCallsign, "a"}, {DestMission, "d"}}},
		{"path and after", `<marti><dest mission="d" path="x" after="y"/></marti>`, []Dest{{DestMission, "d"}}},
		{"empty values are absent", `<marti><dest callsign="" uid="c"/><dest callsign=""/><dest uid=''/></marti>`, []Dest{{DestUID, "c"}}},
		{"no known attribute", `<marti><dest/><dest x="y"/></marti>`, nil},
		{"All Streaming is passed on", `<marti><dest callsign="All Streaming"/></marti>`, []Dest{{DestCallsign, "All Streaming"}}},
		{"entities", `<marti><dest callsign="R&amp;B"/></marti>`, []Dest{{DestCallsign, "R&B"}}},
		{"dest with content", `<marti><dest uid="a"> <dest uid="b"/></dest ></marti>`, []Dest{{DestUID, "a"}}},
		{"several marti", `<marti><dest uid="a"/></marti><x/><marti><dest uid="b"/></marti>`, []Dest{{DestUID, "a"}, {DestUID, "b"}}},
		{"outside marti", `<marti/><dest uid="a"/><x><dest uid="b"/></x>`, nil},
		{"after an empty marti", `<marti><dest uid="a"/></marti><x><dest uid="b"/></x>`, []Dest{{DestUID, "a"}}},
		{"other elements in marti", `<marti><x uid="a"/></marti>`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := detail(tt.marti)
			if diff := cmp.Diff(tt.want, factsOf(text, mustScan(t, text)).Dests); diff != "" {
				t.Errorf("destinations differ (-want +got):\n%s", diff)
			}
			compareOracle(t, text)
		})
	}
}

func TestDestsAreNotShared(t *testing.T) {
	text := detail(`<marti><dest uid="1"/><dest uid="2"/><dest uid="3"/></marti>`)
	var h Header
	if err := Scan(text, &h); err != nil {
		t.Fatal(err)
	}
	old := h
	if err := Scan(strings.ReplaceAll(text, `uid="3"`, `uid="4"`), &h); err != nil {
		t.Fatal(err)
	}
	if got, want := old.Dest(2).Value, "3"; got != want {
		t.Errorf("a copy of the header has destination %q after the next scan, want %q", got, want)
	}
}

func TestInvalid(t *testing.T) {
	tests := []struct{ name, text string }{
		{"no uid", `<event type="t"/>`},
		{"empty uid", `<event uid="" type="t"/>`},
		{"no type", `<event uid="u"/>`},
		{"empty type", `<event uid="u" type=""/>`},
		{"nothing at all", `<event/>`},
		{"time", `<event uid="u" type="t" time="yesterday"/>`},
		{"empty time", `<event uid="u" type="t" time=""/>`},
		{"start", `<event uid="u" type="t" start="2026-02-30T00:00:00Z"/>`},
		{"stale", `<event uid="u" type="t" stale="1700000000"/>`},
		{"lat", in(`<point lat="north"/>`)},
		{"lat NaN", in(`<point lat="NaN"/>`)},
		{"lon NaN", in(`<point lon="NaN"/>`)},
		{"lon infinite", in(`<point lon="Inf"/>`)},
		{"hae infinite", in(`<point hae="-Infinity"/>`)},
		{"ce too large", in(`<point ce="1e999"/>`)},
		{"le hexadecimal", in(`<point le="0x10"/>`)},
		{"hae with unit", in(`<point hae="12 m"/>`)},
		{"hae with comma", in(`<point hae="12,5"/>`)},
		{"hae with underscore", in(`<point hae="1_000"/>`)},
		{"two points in one", in(`<point lat="1.2.3"/>`)},
		{"only a sign", in(`<point lat="-"/>`)},
		{"only a point", in(`<point lat="."/>`)},
		{"only an exponent", in(`<point lat="e5"/>`)},
		{"exponent without digits", in(`<point lat="1e"/>`)},
		{"exponent with sign alone", in(`<point lat="1e+"/>`)},
		{"exponent with point", in(`<point lat="1e1.5"/>`)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h Header
			if err := Scan(tt.text, &h); !errors.Is(err, ErrInvalid) {
				t.Errorf("got %v, want an invalid event", err)
			}
			if o := readOracle(tt.text); o.wellFormed != nil || o.valid {
				t.Errorf("the oracle differs: well-formed %v, valid %v", o.wellFormed, o.valid)
			}
		})
	}
}

// An event that is not even well-formed is never called invalid.
func TestMalformedBeforeInvalid(t *testing.T) {
	var h Header
	if err := Scan(`<event time="x"><a></event>`, &h); !errors.Is(err, ErrMalformed) {
		t.Errorf("got %v, want a malformed event", err)
	}
}

func TestTypeAt(t *testing.T) {
	for _, text := range []string{
		`<event uid="u" type="a-f-G"/>`,
		`<event type='a-f-G' uid='u'/>`,
		"<event uid = 'ü'\n type =\t'a-f-G'/>",
	} {
		h := mustScan(t, text)
		if got := text[h.TypeAt:]; !strings.HasPrefix(got, "a-f-G") {
			t.Errorf("%s: type at %d, %q", text, h.TypeAt, got)
		}
	}
}

func TestDetailSpan(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"none", in(""), ""},
		{"empty tag", in("<detail/>"), ""},
		{"empty", in("<detail></detail>"), ""},
		{"blank", in("<detail> </detail>"), " "},
		{"elements", in("<point/><detail a='>'><b><detail/></b></detail ><c/>"), "<b><detail/></b>"},
		{"CDATA", in("<detail><![CDATA[</detail>]]></detail>"), "<![CDATA[</detail>]]>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := mustScan(t, tt.text)
			if got := tt.text[h.DetailAt:h.DetailTo]; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if tt.want == "" && (h.DetailAt != 0 || h.DetailTo != 0) {
				t.Errorf("got offsets %d and %d, want zeros", h.DetailAt, h.DetailTo)
			}
		})
	}
}

// What the header had before must not show through.
func TestScanOverwrites(t *testing.T) {
	h := mustScan(t, detail(`<contact callsign="A" endpoint="e"/><emergency/><marti><dest uid="1"/><dest uid="2"/><dest uid="3"/></marti>`))
	if err := Scan(in(""), h); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(facts{UID: "u", Type: "t"}, factsOf(in(""), h)); diff != "" {
		t.Errorf("header differs (-want +got):\n%s", diff)
	}
}

func TestIsSA(t *testing.T) {
	if h := mustScan(t, benchSA); !h.IsSA() || !h.IsPosition() {
		t.Errorf("got IsSA %v, IsPosition %v, want both", h.IsSA(), h.IsPosition())
	}
	h := mustScan(t, detail(`<contact callsign="A"/>`))
	if h.IsSA() || h.IsPosition() {
		t.Errorf("without endpoint: got IsSA %v, IsPosition %v, want neither", h.IsSA(), h.IsPosition())
	}
}
