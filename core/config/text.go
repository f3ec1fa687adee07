package config

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// quote shows an operator's text in an error. Text that may be or hold a URL
// is not shown: a password put at the wrong key must not come out either.
func quote(s string) string {
	if strings.Contains(s, "://") || strings.Contains(s, "@") {
		return "the value (not shown, as it may hold a password)"
	}
	return strconv.Quote(shorten(s, 60))
}

// keyText shows a key of an operator in an error, if it looks like one.
func keyText(s string) string {
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '.', c == ' ', c == '<':
		default:
			return "key"
		}
	}
	return "key " + strconv.Quote(shorten(s, 60))
}

func shorten(s string, runes int) string {
	if utf8.RuneCountInString(s) <= runes {
		return s
	}
	return string([]rune(s)[:runes]) + "…"
}

// nearest gives the candidate that the writer of s most likely meant, or "".
// Case and the marks between words do not count.
func nearest(s string, candidates []string) string {
	if len(s) > 64 {
		return ""
	}
	s = plain(s)
	best, bestDist := "", 1+max(1, len(s)/3)
	for _, c := range candidates {
		if d := distance(s, plain(c)); d < bestDist {
			best, bestDist = c, d
		}
	}
	return best
}

func plain(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(s))
}

// distance counts the letters to insert, delete, replace or swap with their
// neighbour to make a into b (optimal string alignment).
func distance(a, b string) int {
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return prev[len(b)]
}
