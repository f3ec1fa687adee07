package tree

import (
	"unicode/utf16"
	"unicode/utf8"

	"github.com/takhost/takhost/hostapi"
)

// text gives a span of str, which may lie in decoded.
func (p *jsonParser) text(s hostapi.Span) string {
	if s.At >= len(p.doc) {
		return string(p.decoded[s.At-len(p.doc) : s.To-len(p.doc)])
	}
	return string(p.doc[s.At:s.To])
}

// number reads -12.5e+3, without a zero in front.
func (p *jsonParser) number() bool {
	if p.doc[p.at] == '-' {
		p.at++
	}
	from := p.at
	if p.digits() == 0 {
		return p.fail("no digit in a number")
	}
	if p.doc[from] == '0' && p.at > from+1 {
		p.at = from
		return p.fail("a number that begins with 0")
	}
	if p.at < len(p.doc) && p.doc[p.at] == '.' {
		p.at++
		if p.digits() == 0 {
			return p.fail("no digit after the point of a number")
		}
	}
	if p.at < len(p.doc) && p.doc[p.at]|0x20 == 'e' {
		p.at++
		if p.at < len(p.doc) && (p.doc[p.at] == '+' || p.doc[p.at] == '-') {
			p.at++
		}
		if p.digits() == 0 {
			return p.fail("no digit in the exponent of a number")
		}
	}
	return true
}

func (p *jsonParser) digits() (n int) {
	for p.at < len(p.doc) && p.doc[p.at]-'0' <= 9 {
		p.at++
		n++
	}
	return n
}

// str reads a string: a part of the document, or of decoded when it has
// escapes.
func (p *jsonParser) str() (s hostapi.Span, ok bool) {
	p.at++
	from, decoded := p.at, -1 // done up to from; decoded is where the copy begins
	for p.at < len(p.doc) {
		switch c := p.doc[p.at]; {
		case c == '"':
			s = hostapi.Span{At: from, To: p.at}
			if decoded >= 0 {
				p.decoded = append(p.decoded, p.doc[from:p.at]...)
				s = hostapi.Span{At: len(p.doc) + decoded, To: len(p.doc) + len(p.decoded)}
			}
			p.at++
			return s, true
		case c == '\\':
			if decoded < 0 {
				decoded = len(p.decoded)
			}
			p.decoded = append(p.decoded, p.doc[from:p.at]...)
			if !p.escape() {
				return s, false
			}
			from = p.at
		case c < ' ':
			return s, p.fail("control character in a string")
		case c < utf8.RuneSelf:
			p.at++
		default:
			r, n := utf8.DecodeRune(p.doc[p.at:])
			if r == utf8.RuneError && n == 1 {
				return s, p.fail("bytes that are no UTF-8")
			}
			p.at += n
		}
	}
	return s, p.fail("document ends inside a string")
}

// escape reads \n and the like into decoded.
func (p *jsonParser) escape() bool {
	if p.at+1 >= len(p.doc) {
		p.at = len(p.doc)
		return p.fail("document ends inside a string")
	}
	c := p.doc[p.at+1]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		r := p.unit(p.at)
		if r < 0 {
			return p.fail("no four hexadecimal digits after \\u")
		}
		p.at += 6
		if utf16.IsSurrogate(r) {
			if pair := utf16.DecodeRune(r, p.unit(p.at)); pair != utf8.RuneError {
				r = pair
				p.at += 6
			} else {
				r = utf8.RuneError
			}
		}
		p.decoded = utf8.AppendRune(p.decoded, r)
		return true
	default:
		return p.fail("an escape in a string that JSON does not have")
	}
	p.decoded = append(p.decoded, c)
	p.at += 2
	return true
}

// unit reads \u12ab at a place, -1 when there is none.
func (p *jsonParser) unit(at int) (r rune) {
	if at+6 > len(p.doc) || p.doc[at] != '\\' || p.doc[at+1] != 'u' {
		return -1
	}
	for _, c := range p.doc[at+2 : at+6] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return r
}
