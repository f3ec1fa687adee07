package cot

import "unicode/utf8"

// A lexer walks over the elements of a text and checks that it is well-formed
// (XML 1.0 without a document type). Text, comments, CDATA and processing
// instructions are checked and passed over.
//
// It holds numbers only, never the text, which each method is given, and its
// tables are as long as the limits say and never replaced: so nothing of it can
// flow into a result, and the compiler leaves it with its tables on the
// caller's stack. That is why a scan does not allocate.
//
// Methods that read a part of the text take the offset where the part begins
// and give the one after it, or -1 when lx.fault says what is wrong.
type lexer struct {
	at int // where the next step begins

	openTab []tag  // the elements now open, outermost first
	depth   int    // how many they are
	attrTab []attr // the attributes of the start tag just read
	nattrs  int
	fault   fault

	tag   tag  // the element just started or ended
	empty bool // it has no content and no end tag
	endAt int  // where the end tag just read begins
}

// tables are where a lexer's slices live unless the limits are above the usual.
type tables struct {
	open  [64]tag
	attrs [64]attr
}

// sized gives the two tables for a text of n bytes: no more elements or
// attributes than fit into that.
func (t *tables) sized(l Limits, n int) (open []tag, attrs []attr) {
	depth := min(l.Depth, n/len("<a>")+1)
	if depth <= len(t.open) {
		open = t.open[:depth]
	} else {
		open = make([]tag, depth)
	}
	width := min(l.Attrs, n/len("a='' ")+1)
	if width <= len(t.attrs) {
		attrs = t.attrs[:width]
	} else {
		attrs = make([]attr, width)
	}
	return open, attrs
}

// attrs are those of the start tag just read.
func (lx *lexer) attrs() []attr { return lx.attrTab[:lx.nattrs] }

// span is a part of the text.
type span struct{ at, to int32 }

func (p span) in(s string) string { return s[p.at:p.to] }

// tag is where an element's start tag stands.
type tag struct {
	at int32 // its '<'
	to int32 // the end of its name
}

func (t tag) name() span { return span{t.at + 1, t.to} }

// attr is where one attribute stands. A value that needs decoding (it holds a
// reference, or white space other than blanks) has its end inverted.
type attr struct{ name, val span }

func (a attr) value(s string) string {
	if a.val.to < 0 {
		return decodeValue(s[a.val.at:^a.val.to])
	}
	return a.val.in(s)
}

type token uint8

const (
	tokFault token = iota // fault says what is wrong
	tokStart              // tag, attrs and empty are set; not empty: it is now open
	tokEnd                // tag and endAt are set
	tokDone               // the text is at its end with nothing open
)

func (lx *lexer) bad(why reason, at int, of span) int {
	lx.fault = fault{why, int32(at), of}
	return -1
}

// cut is for a text that stops in the middle.
func (lx *lexer) cut(s string) int {
	if n := lx.depth; n > 0 {
		return lx.bad(cutElement, len(s), lx.openTab[n-1].name())
	}
	return lx.bad(cutText, len(s), span{})
}

// next goes on to the next tag.
func (lx *lexer) next(s string) token {
	i := lx.at
	for i >= 0 {
		if i < len(s) && s[i] != '<' {
			if i = lx.text(s, i); i < 0 {
				break
			}
		}
		if i+1 >= len(s) {
			if i == len(s) && lx.depth == 0 {
				lx.at = i
				return tokDone
			}
			lx.cut(s)
			break
		}
		switch s[i+1] {
		case '/':
			if lx.at = lx.endTag(s, i); lx.at < 0 {
				return tokFault
			}
			return tokEnd
		case '!':
			i = lx.declaration(s, i)
		case '?':
			i = lx.instruction(s, i)
		default:
			if lx.at = lx.startTag(s, i); lx.at < 0 {
				return tokFault
			}
			return tokStart
		}
	}
	return tokFault
}

