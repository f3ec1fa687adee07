package cot

import (
	"errors"
	"strings"
	"testing"
)

// in puts content into an otherwise good event.
func in(content string) string {
	return `<event uid="u" type="t">` + content + `</event>`
}

// TestWellFormed has every rule with a good and a bad case. Where encoding/xml
// judges differently, std says why.
func TestWellFormed(t *testing.T) {
	tests := []struct {
		name string
		text string
		bad  string // part of the error's message; empty: accepted
		std  string // why encoding/xml judges differently; empty: it agrees
	}{
		{name: "smallest", text: `<event uid="u" type="t"/>`},
		{name: "start and end tag", text: in("")},
		{name: "other quotes", text: `<event uid='u' type='t'/>`},
		{name: "quote inside the other", text: `<event uid='"' type="'"/>`},
		{name: "quotes mixed up", text: `<event uid='u" type='t'/>`, bad: "no white space before"},

		// the text as a whole
		{name: "empty text", text: ``, bad: "does not begin", std: "an empty document has no error there"},
		{name: "only a comment", text: `<!-- -->`, bad: "does not begin", std: "needs no root"},
		{name: "another root", text: `<auth uid="u" type="t"/>`, bad: "does not begin", std: "any root"},
		{name: "longer name", text: `<events uid="u" type="t"/>`, bad: "does not begin", std: "any root"},
		{name: "prefixed name", text: `<c:event uid="u" type="t"/>`, bad: "does not begin", std: "any root"},
		{name: "other case", text: `<Event uid="u" type="t"/>`, bad: "does not begin", std: "any root"},
		{name: "blank before", text: ` <event uid="u" type="t"/>`, bad: "does not begin", std: "allowed by XML"},
		{name: "text before", text: `x<event uid="u" type="t"/>`, bad: "does not begin", std: "allows text outside the root"},
		{name: "prolog before", text: `<?xml version="1.0"?><event uid="u" type="t"/>`, bad: "XML declaration", std: "allowed by XML"},
		{name: "comment before", text: `<!-- --><event uid="u" type="t"/>`, bad: "does not begin", std: "allowed by XML"},
		{name: "byte order mark", text: "\uFEFF" + `<event uid="u" type="t"/>`, bad: "does not begin", std: "allows text outside the root"},
		{name: "line end after", text: `<event uid="u" type="t"/>` + "\n", bad: "more text", std: "allowed by XML"},
		{name: "text after", text: in("") + "x", bad: "more text", std: "allows text outside the root"},
		{name: "second event after", text: in("") + in(""), bad: "more text", std: "allows several roots"},
		{name: "comment after", text: in("") + "<!-- -->", bad: "more text", std: "allowed by XML"},
		{name: "end tag too many", text: in("") + "</event>", bad: "more text"},
		{name: "begins with an end tag", text: "</event>", bad: "without a start"},

		// tags
		{name: "white space in tags", text: "<event\n\tuid = \"u\"\r\n type\t=\n't' ></event \n>"},
		{name: "blank before />", text: `<event uid="u" type="t" />`},
		{name: "names crossed", text: in("<a><b></a></b>"), bad: "not that of the open element b"},
		{name: "end tag longer", text: in("<a></ab>"), bad: "open element a"},
		{name: "end tag shorter", text: in("<ab></a>"), bad: "open element ab"},
		{name: "end tag in other case", text: in("<a></A>"), bad: "open element a"},
		{name: "end tag with attribute", text: in(`<a></a b="c">`), bad: "more than a name in the end tag of a"},
		{name: "end tag with slash", text: in(`<a></a/>`), bad: "more than a name"},
		{name: "blank before the end tag's name", text: in(`<a></ a>`), bad: "open element a"},
		{name: "end tag without name", text: in(`<a></>`), bad: "open element a"},
		{name: "blank before the name", text: in(`< a/>`), bad: "without the name"},
		{name: "no name", text: in(`<>`), bad: "without the name"},
		{name: "only a slash", text: in(`</>`), bad: "open element event"},
		{name: "slash alone", text: in(`<a/ >`), bad: "/ inside the start tag of a"},
		{name: "slash amid attributes", text: in(`<a / b="c">`), bad: "/ inside"},
		{name: "tag in a tag", text: in(`<a <b/>></a>`), bad: "cannot begin an attribute"},
		{name: "element named like its prefix", text: in(`<ev><event></event></ev>`)},

		// names
		{name: "all ASCII name characters", text: in(`<_a-b.c:d0_9Zz/>`)},
		{name: "single letter names", text: in(`<a b="c"/>`)},
		{name: "long names", text: in(`<abcdefghijklmnopqrstuvwxyz_ABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789 a2345678="" a23456789=""/>`)},
		{name: "begins with a digit", text: in(`<1a/>`), bad: "without the name"},
		{name: "begins with -", text: in(`<-a/>`), bad: "without the name"},
		{name: "begins with .", text: in(`<.a/>`), bad: "without the name"},
		{name: "begins with :", text: in(`<:a/>`)},
		{name: "ends with :", text: in(`<a: b:=""/>`)},
		{name: "two colons", text: in(`<a:b:c/>`), std: "allows one colon; TAK readers know no namespaces"},
		{name: "unbound prefix", text: in(`<a:b c:d="e"></a:b>`)},
		{name: "ASCII that is no name", text: in(`<a+b/>`), bad: "no white space before"},
		{name: "letters beyond ASCII", text: in("<größe länge=\"1\"></größe>")},
		{name: "CJK name", text: in("<位置/>")},
		{name: "name mixed", text: in("<abcdefghijklmnopö-x7/>")},
		{name: "new in the fifth edition", text: in("<a\U00010000/>"), std: "has the tables of the fourth edition"},
		{name: "middle dot inside", text: in("<a\u00B7b/>")},
		{name: "middle dot first", text: in("<\u00B7b/>"), bad: "without the name"},
		{name: "multiplication sign", text: in("<a\u00D7/>"), bad: "no white space before"},
		{name: "combining mark first", text: in("<\u0301a/>"), bad: "without the name"},
		{name: "no UTF-8 in a name", text: in("<a\xFF/>"), bad: "no white space before"},
		{name: "no UTF-8 first in a name", text: in("<\xC3/>"), bad: "without the name"},
		{name: "no UTF-8 in an attribute's name", text: in("<a b\xFF=''/>"), bad: "no = after"},

		// attributes
		{name: "no white space between", text: in(`<a b="c"d="e"/>`), bad: "no white space before an attribute of a", std: "does not ask for it"},
		{name: "no white space after the name", text: in(`<a"b"/>`), bad: "no white space"},
		{name: "no value", text: in(`<a b/>`), bad: "no = after attribute b"},
		{name: "no value, then another", text: in(`<a b c="d"/>`), bad: "no = after attribute b"},
		{name: "no quotes", text: in(`<a b=c/>`), bad: "no quotes around the value of attribute b"},
		{name: "two =", text: in(`<a b=="c"/>`), bad: "no quotes"},
		{name: "twice", text: in(`<a b="1" c="2" b="1"/>`), bad: "twice: b", std: "does not look"},
		{name: "twice in event", text: `<event uid="u" type="t" uid="v"/>`, bad: "twice: uid", std: "does not look"},
		{name: "alike but not the same", text: in(`<a aba="1" aca="2" bab="" a="" aa="" aaa="" A="" AA=""/>`)},
		{name: "same in another element", text: in(`<a b="1"/><a b="1"/>`)},
		{name: "< in a value", text: in(`<a b="<"/>`), bad: "< in the value of attribute b"},
		{name: "> in a value", text: in(`<a b=">"/>`)},
		{name: "]]> in a value", text: in(`<a b="]]>"/>`)},
		{name: "line end in a value", text: in("<a b=\"1\r\n\t2\"/>")},
		{name: "control character in a value", text: in("<a b='\x01'/>"), bad: "control character"},
		{name: "NUL in a value", text: in("<a b='123456789\x00'/>"), bad: "control character"},
		{name: "DEL in a value", text: in("<a b='\x7F'/>")},
		{name: "emoji in a value", text: in(`<a b="🚁 abcdefgh ß"/>`)},
		{name: "no UTF-8 in a value", text: in("<a b='abc\xE4def'/>"), bad: "no UTF-8"},
		{name: "UTF-8 cut by the quote", text: in("<a b='\xF0\x9F\x9A'/>"), bad: "no UTF-8"},
		{name: "surrogate as UTF-8", text: in("<a b='\xED\xA0\x80'/>"), bad: "no UTF-8"},
		{name: "overlong UTF-8", text: in("<a b='\xC0\xBC'/>"), bad: "no UTF-8"},
		{name: "beyond Unicode", text: in("<a b='\xF4\x90\x80\x80'/>"), bad: "no UTF-8"},
		{name: "U+FFFE in a value", text: in("<a b='\uFFFE'/>"), bad: "no XML character"},
		{name: "U+FFFF in a value", text: in("<a b='\uFFFF'/>"), bad: "no XML character"},
		{name: "U+FFFD in a value", text: in("<a b='\uFFFD'/>")},
		{name: "C1 control in a value", text: in("<a b='\u0085'/>")},

		// text
		{name: "text everywhere", text: in(" a <b> c </b> d ")},
		{name: "> in text", text: in("a > b")},
		{name: "]]> in text", text: in("a ]]> b"), bad: "]]> in text"},
		{name: "]]> first in text", text: in("]]>"), bad: "]]> in text"},
		{name: "]]] > in text", text: in("]]]>"), bad: "]]> in text"},
		{name: "]] then a tag", text: in("]]<a/>>")},
		{name: "]] written with a reference", text: in("]&#93;>")},
		{name: "> written with a reference", text: in("]]&gt;")},
		{name: "] before a comment", text: in("]<!-- -->]>")},
		{name: "]> alone", text: in("]>")},
		{name: "control character in text", text: in("ab\x0Bcd"), bad: "control character"},
		{name: "control character in long text", text: in("0123456789 0123456789\x1F"), bad: "control character"},
		{name: "all white space", text: in(" \t\r\n")},
		{name: "emoji in text", text: in("abcdefgh🚁ij")},
		{name: "no UTF-8 in text", text: in("abc\x80def"), bad: "no UTF-8"},
		{name: "U+FFFF in text", text: in("\uFFFF"), bad: "no XML character"},

		// references
		{name: "the five", text: in(`<a b="&lt;&gt;&amp;&apos;&quot;">&lt;&gt;&amp;&apos;&quot;</a>`)},
		{name: "numbers", text: in(`<a b="&#65;&#x41;&#x1F681;">&#10;&#xD;&#9;</a>`)},
		{name: "leading zeros", text: in(`&#x0000000000000041;&#0000000000000000000000065;`)},
		{name: "unknown entity", text: in(`&nbsp;`), bad: "none of the five"},
		{name: "unknown entity in a value", text: in(`<a b="&foo;"/>`), bad: "none of the five"},
		{name: "entity in other case", text: in(`&LT;`), bad: "none of the five"},
		{name: "no semicolon", text: in(`&lt `), bad: "none of the five"},
		{name: "bare &", text: in(`R&B`), bad: "none of the five"},
		{name: "bare & in a value", text: in(`<a b="R & B"/>`), bad: "none of the five"},
		{name: "& before the quote", text: in(`<a b="&"/>`), bad: "none of the five"},
		{name: "empty reference", text: in(`&;`), bad: "none of the five"},
		{name: "no digits", text: in(`&#;`), bad: "none of the five"},
		{name: "no hex digits", text: in(`&#x;`), bad: "none of the five"},
		{name: "capital X", text: in(`&#X41;`), bad: "none of the five"},
		{name: "hex digit in a decimal", text: in(`&#4a;`), bad: "none of the five"},
		{name: "reference to NUL", text: in(`&#0;`), bad: "none of the five"},
		{name: "reference to a control character", text: in(`&#x1F;`), bad: "none of the five"},
		{name: "reference to a surrogate", text: in(`&#xD800;`), bad: "none of the five", std: "reads it as U+FFFD"},
		{name: "reference to U+FFFE", text: in(`&#xFFFE;`), bad: "none of the five"},
		{name: "reference to U+FFFD", text: in(`&#xFFFD;`)},
		{name: "reference to U+10FFFF", text: in(`&#x10FFFF;`)},
		{name: "reference beyond Unicode", text: in(`&#x110000;`), bad: "none of the five"},
		{name: "reference past 64 bits", text: in(`&#18446744073709551681;`), bad: "none of the five"},

		// comments, CDATA, instructions, declarations
		{name: "comment", text: in(`<!-- a -- >`), bad: "-- inside a comment"},
		{name: "comment with tags", text: in(`<!-- </event> <b> & < ]]> "' -->`)},
		{name: "empty comment", text: in(`<!---->`)},
		{name: "comment with -", text: in(`<!-- - -> - -->`)},
		{name: "comment ends with ---", text: in(`<!-- --->`), bad: "-- inside a comment"},
		{name: "short comment", text: in(`<!-->`), bad: "text ends inside element"},
		{name: "short comment with -", text: in(`<!--->`), bad: "text ends inside element"},
		{name: "control character in a comment", text: in("<!-- \x01 -->"), bad: "control character", std: "does not look"},
		{name: "no UTF-8 in a comment", text: in("<!-- \xFF -->"), bad: "no UTF-8", std: "does not look"},
		{name: "white space and emoji in a comment", text: in("<!-- \t\r\n🚁\u00e4 -->")},
		{name: "comment in a tag", text: in(`<a <!-- --> />`), bad: "cannot begin an attribute"},
		{name: "CDATA", text: in(`<![CDATA[ </event> & < ]] ]> ]]]>`)},
		{name: "empty CDATA", text: in(`<![CDATA[]]>`)},
		{name: "CDATA twice", text: in(`<![CDATA[a]]><![CDATA[b]]>`)},
		{name: "CDATA in CDATA", text: in(`<![CDATA[<![CDATA[]]>]]>`), bad: "]]> in text"},
		{name: "CDATA without end", text: in(`<![CDATA[ ]] >`), bad: "text ends inside element event"},
		{name: "CDATA in other case", text: in(`<![cdata[ ]]>`), bad: "declaration"},
		{name: "control character in CDATA", text: in("<![CDATA[\x08]]>"), bad: "control character"},
		{name: "no UTF-8 in CDATA", text: in("<![CDATA[\xA0]]>"), bad: "no UTF-8"},
		{name: "instruction", text: in(`<?a?><?b c="d" ??>`)},
		{name: "instruction with tags", text: in(`<?php </event> & < > ?>`)},
		{name: "instruction named xml", text: in(`<?xml version="1.0"?>`), bad: "XML declaration", std: "allows it anywhere"},
		{name: "instruction named XmL", text: in(`<?XmL?>`), bad: "XML declaration", std: "allows it"},
		{name: "instruction named xml-x", text: in(`<?xml-x?>`)},
		{name: "instruction without name", text: in(`<? a?>`), bad: "proper name"},
		{name: "instruction with bad name", text: in(`<?a/b?>`), bad: "proper name", std: "asks for no white space"},
		{name: "instruction with ? in its name", text: in(`<?a?b?>`), bad: "proper name", std: "asks for no white space"},
		{name: "instruction without end", text: in(`<?a ? >`), bad: "text ends inside element event"},
		{name: "control character in an instruction", text: in("<?a \x02?>"), bad: "control character", std: "does not look"},
		{name: "document type first", text: `<!DOCTYPE event><event uid="u" type="t"/>`, bad: "document type", std: "passes it on as a token"},
		{name: "document type inside", text: in(`<!DOCTYPE a>`), bad: "document type", std: "passes it on as a token"},
		{name: "entity definition", text: in(`<!ENTITY a "b">`), bad: "document type", std: "passes it on as a token"},
		{name: "small doctype", text: in(`<!doctype html>`), bad: "document type", std: "passes it on as a token"},
		{name: "conditional section", text: in(`<![INCLUDE[ ]]>`), bad: "declaration"},
		{name: "half a comment start", text: in(`<!- -->`), bad: "declaration"},
		{name: "bare <!", text: in(`<!>`), bad: "declaration"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h Header
			err := Scan(tt.text, &h)
			if tt.bad == "" && err != nil {
				t.Fatalf("got error %v, want none", err)
			}
			if tt.bad != "" {
				if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tt.bad) {
					t.Fatalf("got error %v, want a malformed event with %q", err, tt.bad)
				}
			}
			std := readOracle(tt.text).wellFormed
			if agrees := (std == nil) == (err == nil); agrees != (tt.std == "") {
				t.Errorf("encoding/xml says %v, we say %v; the table's reason for a difference is %q", std, err, tt.std)
			}
		})
	}
}

