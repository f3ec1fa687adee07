package cot

import (
	"strings"
	"unicode/utf8"
)

const (
	commentStart = "<!--"
	commentEnd   = "-->"
	cdataStart   = "<![CDATA["
	cdataEnd     = "]]>"
	instrStart   = "<?"
	instrEnd     = "?>"
)

// text reads character data up to the next '<' or the end of the text.
func (lx *lexer) text(s string, from int) int {
	i := from
	for {
		if i = plainText(s, i); i == len(s) {
			return i
		}
		switch c := s[i]; {
		case c == '<':
			return i
		case isSpace(c):
			i = skipSpace(s, i)
		case c >= utf8.RuneSelf:
			i = lx.runes(s, i)
		case c == '&':
			i = lx.reference(s, i)
		case c == '>':
			// A reference between would end in ';'.
			if i-2 >= from && s[i-2:i] == cdataEnd[:2] {
				return lx.bad(badCDATAEnd, i-2, span{})
			}
			i++
		default:
			return lx.bad(badControl, i, span{})
		}
		if i < 0 {
			return -1
		}
	}
}

// runes reads characters beyond ASCII.
func (lx *lexer) runes(s string, i int) int {
	end, ok := runesEnd(s, i)
	if !ok {
		return lx.bad(badRune, end, span{})
	}
	return end
}

// reference reads &name; or &#number;.
func (lx *lexer) reference(s string, at int) int {
	_, n := decodeReference(s[at:])
	if n == 0 {
		return lx.bad(badReference, at, span{})
	}
	return at + n
}

// declaration reads what begins with <!: comments and CDATA. A document type
// or a declaration of one is refused.
func (lx *lexer) declaration(s string, at int) int {
	switch {
	case strings.HasPrefix(s[at:], commentStart):
		i := lx.until(s, at+len(commentStart), commentEnd[:2])
		if i < 0 {
			return -1
		}
		if i == len(s) {
			return lx.cut(s)
		}
		if s[i] != '>' {
			return lx.bad(badComment, i-2, span{})
		}
		return i + 1
	case strings.HasPrefix(s[at:], cdataStart):
		return lx.until(s, at+len(cdataStart), cdataEnd)
	case strings.HasPrefix(commentStart, s[at:]), strings.HasPrefix(cdataStart, s[at:]):
		return lx.cut(s)
	default:
		return lx.bad(badDeclaration, at, span{})
	}
}

// instruction reads <?target …?>.
func (lx *lexer) instruction(s string, at int) int {
	from := at + len(instrStart)
	i := nameEnd(s, from)
	if i == from {
		return lx.bad(badPIName, at, span{})
	}
	if strings.EqualFold(s[from:i], "xml") {
		return lx.bad(badXMLDecl, at, span{})
	}
	if i < len(s) && !isSpace(s[i]) && !strings.HasPrefix(s[i:], instrEnd) {
		return lx.bad(badPIName, at, span{})
	}
	return lx.until(s, i, instrEnd)
}

// until passes over legal characters up to and including end.
func (lx *lexer) until(s string, i int, end string) int {
	for {
		if i = plainUntil(s, i, end[0]); i == len(s) {
			return lx.cut(s)
		}
		switch c := s[i]; {
		case c == end[0]:
			if strings.HasPrefix(s[i:], end) {
				return i + len(end)
			}
			i++
		case isSpace(c):
			i = skipSpace(s, i)
		case c >= utf8.RuneSelf:
			if i = lx.runes(s, i); i < 0 {
				return -1
			}
		default:
			return lx.bad(badControl, i, span{})
		}
	}
}
