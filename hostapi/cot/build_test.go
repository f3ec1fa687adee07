package cot

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var testTime = time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC)

func newEvent() *Builder { return NewEvent("U-1", "t-x-d-d", "h-g-i-g-o", testTime, 20*time.Second) }

func TestBuilder(t *testing.T) {
	got, err := newEvent().
		Point(0, -1.5, 0.1, Unknown, Unknown).
		Start("detail").
		Start("link").Attr("uid", `A"<&>'ü`).Attr("relation", "p-p").AttrInt("n", -7).End().
		Start("remarks").AttrTime("time", testTime).Text("1 < 2 & 3 > 2").Start("b").End().Text("!").End().
		Raw(`<x a="b"/>text`).
		String()
	if err != nil {
		t.Fatal(err)
	}
	want := `<event version="2.0" uid="U-1" type="t-x-d-d" time="2026-01-02T03:04:05.678Z" start="2026-01-02T03:04:05.678Z"` +
		` stale="2026-01-02T03:04:25.678Z" how="h-g-i-g-o"><point lat="0.0" lon="-1.5" hae="0.1" ce="9999999.0" le="9999999.0"/>` +
		`<detail><link uid="A&quot;&lt;&amp;&gt;&apos;ü" relation="p-p" n="-7"/>` +
		`<remarks time="2026-01-02T03:04:05.678Z">1 &lt; 2 &amp; 3 &gt; 2<b/>!</remarks><x a="b"/>text</detail></event>`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("event differs (-want +got):\n%s", diff)
	}
}

func TestBuilderEndsAll(t *testing.T) {
	tests := []struct {
		name string
		b    *Builder
		tail string
	}{
		{"nothing", newEvent(), `how="h-g-i-g-o"/>`},
		{"point", newEvent().Point(0, 0, 0, 0, 0), `le="0.0"/></event>`},
		{"open elements", newEvent().Start("detail").Start("a").Start("b"), `<detail><a><b/></a></detail></event>`},
		{"all ended", newEvent().Start("detail").Start("a").End().End(), `<detail><a/></detail></event>`},
		{"empty text", newEvent().Start("detail").Text(""), `<detail/></event>`},
		{"empty raw", newEvent().Start("detail").Raw(""), `<detail/></event>`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 { // String may be asked again
				got, err := tt.b.String()
				if err != nil {
					t.Fatal(err)
				}
				if !strings.HasSuffix(got, tt.tail) {
					t.Errorf("got %s, want it to end in %s", got, tt.tail)
				}
			}
		})
	}
}

func TestBuilderErrors(t *testing.T) {
	finished := newEvent()
	if _, err := finished.String(); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		b    *Builder
		want string
	}{
		{"no uid", NewEvent("", "t", "m-g", testTime, 0), "uid and type must not be empty"},
		{"no type", NewEvent("u", "", "m-g", testTime, 0), "uid and type must not be empty"},
		{"uid with control character", NewEvent("u\x00", "t", "m-g", testTime, 0), `attribute "uid" is no legal text`},
		{"type outside UTF-8", NewEvent("u", "t\xFF", "m-g", testTime, 0), `attribute "type" is no legal text`},
		{"element name", newEvent().Start("a b"), `"a b" is no element name`},
		{"empty element name", newEvent().Start(""), `"" is no element name`},
		{"element name breaks out", newEvent().Start("a/><b"), "is no element name"},
		{"attribute name", newEvent().Start("a").Attr(`b="c" d`, "e"), "is no attribute name"},
		{"empty attribute name", newEvent().Start("a").Attr("", "e"), "is no attribute name"},
		{"attribute twice", newEvent().Start("a").Attr("b", "").Attr("b", ""), `attribute "b" twice in element "a"`},
		{"event attribute twice", newEvent().Attr("uid", "x"), `attribute "uid" twice in element "event"`},
		{"attribute after text", newEvent().Start("a").Text("x").Attr("b", ""), `attribute "b" after the content of element "a"`},
		{"attribute after an element", newEvent().Start("a").Start("b").End().Attr("b", ""), `after the content of element "a"`},
		{"attribute outside UTF-8", newEvent().Start("a").Attr("b", "\xC3"), "is no legal text"},
		{"attribute with U+FFFF", newEvent().Start("a").Attr("b", "\uFFFF"), "is no legal text"},
		{"text with control character", newEvent().Start("a").Text("x\x1By"), `text in element "a" is no legal text`},
		{"text outside UTF-8", newEvent().Text("\x80"), `text in element "event" is no legal text`},
		{"NaN", newEvent().Point(math.NaN(), 0, 0, 0, 0), `attribute "lat" is no finite number`},
		{"infinity", newEvent().Start("a").AttrFloat("v", math.Inf(-1)), `attribute "v" is no finite number`},
		{"point in detail", newEvent().Start("detail").Point(0, 0, 0, 0, 0), "point is not a child of event"},
		{"too many ends", newEvent().End(), "more ends than starts"},
		{"raw not ended", newEvent().Raw("<a>"), `raw XML in element "event": malformed`},
		{"raw breaks out", newEvent().Start("detail").Raw("</detail><detail>"), `raw XML in element "detail": malformed`},
		{"raw with a document type", newEvent().Raw("<!DOCTYPE a>"), "malformed"},
		{"raw too deep", newEvent().Raw(strings.Repeat("<a>", 64) + strings.Repeat("</a>", 64)), "beyond limits"},
		{"raw too long", newEvent().Raw(strings.Repeat(" ", DefaultLimits.Size+1)), "beyond limits"},
		{"too deep", deep(), "beyond limits"},
		{"start after the end", finished.Start("a"), "the event is finished"},
		{"first error stays", newEvent().Start("<").Attr("\xFF", "\xFF").End().End().End(), `"<" is no element name`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.b.String()
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "build event: ") {
				t.Errorf("got %q, error %v; want an error with %q", got, err, tt.want)
			}
		})
	}
}

