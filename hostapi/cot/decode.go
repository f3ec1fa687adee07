package cot

import (
	"strings"
	"unicode/utf8"
)

// decodeReference reads the reference that s begins with and gives its
// character and its length, 0 when it is none: one of the five predefined
// entities, or the number of a legal character.
func decodeReference(s string) (r rune, n int) {
	if len(s) < 4 || s[0] != '&' {
		return 0, 0
	}
	if s[1] == '#' {
		return decodeNumber(s)
	}
	switch {
	case strings.HasPrefix(s, "&lt;"):
		return '<', 4
	case strings.HasPrefix(s, "&gt;"):
		return '>', 4
	case strings.HasPrefix(s, "&amp;"):
		return '&', 5
	case strings.HasPrefix(s, "&apos;"):
		return '\'', 6
	case strings.HasPrefix(s, "&quot;"):
		return '"', 6
	}
	return 0, 0
}

// decodeNumber reads &#10; and &#xa;.
func decodeNumber(s string) (r rune, n int) {
	i, base := 2, rune(10)
	if s[i] == 'x' {
		i, base = 3, 16
	}
	from := i
	for ; i < len(s); i++ {
		d := digit(s[i])
		if d >= base {
			break
		}
		// Leading zeros are allowed without end; the value stays bounded.
		if r = r*base + d; r > utf8.MaxRune {
			return 0, 0
		}
	}
	if i == from || i == len(s) || s[i] != ';' || !legalRune(r) {
		return 0, 0
	}
	return r, i + 1
}

// digit gives the value of a hexadecimal digit, 16 for any other byte.
func digit(c byte) rune {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0')
	case c >= 'a' && c <= 'f':
		return rune(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return rune(c-'A') + 10
	}
	return 16
}

// decodeValue gives what a checked attribute value stands for: references
// resolved, white space written as such read as blanks (XML 1.0, 3.3.3).
func decodeValue(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		switch c := s[i]; c {
		case '&':
			i += writeReference(&b, s[i:])
		case '\r':
			b.WriteByte(' ')
			if i++; i < len(s) && s[i] == '\n' {
				i++
			}
		case '\t', '\n':
			b.WriteByte(' ')
			i++
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String()
}

// decodeText writes what checked character data stands for: references
// resolved, line ends as LF (XML 1.0, 2.11).
func decodeText(b *strings.Builder, s string) {
	for s != "" {
		n := strings.IndexAny(s, "&\r")
		if n < 0 {
			b.WriteString(s)
			return
		}
		b.WriteString(s[:n])
		s = s[n:]
		if s[0] == '&' {
			s = s[writeReference(b, s):]
			continue
		}
		b.WriteByte('\n')
		s = strings.TrimPrefix(s[1:], "\n")
	}
}

// decodeLines writes s, a CDATA section's content, with its line ends as LF.
func decodeLines(b *strings.Builder, s string) {
	for {
		n := strings.IndexByte(s, '\r')
		if n < 0 {
			b.WriteString(s)
			return
		}
		b.WriteString(s[:n])
		b.WriteByte('\n')
		s = strings.TrimPrefix(s[n+1:], "\n")
	}
}

// writeReference writes the character that s begins with a reference to, and
// gives the reference's length. What is none is copied, so that an unchecked
// text cannot stop the caller.
func writeReference(b *strings.Builder, s string) int {
	r, n := decodeReference(s)
	if n == 0 {
		b.WriteByte(s[0])
		return 1
	}
	b.WriteRune(r)
	return n
}
