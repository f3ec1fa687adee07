package sdk

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/takhost/takhost/hostapi/cot"
)

// XML writes one XML document into memory, for answers and bodies; events are
// written with an EventBuilder. Its methods give the writer back, so that they can be
// chained; the first thing done wrong is kept and comes out of Err. The zero XML is
// ready.
//
//	var x sdk.XML
//	x.Start("list").Start("item").Attr("id", id).Text(name).End().End()
type XML struct {
	buf   []byte
	open  []string
	inTag bool
	done  bool
	err   error
}

// Header writes <?xml version="1.0" encoding="UTF-8"?>, before all else.
func (x *XML) Header() *XML {
	if x.done || len(x.open) > 0 || len(x.buf) > 0 {
		return x.fail("the header is not at the beginning")
	}
	x.buf = append(x.buf, `<?xml version="1.0" encoding="UTF-8"?>`...)
	return x
}

// Start begins an element. Attr may follow at once, then Text and more elements.
func (x *XML) Start(name string) *XML {
	switch {
	case x.err != nil:
		return x
	case x.done:
		return x.fail("a second element " + strconv.Quote(name) + " behind the outermost")
	case len(x.open) == maxDepth:
		return x.fail("nested too deep")
	case !isXMLName(name):
		return x.fail(strconv.Quote(name) + " is no element name")
	}
	x.closeTag()
	x.buf = append(append(x.buf, '<'), name...)
	x.open = append(x.open, name)
	x.inTag = true
	return x
}

// Attr writes an attribute of the element just begun.
func (x *XML) Attr(name, value string) *XML {
	switch {
	case x.err != nil:
		return x
	case !x.inTag:
		return x.fail("attribute " + strconv.Quote(name) + " behind content")
	case !isXMLName(name):
		return x.fail(strconv.Quote(name) + " is no attribute name")
	}
	x.buf = append(append(append(x.buf, ' '), name...), '=', '"')
	x.buf = append(appendXML(x.buf, value, true), '"')
	return x
}

// AttrInt writes a whole number.
func (x *XML) AttrInt(name string, n int64) *XML { return x.Attr(name, strconv.FormatInt(n, 10)) }

// AttrFloat writes a number so that it reads back as the same. It must be finite.
func (x *XML) AttrFloat(name string, v float64) *XML {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return x.fail("attribute " + strconv.Quote(name) + " is no finite number")
	}
	return x.Attr(name, strconv.FormatFloat(v, 'f', -1, 64))
}

// AttrTime writes a time as TAK clients do: 2006-01-02T15:04:05.000Z.
func (x *XML) AttrTime(name string, t time.Time) *XML {
	return x.Attr(name, string(cot.AppendTime(nil, t.UnixMicro())))
}

// Text writes character data. Characters that XML cannot have are written as U+FFFD.
func (x *XML) Text(s string) *XML {
	if x.err == nil && len(x.open) == 0 {
		return x.fail("text outside of the outermost element")
	}
	if x.err == nil && s != "" {
		x.closeTag()
		x.buf = appendXML(x.buf, s, false)
	}
	return x
}

// Element writes an element with a text in it and nothing else.
func (x *XML) Element(name, text string) *XML { return x.Start(name).Text(text).End() }

// Raw writes content that is XML already. It is not checked.
func (x *XML) Raw(xml string) *XML {
	if x.err == nil && len(x.open) == 0 {
		return x.fail("raw XML outside of the outermost element")
	}
	if x.err == nil && xml != "" {
		x.closeTag()
		x.buf = append(x.buf, xml...)
	}
	return x
}

// End ends the innermost element.
func (x *XML) End() *XML {
	if x.err != nil {
		return x
	}
	if len(x.open) == 0 {
		return x.fail("more ends than beginnings")
	}
	last := len(x.open) - 1
	if x.inTag {
		x.buf = append(x.buf, "/>"...)
	} else {
		x.buf = append(append(append(x.buf, "</"...), x.open[last]...), '>')
	}
	x.open, x.inTag, x.done = x.open[:last], false, last == 0
	return x
}

// Bytes gives what was written, what is still open ended. After a fault it gives
// nothing.
func (x *XML) Bytes() []byte {
	x.finish()
	if x.err != nil {
		return nil
	}
	return x.buf
}

// Err gives the first thing done wrong.
func (x *XML) Err() error { return x.err }

func (x *XML) fail(why string) *XML {
	if x.err == nil {
		x.err = &Error{Status: Failed, Message: "write XML: " + why}
	}
	return x
}

func (x *XML) closeTag() {
	if x.inTag {
		x.inTag = false
		x.buf = append(x.buf, '>')
	}
}

func (x *XML) finish() {
	for len(x.open) > 0 && x.err == nil {
		x.End()
	}
}

func (x *XML) take(dst []byte) []byte {
	if x.err == nil {
		x.closeTag()
	}
	dst = append(dst, x.buf...)
	x.buf = x.buf[:0]
	return dst
}

// isXMLName is stricter with ASCII than with other letters, which it all accepts.
func isXMLName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c == ':' || c >= utf8.RuneSelf
		if !letter && (i == 0 || !('0' <= c && c <= '9' || c == '-' || c == '.')) {
			return false
		}
	}
	return s != "" && utf8.ValidString(s)
}

// appendXML writes a text so that it reads back as it is, and fits in quotes of
// either kind when it is a value.
func appendXML(b []byte, s string, inValue bool) []byte {
	for _, r := range s {
		switch r {
		case '<':
			b = append(b, "&lt;"...)
		case '>':
			b = append(b, "&gt;"...)
		case '&':
			b = append(b, "&amp;"...)
		case '"':
			b = append(b, "&quot;"...)
		case '\r':
			b = append(b, "&#13;"...)
		case '\t', '\n':
			if inValue {
				b = append(append(append(b, "&#"...), strconv.Itoa(int(r))...), ';')
				break
			}
			b = append(b, byte(r))
		default:
			if r < ' ' || r == 0xfffe || r == 0xffff {
				r = utf8.RuneError
			}
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}
