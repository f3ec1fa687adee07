package cot

import "unicode/utf8"

// Classes of ASCII bytes (XML 1.0, 5th edition, productions 3, 4 and 4a).
const (
	cSpace     = 1 << iota // blank, tab, LF, CR
	cNameStart             // may begin a name
	cName                  // may stand in a name
)

var class = func() (t [256]uint8) {
	for _, c := range " \t\n\r" {
		t[c] |= cSpace
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c] |= cNameStart | cName
		t[c-'a'+'A'] |= cNameStart | cName
	}
	for _, c := range "_:" {
		t[c] |= cNameStart | cName
	}
	for _, c := range "-.0123456789" {
		t[c] |= cName
	}
	return t
}()

func isSpace(c byte) bool { return class[c]&cSpace != 0 }

// skipSpace gives the first offset from i on that is no white space.
func skipSpace(s string, i int) int {
	for i < len(s) && isSpace(s[i]) {
		i++
	}
	return i
}

// legalRune says whether r is a character of XML 1.0.
func legalRune(r rune) bool {
	switch {
	case r < 0x20:
		return r == '\t' || r == '\n' || r == '\r'
	case r < 0xD800:
		return true
	default:
		return r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
	}
}

// runesEnd gives the first ASCII byte from i on, s[i] being none; ok is false
// when something before it is no legal character, with end at it.
func runesEnd(s string, i int) (end int, ok bool) {
	for i < len(s) && s[i] >= utf8.RuneSelf {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || !legalRune(r) {
			return i, false
		}
		i += n
	}
	return i, true
}

// nameStartRune says whether r, a character beyond ASCII, may begin a name.
func nameStartRune(r rune) bool {
	switch {
	case r < 0x300:
		return r >= 0xC0 && r != 0xD7 && r != 0xF7
	case r < 0x2000:
		return r >= 0x370 && r != 0x37E
	case r < 0x3000:
		return r == 0x200C || r == 0x200D || r >= 0x2070 && r <= 0x218F || r >= 0x2C00 && r <= 0x2FEF
	default:
		return r >= 0x3001 && r <= 0xD7FF || r >= 0xF900 && r <= 0xFDCF ||
			r >= 0xFDF0 && r <= 0xFFFD || r >= 0x10000 && r <= 0xEFFFF
	}
}

// nameRune says whether r, a character beyond ASCII, may stand in a name.
func nameRune(r rune) bool {
	return nameStartRune(r) || r == 0xB7 || r >= 0x300 && r <= 0x36F || r == 0x203F || r == 0x2040
}