// endTag reads </name>, white space allowed before '>'.
func (lx *lexer) endTag(s string, at int) int {
	n := lx.depth
	if n == 0 {
		return lx.bad(endWithoutStart, at, span{})
	}
	t := lx.openTab[n-1]
	name := t.name().in(s)
	i := at + 2 + len(name)
	if i >= len(s) || s[at+2:i] != name {
		if nameEnd(s, at+2) == len(s) {
			return lx.cut(s)
		}
		return lx.bad(endMismatch, at, t.name())
	}
	if s[i] != '>' {
		if nameRest(s, i) != i {
			return lx.bad(endMismatch, at, t.name())
		}
		if i = skipSpace(s, i); i == len(s) {
			return lx.cut(s)
		}
		if s[i] != '>' {
			return lx.bad(endTrailing, i, t.name())
		}
	}
	lx.depth = n - 1
	lx.tag, lx.endAt = t, at
	return i + 1
}

// startTag reads <name attributes> and <name attributes/>.
func (lx *lexer) startTag(s string, at int) int {
	i := nameEnd(s, at+1)
	if i == at+1 {
		return lx.bad(badElementName, at, span{})
	}
	tag := tag{int32(at), int32(i)}
	if lx.depth >= len(lx.openTab) {
		return lx.bad(tooDeep, at, tag.name())
	}
	lx.tag = tag
	lx.nattrs = 0
	var seen uint64
	for {
		from := i
		if i = skipSpace(s, i); i == len(s) {
			return lx.cut(s)
		}
		if s[i] == '>' {
			lx.openTab[lx.depth] = tag
			lx.depth++
			lx.empty = false
			return i + 1
		}
		if s[i] == '/' {
			if i+1 == len(s) {
				return lx.cut(s)
			}
			if s[i+1] != '>' {
				return lx.bad(badSlash, i, tag.name())
			}
			lx.empty = true
			return i + 2
		}
		if i == from {
			return lx.bad(noSpace, i, tag.name())
		}
		if lx.nattrs >= len(lx.attrTab) {
			return lx.bad(tooManyAttrs, i, tag.name())
		}
		a := &lx.attrTab[lx.nattrs]
		if i = lx.attribute(s, i, a); i < 0 {
			return -1
		}
		mark := a.mark(s)
		if seen&mark != 0 && lx.has(s, a.name.in(s)) {
			return lx.bad(attrTwice, int(a.name.at), a.name)
		}
		seen |= mark
		lx.nattrs++
	}
}

// mark gives one bit for a name. Only a name whose bit another one of the same
// element has can be there twice.
func (a *attr) mark(s string) uint64 {
	first, last, n := uint(s[a.name.at]), uint(s[a.name.to-1]), uint(a.name.to-a.name.at)
	return 1 << ((first + 5*last + 11*n) & 63)
}

// has says whether the element has an attribute of that name already.
func (lx *lexer) has(s string, name string) bool {
	for _, a := range lx.attrs() {
		if a.name.in(s) == name {
			return true
		}
	}
	return false
}

// attribute reads name = "value" into a.
func (lx *lexer) attribute(s string, at int, a *attr) int {
	i := nameEnd(s, at)
	if i == at {
		return lx.bad(badAttrName, at, lx.tag.name())
	}
	name := span{int32(at), int32(i)}
	if i < len(s) && s[i] != '=' {
		i = skipSpace(s, i)
	}
	if i < len(s) && s[i] != '=' {
		return lx.bad(noEquals, i, name)
	}
	i++
	if i < len(s) && s[i] != '"' {
		i = skipSpace(s, i)
	}
	if i >= len(s) {
		return lx.cut(s)
	}
	q := s[i]
	if q != '"' && q != '\'' {
		return lx.bad(noQuotes, i, name)
	}
	from, coded := i+1, false
	i = plainValue(s, from, q)
	for i < len(s) && s[i] != q {
		switch c := s[i]; {
		case c >= utf8.RuneSelf:
			i = lx.runes(s, i)
		case c == '&':
			coded = true
			i = lx.reference(s, i)
		case isSpace(c):
			coded = true
			i++
		case c == '<':
			return lx.bad(lessInValue, i, name)
		default:
			return lx.bad(badControl, i, span{})
		}
		if i < 0 {
			return -1
		}
		i = plainValue(s, i, q)
	}
	if i >= len(s) {
		return lx.cut(s)
	}
	a.name = name
	a.val = span{int32(from), int32(i)}
	if coded {
		a.val.to = ^a.val.to
	}
	return i + 1
}
