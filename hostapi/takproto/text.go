package takproto

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// unescapeSlow replaces the five named references and the numeric ones. A
// scanned event has no others; in any other text it stops at the first.
func unescapeSlow(s string) string {
	b := make([]byte, 0, len(s))
	for {
		plain, ref, found := strings.Cut(s, "&")
		b = append(b, plain...)
		if !found {
			return string(b)
		}
		name, rest, ended := strings.Cut(ref, ";")
		r, ok := reference(name)
		if !ok || !ended {
			return string(append(append(b, '&'), ref...))
		}
		b, s = utf8.AppendRune(b, r), rest
	}
}

func reference(name string) (rune, bool) {
	switch name {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "apos":
		return '\'', true
	case "quot":
		return '"', true
	}
	digits, ok := strings.CutPrefix(name, "#")
	if !ok {
		return 0, false
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || n > utf8.MaxRune {
		return 0, false
	}
	return rune(n), true
}

// appendAttr appends an attribute with its value escaped; lead is everything
// from the blank to the opening quote. False when the value holds what XML
// cannot: bytes outside UTF-8, control characters, U+FFFE, U+FFFF.
func appendAttr(dst []byte, lead string, value []byte) ([]byte, bool) {
	dst = append(dst, lead...)
	done := 0
	for i := 0; i < len(value); i++ {
		c := value[i]
		if c < utf8.RuneSelf && !special(c) {
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(value[i:])
			if r == utf8.RuneError && n == 1 || r == 0xFFFE || r == 0xFFFF {
				return dst, false
			}
			i += n - 1
			continue
		}
		ref := escape(c)
		if ref == "" {
			return dst, false
		}
		dst = append(append(dst, value[done:i]...), ref...)
		done = i + 1
	}
	return append(append(dst, value[done:]...), '"'), true
}

// special tells the ASCII characters that an attribute value cannot hold as
// they are.
func special(c byte) bool {
	return c < ' ' || c == '&' || c == '<' || c == '>' || c == '"'
}

// escape gives the reference for a special character; none for the control
// characters that XML does not have. Line ends and tabs are written as
// references, as a parser turns the bare ones into blanks.
func escape(c byte) string {
	switch c {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	case '"':
		return "&quot;"
	case '\t':
		return "&#9;"
	case '\n':
		return "&#10;"
	case '\r':
		return "&#13;"
	}
	return ""
}

// appendNumber writes the shortest text that reads back as v. Unknown heights
// and errors look as ATAK writes them.
func appendNumber(dst []byte, v float64) []byte {
	const exact = 1 << 53
	if v == 9999999 {
		return append(dst, "9999999.0"...)
	}
	if v > -exact && v < exact && v == float64(int64(v)) && v != 0 {
		return strconv.AppendInt(dst, int64(v), 10)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}