// TestCut cuts an event that has every kind of markup after each byte.
func TestCut(t *testing.T) {
	whole := `<event uid = "u" type='t'><!-- c --><?p i?><point lat="1" lon="2"/>` +
		`<detail><a b="&amp;ß">ä&#65;<![CDATA[x]]></a ></detail></event>`
	var h Header
	if err := Scan(whole, &h); err != nil {
		t.Fatalf("the whole: %v", err)
	}
	for n := range len(whole) {
		err := Scan(whole[:n], &h)
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, ErrMalformed) {
			t.Fatalf("the first %d bytes: got %v, want a malformed event", n, err)
		}
		if e.Offset < 0 || e.Offset > n {
			t.Errorf("the first %d bytes: got offset %d beyond the text", n, e.Offset)
		}
	}
}

func TestErrorOffset(t *testing.T) {
	tests := []struct {
		name, text string
		at         int
		msg        string
	}{
		{"control character", in("ab\x01"), 26, "malformed event: byte 26: control character"},
		{"end tag", in("<a></b>"), 27, "malformed event: byte 27: end tag is not that of the open element a"},
		{"time", `<event uid="u" type="t" time="now"/>`, 30, "invalid event: byte 30: no time in event attribute time"},
		{"point", in(`<point lat="x"/>`), 36, "invalid event: byte 36: no finite number in point attribute lat"},
		{"cut", `<event uid="u" type="t"><detail>`, 32, "malformed event: byte 32: text ends inside element detail"},
		{"long name", in("<" + strings.Repeat("位", 40) + "></b>"), 146,
			"malformed event: byte 146: end tag is not that of the open element " + strings.Repeat("位", 10) + "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h Header
			err := Scan(tt.text, &h)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if e.Offset != tt.at || err.Error() != tt.msg {
				t.Errorf("got %q at %d, want %q at %d", err, e.Offset, tt.msg, tt.at)
			}
		})
	}
}
