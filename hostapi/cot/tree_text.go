package cot

import "strings"

// Text is the element's own character data, that of elements below it left
// out: references decoded, CDATA included, comments not, line ends as LF.
func (n Node) Text() string {
	nd := n.node()
	body := n.in(span{nd.bodyAt, nd.bodyTo})
	if strings.IndexByte(body, '<') < 0 {
		if strings.IndexByte(body, '&') < 0 && strings.IndexByte(body, '\r') < 0 {
			return body
		}
		var b strings.Builder
		b.Grow(len(body))
		decodeText(&b, body)
		return b.String()
	}
	var b strings.Builder
	at := nd.bodyAt
	for c := range n.Children() {
		cn := c.node()
		writeText(&b, n.t.src[at:cn.at])
		at = cn.to
	}
	writeText(&b, n.t.src[at:nd.bodyTo])
	return b.String()
}

// writeText writes the character data of s, in which there is no element.
func writeText(b *strings.Builder, s string) {
	for s != "" {
		n := strings.IndexByte(s, '<')
		if n < 0 {
			n = len(s)
		}
		decodeText(b, s[:n])
		s = s[n:]
		switch {
		case strings.HasPrefix(s, cdataStart):
			var text string
			text, s, _ = strings.Cut(s[len(cdataStart):], cdataEnd)
			decodeLines(b, text)
		case strings.HasPrefix(s, commentStart):
			_, s, _ = strings.Cut(s[len(commentStart):], commentEnd)
		default:
			_, s, _ = strings.Cut(s, instrEnd)
		}
	}
}
