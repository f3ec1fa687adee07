package cot

import "strings"

// WithoutMarti gives xml, which Scan read into h, without the elements <marti> of its
// detail: who it was sent to is between the sender and them, so what is fetched
// later lacks it (spec/tak-streaming.md 3). The parts lie one behind the other and
// are not copied.
func WithoutMarti(xml string, h *Header) (parts []string) {
	at := 0
	if detail := xml[h.DetailAt:h.DetailTo]; strings.Contains(detail, "<marti") {
		for _, cut := range martis(detail) {
			parts = append(parts, xml[at:h.DetailAt+cut.at])
			at = h.DetailAt + cut.to
		}
	}
	return append(parts, xml[at:])
}

type cutout struct{ at, to int }

// martis finds the elements <marti> that are children of a detail with this
// content. The text is known to be well-formed, so only the ends of things are
// looked for. No tree is made: it would take several times the text.
func martis(s string) (found []cutout) {
	depth, from := 0, -1
	for at := 0; ; {
		i := strings.IndexByte(s[at:], '<')
		if i < 0 {
			return found
		}
		at += i
		rest := s[at:]
		switch {
		case strings.HasPrefix(rest, "<!--"):
			at += behind(rest, "-->")
			continue
		case strings.HasPrefix(rest, "<![CDATA["):
			at += behind(rest, "]]>")
			continue
		case strings.HasPrefix(rest, "<?"):
			at += behind(rest, "?>")
			continue
		}
		start := at
		n, empty := tagLength(rest)
		at += n
		switch {
		case strings.HasPrefix(rest, "</"):
			depth--
		case depth == 0 && isMarti(rest):
			from = start
			fallthrough
		default:
			if !empty {
				depth++
			}
		}
		if depth == 0 && from >= 0 {
			found, from = append(found, cutout{from, at}), -1
		}
	}
}

// behind gives the offset behind end.
func behind(s, end string) int {
	if i := strings.Index(s, end); i >= 0 {
		return i + len(end)
	}
	return len(s)
}

// tagLength gives the length of the tag that s begins with. A '>' in a value of an
// attribute does not end it.
func tagLength(s string) (n int, empty bool) {
	if n := strings.IndexByte(s, '>'); n > 0 && strings.Count(s[:n], `"`)%2 == 0 && strings.IndexByte(s[:n], '\'') < 0 {
		return n + 1, s[n-1] == '/' // as nearly all are, and several times as fast
	}
	var quote byte
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i + 1, s[i-1] == '/'
		}
	}
	return len(s), false
}

// isMarti says whether s begins with the start tag of an element marti.
func isMarti(s string) bool {
	rest, ok := strings.CutPrefix(s, "<marti")
	return ok && rest != "" && strings.IndexByte(" \t\r\n/>", rest[0]) >= 0
}
