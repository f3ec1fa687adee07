package cot

import (
	"math/bits"
	"unicode/utf8"
)

// The functions here look at eight bytes at once: most names and values of an
// event are done after one or two steps and without a branch per byte, which
// on events of ever-changing length is what costs most.

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// load8 reads s[i:i+8], first byte lowest.
func load8(s string, i int) uint64 {
	b := s[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// zeros marks the zero bytes of x in their high bits. Marks above the first
// true one may be false; the first is right.
func zeros(x uint64) uint64 { return (x - ones) &^ x & highs }

// controls marks the bytes below 0x20, as zeros does.
func controls(x uint64) uint64 { return (x - 0x20*ones) &^ x & highs }

// between marks the bytes of x from lo to hi; all bytes must be below 0x80.
func between(x uint64, lo, hi uint64) uint64 {
	return ((x + (0x80-lo)*ones) ^ (x + (0x7f-hi)*ones)) & highs
}

// nameEnd gives the end of the name that begins at i; i itself if none does.
func nameEnd(s string, i int) int {
	if i >= len(s) {
		return i
	}
	if class[s[i]]&cNameStart == 0 {
		if s[i] < utf8.RuneSelf {
			return i
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || !nameStartRune(r) {
			return i
		}
		return nameRest(s, i+n)
	}
	for i+8 <= len(s) {
		x := load8(s, i)
		y := x &^ highs
		ok := between(y|0x20*ones, 'a', 'z') | between(y, '0', ':') | between(y, '-', '.') | between(y, '_', '_')
		if stop := (^ok | x) & highs; stop != 0 {
			i += bits.TrailingZeros64(stop) >> 3
			if s[i] < utf8.RuneSelf {
				return i
			}
			break
		}
		i += 8
	}
	return nameRest(s, i)
}

// nameRest is the slow end of nameEnd: the last bytes of a text, and names
// with characters beyond ASCII.
func nameRest(s string, i int) int {
	for i < len(s) {
		if s[i] < utf8.RuneSelf {
			if class[s[i]]&cName == 0 {
				break
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || !nameRune(r) {
			break
		}
		i += n
	}
	return i
}

// plainValue gives the first byte from i on that needs a look inside an
// attribute value between quotes q: the quote, '<', '&', a control character
// or one beyond ASCII. len(s) if there is none.
func plainValue(s string, i int, q byte) int {
	// '"' and '&', or '\'' and '&', differ in one bit: one comparison for both.
	var bit, want uint64 = 0x04 * ones, '&' * ones
	if q == '\'' {
		bit, want = 0x01*ones, '\''*ones
	}
	for i+8 <= len(s) {
		x := load8(s, i)
		if stop := zeros((x|bit)^want) | zeros(x^'<'*ones) | controls(x) | x&highs; stop != 0 {
			return i + bits.TrailingZeros64(stop)>>3
		}
		i += 8
	}
	for i < len(s) {
		if c := s[i]; c == q || c == '<' || c == '&' || c < 0x20 || c >= utf8.RuneSelf {
			break
		}
		i++
	}
	return i
}

// plainText does the same for text between tags: '<', '>', '&', control
// characters and those beyond ASCII.
func plainText(s string, i int) int {
	for i+8 <= len(s) {
		x := load8(s, i)
		// '<' and '>' differ in one bit.
		if stop := zeros((x|0x02*ones)^'>'*ones) | zeros(x^'&'*ones) | controls(x) | x&highs; stop != 0 {
			return i + bits.TrailingZeros64(stop)>>3
		}
		i += 8
	}
	for i < len(s) {
		if c := s[i]; c == '<' || c == '>' || c == '&' || c < 0x20 || c >= utf8.RuneSelf {
			break
		}
		i++
	}
	return i
}

// plainUntil is for comments, CDATA and processing instructions: it stops at
// c, which is below 0x80, at control characters and those beyond ASCII.
func plainUntil(s string, i int, c byte) int {
	for i+8 <= len(s) {
		x := load8(s, i)
		if stop := zeros(x^uint64(c)*ones) | controls(x) | x&highs; stop != 0 {
			return i + bits.TrailingZeros64(stop)>>3
		}
		i += 8
	}
	for i < len(s) && s[i] != c && s[i] >= 0x20 && s[i] < utf8.RuneSelf {
		i++
	}
	return i
}