func TestBuilderFinished(t *testing.T) {
	for name, use := range map[string]func(*Builder) *Builder{
		"Attr": func(b *Builder) *Builder { return b.Attr("a", "b") },
		"Text": func(b *Builder) *Builder { return b.Text("a") },
		"Raw":  func(b *Builder) *Builder { return b.Raw("<a/>") },
		"End":  func(b *Builder) *Builder { return b.End() },
	} {
		t.Run(name, func(t *testing.T) {
			b := newEvent()
			if _, err := b.String(); err != nil {
				t.Fatal(err)
			}
			if _, err := use(b).String(); err == nil || !strings.Contains(err.Error(), "finished") {
				t.Errorf("got %v, want an error that the event is finished", err)
			}
		})
	}
}

func deep() *Builder {
	b := newEvent()
	for range 64 {
		b.Start("a")
	}
	return b
}

func TestFormatFloat(t *testing.T) {
	tests := []struct {
		v    float64
		want string
	}{
		{0, "0.0"}, {-1, "-1.0"}, {Unknown, "9999999.0"}, {48.1373930, "48.137393"}, {1e21, "1000000000000000000000.0"}, {1e-7, "0.0000001"},
	}
	for _, tt := range tests {
		if got := formatFloat(tt.v); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.v, got, tt.want)
		}
	}
	for _, v := range []float64{math.MaxFloat64, math.SmallestNonzeroFloat64, math.Pi, math.Copysign(0, -1)} {
		if got, ok := parseNumber(formatFloat(v)); !ok || math.Float64bits(got) != math.Float64bits(v) {
			t.Errorf("%v reads back as %v, %v", v, got, ok)
		}
	}
}

func TestRetype(t *testing.T) {
	tests := []struct{ name, text, typ, want string }{
		{"shorter", `<event uid="u" type="b-t-f"/>`, "t", `<event uid="u" type="t"/>`},
		{"longer", `<event uid="u" type="b-t-f"><a/></event>`, "b-t-f-s", `<event uid="u" type="b-t-f-s"><a/></event>`},
		{"other quotes", `<event type='b"' uid="u"/>`, "x", `<event type='x' uid="u"/>`},
		{"entities", `<event uid="u" type="&quot;&amp;"/>`, "x", `<event uid="u" type="x"/>`},
		{"escaped", `<event uid="u" type="x"/>`, `a"'<&>`, `<event uid="u" type="a&quot;&apos;&lt;&amp;&gt;"/>`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := mustScan(t, tt.text)
			got := Retype(tt.text, h, tt.typ)
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if h := mustScan(t, got); h.Type != tt.typ {
				t.Errorf("reads back as type %q, want %q", h.Type, tt.typ)
			}
		})
	}
}

// A header that does not belong to the text does no harm.
func TestRetypeWrongHeader(t *testing.T) {
	text := `<event uid="u" type="t"/>`
	for _, at := range []int{-1, 0, 1, 3, len(text) - 1, len(text), len(text) + 1} {
		if got := Retype(text, &Header{TypeAt: at}, "x"); got == "" {
			t.Errorf("type at %d: got nothing", at)
		}
	}
	if got := Retype("", &Header{}, "x"); got != "" {
		t.Errorf("empty text: got %q", got)
	}
}

func TestErrorKinds(t *testing.T) {
	var h Header
	for want, text := range map[error]string{ErrMalformed: "<", ErrLimit: nested(100), ErrInvalid: "<event/>"} {
		err := Scan(text, &h)
		for _, kind := range []error{ErrMalformed, ErrLimit, ErrInvalid} {
			if got := errors.Is(err, kind); got != (kind == want) {
				t.Errorf("%v: is %q: %v, want %v", err, kind, got, kind == want)
			}
		}
	}
}
