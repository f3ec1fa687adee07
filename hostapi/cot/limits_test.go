package cot

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// nested is an event with so many elements inside one another, itself included.
func nested(depth int) string {
	return in(strings.Repeat("<a>", depth-1) + strings.Repeat("</a>", depth-1))
}

// wide is an element with so many attributes.
func wide(attrs int) string {
	var b strings.Builder
	for i := range attrs {
		fmt.Fprintf(&b, " a%d=''", i)
	}
	return in("<a" + b.String() + "/>")
}

func TestLimits(t *testing.T) {
	small := Limits{Size: 100, Depth: 3, Attrs: 2}
	large := Limits{Size: 1 << 20, Depth: 1000, Attrs: 500}
	tests := []struct {
		name string
		lim  Limits
		text string
		want error
	}{
		{"size reached", small, in(strings.Repeat("x", 100-len(in("")))), nil},
		{"size passed", small, in(strings.Repeat("x", 101-len(in("")))), ErrLimit},
		{"depth reached", small, nested(3), nil},
		{"depth reached by an empty element", small, in("<a><b/></a>"), nil},
		{"depth passed", small, nested(4), ErrLimit},
		{"depth passed by an empty element", small, in("<a><b><c/></b></a>"), ErrLimit},
		{"depth reached often", small, in("<a><b/></a><a><b/></a>"), nil},
		{"attributes reached", small, wide(2), nil},
		{"attributes passed", small, wide(3), ErrLimit},
		{"usual depth reached", Limits{}, nested(64), nil},
		{"usual depth passed", Limits{}, nested(65), ErrLimit},
		{"usual attributes reached", Limits{}, wide(64), nil},
		{"usual attributes passed", Limits{}, wide(65), ErrLimit},
		{"negative counts as usual", Limits{-1, -1, -1}, nested(65), ErrLimit},
		{"depth beyond the usual", large, nested(1000), nil},
		{"attributes beyond the usual", large, wide(500), nil},
		{"beyond the usual, passed", large, nested(1001), ErrLimit},
		{"far beyond, small text", Limits{Size: 1 << 40, Depth: 1 << 40, Attrs: 1 << 40}, nested(65), nil},
		{"tightest text", Limits{Depth: 1 << 20}, "<a>", ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h Header
			if err := tt.lim.Scan(tt.text, &h); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	t.Run("usual size", func(t *testing.T) {
		var h Header
		text := in(strings.Repeat(" ", DefaultLimits.Size))
		if err := Scan(text, &h); !errors.Is(err, ErrLimit) {
			t.Errorf("got %v, want %v", err, ErrLimit)
		}
		text = in(strings.Repeat(" ", DefaultLimits.Size-len(in(""))))
		if err := Scan(text, &h); err != nil {
			t.Errorf("got %v, want none", err)
		}
	})
}

// hostile gives texts of about n bytes that are made to cost time or memory.
func hostile(n int) map[string]string {
	fill := func(s string) string { return strings.Repeat(s, n/len(s)) }
	attrs := func(name string) string {
		var b strings.Builder
		for i := range DefaultLimits.Attrs {
			fmt.Fprintf(&b, " %s%02d=''", name, i)
		}
		return "<a" + b.String() + "/>"
	}
	return map[string]string{
		"many elements":               in(fill("<a/>")),
		"many pairs":                  in(fill("<a></a>")),
		"open tags":                   in(fill("<a>")),
		"half tags":                   in(fill("<a")),
		"only <":                      fill("<"),
		"only </":                     in(fill("</")),
		"attributes of one element":   in("<a" + fill(" a=''") + "/>"),
		"elements full of attributes": in(strings.Repeat(attrs("a"), n/len(attrs("a")))),
		"long names all alike":        in(attrs(strings.Repeat("n", n/DefaultLimits.Attrs))),
		"references":                  in(fill("&amp;")),
		"long reference":              in("&#" + fill("0") + ";"),
		"references without end":      in("<a b='" + fill("&#00") + "'/>"),
		"]]> nearly":                  in(fill("]]]")),
		"comments":                    in(fill("<!---->")),
		"comment full of -":           in("<!--" + fill("- ") + "-->"),
		"CDATA full of ]":             in("<![CDATA[" + fill("]") + "]]>"),
		"CDATA starts":                in(fill("<![CDATA[")),
		"instruction full of ?":       in("<?a " + fill("?") + "?>"),
		"white space in a tag":        in("<a" + fill(" ") + "/>"),
		"line ends in a value":        in("<a b='" + fill("\r\n") + "'/>"),
		"control characters":          in(fill("\t")),
		"three-byte characters":       in(fill("位")),
		"destinations":                detail("<marti>" + fill("<dest uid='a'/>") + "</marti>"),
		"uid of references":           "<event uid='" + fill("&lt;") + "' type='t'/>",
		"digits":                      in("<point lat='" + fill("1") + "'/>"),
		"digits of a time":            "<event uid='u' type='t' time='2026-01-02T03:04:05." + fill("1") + "Z'/>",
		"equals signs":                detail(fill("=")),
		"text in pieces":              detail("<a>" + fill("x<b/>") + "</a>"),
	}
}

// TestHostile reads texts as large as may be. All of it is linear, some tens of
// milliseconds each; the time allowed would be passed many times over by
// anything quadratic.
func TestHostile(t *testing.T) {
	for name, text := range hostile(DefaultLimits.Size - 1000) {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			var h Header
			err := Scan(text, &h)
			if err == nil {
				tree, err := ParseDetail(text, &h)
				if err != nil {
					t.Errorf("parse detail: %v", err)
				}
				n := 0
				for c := range tree.Root().Children() {
					n += len(c.Text())
				}
				_ = Retype(text, &h, "x")
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("%d bytes took %v (%v)", len(text), took, err)
			}
		})
	}
}

func TestLimitOnDestinations(t *testing.T) {
	event := func(n int) string {
		return `<event uid="u" type="b-t-f"><detail><marti>` + strings.Repeat(`<dest uid="x"/>`, n) + `</marti></detail></event>`
	}
	var h Header
	if err := Scan(event(MaxDests), &h); err != nil || h.NumDests() != MaxDests {
		t.Errorf("%d destinations: %d found, error %v", MaxDests, h.NumDests(), err)
	}
	if err := Scan(event(MaxDests+1), &h); !errors.Is(err, ErrLimit) {
		t.Errorf("%d destinations: error %v, want %v", MaxDests+1, err, ErrLimit)
	}
}
