package wire

import (
	"math"
	"strings"
	"unicode/utf8"
)

func appendVarint(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendDouble(b []byte, v float64) []byte {
	n := math.Float64bits(v)
	return append(b, byte(n), byte(n>>8), byte(n>>16), byte(n>>24), byte(n>>32), byte(n>>40), byte(n>>48), byte(n>>56))
}

// isZero says whether a double is left out: -0 is not, as in protobuf.
func isZero(v float64) bool { return math.Float64bits(v) == 0 }

func appendString(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	return append(appendVarint(b, uint64(len(s))), s...)
}

func appendBytes(b, s []byte) []byte { return append(appendVarint(b, uint64(len(s))), s...) }

// begin writes the tag of a field whose length is not known yet, with one byte
// of room for it, and gives where the content begins.
func begin(b []byte, tag uint64) ([]byte, int) {
	b = append(appendVarint(b, tag), 0)
	return b, len(b)
}

// end writes the length of the content that begins at a place. A longer length
// moves the content: cheaper than to measure all messages first.
func end(b []byte, at int) []byte {
	n := uint64(len(b) - at)
	if n < 0x80 {
		b[at-1] = byte(n)
		return b
	}
	var length [10]byte
	l := appendVarint(length[:0], n)
	b = append(b, l[1:]...)
	copy(b[at+len(l)-1:], b[at:])
	copy(b[at-1:], l)
	return b
}
