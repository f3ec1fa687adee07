package sdk

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestXML(t *testing.T) {
	tests := []struct {
		name  string
		write func(x *XML)
		want  string
	}{
		{"attributes", func(x *XML) { x.Start("a").Attr("b", "c").AttrInt("n", -1).AttrFloat("f", 0.1).End() }, `<a b="c" n="-1" f="0.1"/>`},
		{"nested", func(x *XML) { x.Start("a").Start("b").Text("t").End().Element("c", "u") }, `<a><b>t</b><c>u</c></a>`},
		{"header", func(x *XML) { x.Header().Start("a") }, `<?xml version="1.0" encoding="UTF-8"?><a/>`},
		{"time", func(x *XML) { x.Start("a").AttrTime("t", time.UnixMicro(1714564800123456)) }, `<a t="2024-05-01T12:00:00.123Z"/>`},
		{"escapes", func(x *XML) { x.Start("a").Attr("b", "<&>\"'\t\n").Text("<&>\r\n") }, `<a b="&lt;&amp;&gt;&quot;'&#9;&#10;">&lt;&amp;&gt;&#13;` + "\n</a>"},
		{"raw", func(x *XML) { x.Start("a").Raw("<b/>").Text("") }, `<a><b/></a>`},
		{"no character", func(x *XML) { x.Start("a").Text("\x00\ufffe\xff") }, "<a>\ufffd\ufffd\ufffd</a>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var x XML
			tt.write(&x)
			if got := string(x.Bytes()); got != tt.want || x.Err() != nil {
				t.Errorf("got %s, %v, want %s", got, x.Err(), tt.want)
			}
			if _, err := ParseXML(strings.TrimPrefix(tt.want, `<?xml version="1.0" encoding="UTF-8"?>`)); err != nil {
				t.Errorf("does not read back: %v", err)
			}
		})
	}
	faults := []struct {
		name  string
		write func(x *XML)
	}{
		{"two elements", func(x *XML) { x.Start("a").End().Start("b") }},
		{"text outside", func(x *XML) { x.Text("x") }},
		{"raw outside", func(x *XML) { x.Raw("x") }},
		{"attribute after text", func(x *XML) { x.Start("a").Text("x").Attr("b", "") }},
		{"bad name", func(x *XML) { x.Start("a b") }},
		{"bad attribute name", func(x *XML) { x.Start("a").Attr("1", "") }},
		{"too many ends", func(x *XML) { x.Start("a").End().End() }},
		{"late header", func(x *XML) { x.Start("a").Header() }},
		{"no number", func(x *XML) { x.Start("a").AttrFloat("b", math.NaN()) }},
	}
	for _, tt := range faults {
		t.Run(tt.name, func(t *testing.T) {
			var x XML
			tt.write(&x)
			if b := x.Bytes(); b != nil || x.Err() == nil {
				t.Errorf("got %s, %v, want an error", b, x.Err())
			}
		})
	}
}

func FuzzXMLText(f *testing.F) {
	for _, s := range []string{"", "plain", "<&>\"'\r\n\t", "é漢🙂", "\xff", "]]>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var x XML
		doc := string(x.Start("a").Attr("v", s).Element("t", s).Bytes())
		in, err := ParseXML(doc)
		if err != nil {
			t.Fatalf("%q: %s: %v", s, doc, err)
		}
		want := strings.Map(func(r rune) rune {
			if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
				return '\ufffd'
			}
			return r
		}, strings.ToValidUTF8(s, "\ufffd"))
		// A run of bytes that are no UTF-8 is one U+FFFD to ToValidUTF8, and one for each
		// byte to the writer.
		squeeze := func(s string) string {
			for strings.Contains(s, "\ufffd\ufffd") {
				s = strings.ReplaceAll(s, "\ufffd\ufffd", "\ufffd")
			}
			return s
		}
		if v, _ := in.Node().Attr("v"); squeeze(v) != squeeze(want) {
			t.Errorf("attribute %q reads back as %q", s, v)
		}
		if v := in.Node().Child("t").Text(); squeeze(v) != squeeze(want) {
			t.Errorf("text %q reads back as %q", s, v)
		}
	})
}
