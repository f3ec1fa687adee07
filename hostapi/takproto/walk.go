package takproto

import "strings"

// element is one child of detail, as offsets into the text walked.
type element struct {
	from, to int // from its '<' to behind its end tag
	nameTo   int // behind the name
	tagTo    int // behind the '>' of its start tag
	empty    bool
}

func (e element) name(s string) string { return s[e.from+1 : e.nameTo] }

// walker goes over the elements at the top level of a piece of XML content.
// On well-formed content it sees exactly the elements that are there. It only
// looks for where things end, so it takes much that is not well-formed too;
// what it guarantees for any text that a later cot.Scan of the whole event
// accepts is that no tag of the text closes an element from outside of it.
type walker struct {
	s  string
	at int
	// bad is set when the text ends inside something, or ends what it did not
	// begin.
	bad bool
}

// next gives the next element; false at the end of the text or when it is bad.
func (w *walker) next() (e element, ok bool) {
	for {
		i := strings.IndexByte(w.s[w.at:], '<')
		if i < 0 {
			return e, false
		}
		e.from = w.at + i
		kind, end := markup(w.s, e.from)
		switch kind {
		case other:
			w.at = end
			continue
		case startTag, emptyTag:
		default:
			w.bad = true
			return e, false
		}
		e.tagTo = end
		e.nameTo = nameEnd(w.s, e.from+1)
		e.to, e.empty = end, true
		if kind == startTag {
			if e.to, e.empty = closing(w.s, end); e.to < 0 {
				w.bad = true
				return e, false
			}
		}
		w.at = e.to
		return e, true
	}
}

// closing finds the end of the element whose content begins at i: the offset
// behind its end tag, -1 when there is none. empty says that there was no
// content at all.
func closing(s string, i int) (end int, empty bool) {
	start := i
	for depth := 1; ; {
		j := strings.IndexByte(s[i:], '<')
		if j < 0 {
			return -1, false
		}
		j += i
		var kind markupKind
		switch kind, i = markup(s, j); kind {
		case startTag:
			depth++
		case endTag:
			if depth--; depth == 0 {
				return i, j == start
			}
		case broken:
			return -1, false
		}
	}
}

type markupKind uint8

const (
	broken markupKind = iota
	startTag
	emptyTag
	endTag
	other // comment, CDATA section, processing instruction
)

// markup tells what begins at the '<' at i, and the offset behind it.
func markup(s string, i int) (markupKind, int) {
	if i+1 >= len(s) {
		return broken, len(s)
	}
	switch s[i+1] {
	case '/':
		if j := strings.IndexByte(s[i:], '>'); j >= 0 {
			return endTag, i + j + 1
		}
	case '?':
		return until(s, i+2, "?>")
	case '!':
		if strings.HasPrefix(s[i:], "<!--") {
			return until(s, i+4, "-->")
		}
		if strings.HasPrefix(s[i:], "<![CDATA[") {
			return until(s, i+9, "]]>")
		}
	default:
		return tag(s, i+1)
	}
	return broken, len(s)
}

func until(s string, i int, mark string) (markupKind, int) {
	j := strings.Index(s[i:], mark)
	if j < 0 {
		return broken, len(s)
	}
	return other, i + j + len(mark)
}

// tag finds the end of a start tag; a '>' within quotes does not end it.
func tag(s string, i int) (markupKind, int) {
	for ; i < len(s); i++ {
		switch c := s[i]; c {
		case '>':
			if s[i-1] == '/' {
				return emptyTag, i + 1
			}
			return startTag, i + 1
		case '"', '\'':
			j := strings.IndexByte(s[i+1:], c)
			if j < 0 {
				return broken, len(s)
			}
			i += j + 1
		}
	}
	return broken, len(s)
}

func nameEnd(s string, i int) int {
	for i < len(s) && !blank(s[i]) && s[i] != '>' && s[i] != '/' && s[i] != '=' {
		i++
	}
	return i
}

func blank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// attribute reads the attribute at i, which is inside of a start tag. The value
// is raw: references are not replaced. next is the offset behind it, -1 when
// there is no further one.
func attribute(s string, i int) (name, value string, next int) {
	i = skipBlanks(s, i)
	to := nameEnd(s, i)
	name = s[i:to]
	i = skipBlanks(s, to)
	if name == "" || i >= len(s) || s[i] != '=' {
		return "", "", -1
	}
	i = skipBlanks(s, i+1)
	if i >= len(s) || s[i] != '"' && s[i] != '\'' {
		return "", "", -1
	}
	n := strings.IndexByte(s[i+1:], s[i])
	if n < 0 {
		return "", "", -1
	}
	return name, s[i+1 : i+1+n], i + n + 2
}

func skipBlanks(s string, i int) int {
	for i < len(s) && blank(s[i]) {
		i++
	}
	return i
}
