package takclient

import "bytes"

// xmlCutter finds event elements in a stream. It follows the markup (comments,
// CDATA, quotes, nesting), so it also cuts right what a plain search for
// </event> would not; whether an element is well-formed is not its business.
// It looks at each byte once, except for markup that a read left unfinished.
type xmlCutter struct {
	pos   int  // all before it has been looked at
	start int  // of the open element
	open  bool // inside an event
	depth int  // of elements, the event being 1
	stray int  // bytes before the element, other than white space, prolog and comments
}

// next gives the first whole element as buf[start:end]; ok is false when more
// bytes are needed. After true the caller drops buf[:end]; after false it may
// only append.
func (x *xmlCutter) next(buf []byte) (start, end, stray int, ok bool) {
	for {
		lt := bytes.IndexByte(buf[x.pos:], '<')
		text := buf[x.pos:]
		if lt >= 0 {
			text = text[:lt]
		}
		if !x.open {
			x.stray += notSpace(text)
		}
		x.pos += len(text)
		if lt < 0 {
			return 0, 0, 0, false
		}
		n, kind := markup(buf[x.pos:])
		if n == 0 {
			return 0, 0, 0, false
		}
		tag := buf[x.pos : x.pos+n]
		x.pos += n
		if !x.open {
			if kind == markOther {
				continue
			}
			if kind == markClose || !isEvent(tag) {
				x.stray += n
				continue
			}
			x.open, x.start = true, x.pos-n
		}
		switch kind {
		case markOpen:
			x.depth++
		case markClose:
			x.depth--
		}
		if x.depth == 0 {
			start, end, stray = x.start, x.pos, x.stray
			*x = xmlCutter{}
			return start, end, stray, true
		}
	}
}

func notSpace(b []byte) (n int) {
	for _, c := range b {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			n++
		}
	}
	return n
}

type markKind uint8

const (
	markOpen  markKind = iota // <a …>
	markClose                 // </a>
	markEmpty                 // <a …/>
	markOther                 // comment, CDATA, processing instruction, declaration
)

// markup measures the piece of markup at the head of b, which begins with <.
// It is 0 while the end has not come.
func markup(b []byte) (n int, kind markKind) {
	if len(b) < 2 {
		return 0, markOther
	}
	switch b[1] {
	case '?':
		return upTo(b, 2, "?>"), markOther
	case '/':
		return upTo(b, 2, ">"), markClose
	case '!':
		for _, m := range [...]struct{ open, end string }{{"<!--", "-->"}, {"<![CDATA[", "]]>"}} {
			if bytes.HasPrefix(b, []byte(m.open)) {
				return upTo(b, len(m.open), m.end), markOther
			}
			if len(b) < len(m.open) && string(b) == m.open[:len(b)] {
				return 0, markOther
			}
		}
		return upTo(b, 2, ">"), markOther
	}
	var quote byte
	for i := 1; i < len(b); i++ {
		switch c := b[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			if b[i-1] == '/' {
				return i + 1, markEmpty
			}
			return i + 1, markOpen
		}
	}
	return 0, markOther
}

// upTo gives the place behind end, looked for from byte from on.
func upTo(b []byte, from int, end string) int {
	i := bytes.Index(b[from:], []byte(end))
	if i < 0 {
		return 0
	}
	return from + i + len(end)
}

// isEvent says whether a start tag is that of an element named event.
func isEvent(tag []byte) bool {
	const name = "<event"
	return len(tag) > len(name) && string(tag[:len(name)]) == name && bytes.IndexByte([]byte(" \t\r\n/>"), tag[len(name)]) >= 0
}
