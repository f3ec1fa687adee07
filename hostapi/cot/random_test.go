package cot

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Pieces of which random events are made; those that are wrong somewhere are
// put into a right text one at a time.
var (
	someNames  = []string{"a", "b", "contact", "marti", "dest", "detail", "point", "track", "__group", "event", "emergency", "größe", "x:y", "_flow-tags_", "a.b-c_d9"}
	someAttrs  = []string{"uid", "callsign", "endpoint", "lat", "speed", "name", "archive", "mission-guid", "group", "ü", "x:y"}
	someValues = []string{"", "1", "-1.5e3", "NaN", "false", "ALPHA", "All Streaming", "&amp;", "&#x1F681;&lt;", "ß🚁", "a b", "a\tb", "]]>", "2026-01-02T03:04:05Z", "0123456789abcdefghij"}
	someText   = []string{"", " ", "\r\n\t", "text", "&quot;&#65;", "位置", "]] >", "a > b", "0123456789 0123456789"}
	someMarkup = []string{"<!-- c -->", "<!-- </event> & -->", "<![CDATA[]]>", "<![CDATA[</event>]]]>", "<?p?>", "<?p </event> ?>"}
	somePieces = []string{
		"<", ">", "/", "=", "'", "\"", "&", ";", " ", "]", "]]>", "--", "-->", "<!--", "<![CDATA[", "<?", "?>", "<?xml ?>", "<!", "<!DOCTYPE a>",
		"</", "/>", "</event>", "</detail>", "<a>", "</a>", "<a", "a='b'", "b", ":", "\x00", "\x1f", "\x7f", "\x80", "\xff", "\xed\xa0\x80",
		"\uFFFE", "\u00B7", "&#0;", "&#xD800;", "&nbsp;", "&lt", "&#65", "\n", "\r",
	}
)

func drawContent(t *rapid.T, b *strings.Builder, depth int) {
	for range rapid.IntRange(0, 4).Draw(t, "parts") {
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			b.WriteString(rapid.SampledFrom(someText).Draw(t, "text"))
		case 1:
			b.WriteString(rapid.SampledFrom(someMarkup).Draw(t, "markup"))
		default:
			name := rapid.SampledFrom(someNames).Draw(t, "name")
			if depth == 0 {
				name = rapid.SampledFrom([]string{"detail", "point", "detail", "contact"}).Draw(t, "name")
			}
			b.WriteString("<" + name)
			drawAttrs(t, b)
			if depth > 3 || rapid.Bool().Draw(t, "empty") {
				b.WriteString(rapid.SampledFrom([]string{"/>", " />"}).Draw(t, "tail"))
				continue
			}
			b.WriteString(rapid.SampledFrom([]string{">", "\n>"}).Draw(t, "tail"))
			drawContent(t, b, depth+1)
			b.WriteString("</" + name + rapid.SampledFrom([]string{">", " >", "\r\n>"}).Draw(t, "tail"))
		}
	}
}

func drawAttrs(t *rapid.T, b *strings.Builder) {
	names := rapid.SliceOfNDistinct(rapid.SampledFrom(someAttrs), 0, 4, rapid.ID).Draw(t, "attrs")
	for _, name := range names {
		q := rapid.SampledFrom([]string{"'", `"`}).Draw(t, "quote")
		eq := rapid.SampledFrom([]string{"=", "=", " =\n"}).Draw(t, "equals")
		b.WriteString(" " + name + eq + q + rapid.SampledFrom(someValues).Draw(t, "value") + q)
	}
}

// TestRandomEvents holds random events, right ones and ones with one mistake,
// against encoding/xml.
func TestRandomEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		b.WriteString(`<event uid="u" type='t'>`)
		drawContent(t, &b, 0)
		b.WriteString("</event>")
		text := b.String()

		var h Header
		if err := Scan(text, &h); err != nil && !errors.Is(err, ErrInvalid) {
			t.Fatalf("a right event %q is refused: %v", text, err)
		} else if err == nil {
			compareTree(t, text)
		}
		compareOracle(t, text)

		at := rapid.IntRange(0, len(text)).Draw(t, "at")
		cut := min(rapid.IntRange(0, 3).Draw(t, "cut"), len(text)-at)
		compareOracle(t, text[:at]+rapid.SampledFrom(somePieces).Draw(t, "piece")+text[at+cut:])
	})
}
