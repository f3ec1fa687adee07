package cot

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestSwarBytes puts every byte at every place of texts that the eight-byte
// steps and the single bytes at the end must find it in.
func TestSwarBytes(t *testing.T) {
	special := func(c byte, chars string) bool {
		return c < 0x20 || c >= 0x80 || strings.IndexByte(chars, c) >= 0
	}
	tests := []struct {
		name string
		run  func(s string, i int) int
		fill byte
		stop func(c byte) bool
	}{
		{"value in double quotes", func(s string, i int) int { return plainValue(s, i, '"') }, '!', func(c byte) bool { return special(c, `"&<`) }},
		{"value in single quotes", func(s string, i int) int { return plainValue(s, i, '\'') }, '!', func(c byte) bool { return special(c, `'&<`) }},
		{"text", plainText, '!', func(c byte) bool { return special(c, `<>&`) }},
		{"until -", func(s string, i int) int { return plainUntil(s, i, '-') }, '!', func(c byte) bool { return special(c, `-`) }},
		{"until ]", func(s string, i int) int { return plainUntil(s, i, ']') }, '!', func(c byte) bool { return special(c, `]`) }},
		{"until ?", func(s string, i int) int { return plainUntil(s, i, '?') }, '!', func(c byte) bool { return special(c, `?`) }},
		{"name", nameEnd, 'x', func(c byte) bool {
			return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_:-.", c) >= 0)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for size := 1; size <= 25; size++ {
				for at := 1; at < size; at++ {
					for c := range 256 {
						b := []byte(strings.Repeat(string(tt.fill), size))
						b[at] = byte(c)
						want := size
						if tt.stop(byte(c)) {
							want = at
						}
						if got := tt.run(string(b), 0); got != want {
							t.Fatalf("%q: got %d, want %d", b, got, want)
						}
					}
				}
			}
		})
	}
}

// TestNameRunes holds the functions for names against the productions as XML
// 1.0, 5th edition, has them.
func TestNameRunes(t *testing.T) {
	start := [][2]rune{
		{':', ':'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}, {0xC0, 0xD6}, {0xD8, 0xF6}, {0xF8, 0x2FF}, {0x370, 0x37D}, {0x37F, 0x1FFF},
		{0x200C, 0x200D}, {0x2070, 0x218F}, {0x2C00, 0x2FEF}, {0x3001, 0xD7FF}, {0xF900, 0xFDCF}, {0xFDF0, 0xFFFD}, {0x10000, 0xEFFFF},
	}
	more := [][2]rune{{'-', '-'}, {'.', '.'}, {'0', '9'}, {0xB7, 0xB7}, {0x300, 0x36F}, {0x203F, 0x2040}}
	legal := [][2]rune{{0x9, 0xA}, {0xD, 0xD}, {0x20, 0xD7FF}, {0xE000, 0xFFFD}, {0x10000, 0x10FFFF}}
	among := func(r rune, ranges [][2]rune) bool {
		for _, p := range ranges {
			if r >= p[0] && r <= p[1] {
				return true
			}
		}
		return false
	}
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if got, want := legalRune(r), among(r, legal); got != want {
			t.Fatalf("%U legal: got %v, want %v", r, got, want)
		}
		if !utf8.ValidRune(r) {
			continue
		}
		s := string(r)
		if got, want := isName(s), among(r, start); got != want {
			t.Fatalf("%U begins a name: got %v, want %v", r, got, want)
		}
		if got, want := isName("a"+s), among(r, start) || among(r, more); got != want {
			t.Fatalf("%U in a name: got %v, want %v", r, got, want)
		}
		if end, ok := runesEnd(s, 0); r >= 0x80 && (ok != legalRune(r) || ok && end != len(s)) {
			t.Fatalf("%U in a text: got %d, %v", r, end, ok)
		}
	}
}

// The decoders are given checked texts only, but must come to an end on others.
func TestDecodeUnchecked(t *testing.T) {
	for _, s := range []string{"&", "&&", "&x;", "a&#;", "&#x", "&lt"} {
		if got := decodeValue(s); got != s {
			t.Errorf("got %q, want %q", got, s)
		}
	}
}
