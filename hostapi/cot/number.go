package cot

import (
	"math"
	"strconv"
	"strings"
)

// Unknown is what TAK clients write into hae, ce and le for "not known", in
// metres.
const Unknown = 9999999.0

// Powers of ten that a float64 holds exactly.
var pow10 = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10,
	1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// parseNumber reads a finite decimal number, blanks around it allowed, to the
// same value as strconv.ParseFloat. An empty one reads as 0, as an absent
// attribute does. Not accepted, other than by strconv: hexadecimal, infinity,
// NaN, underscores.
func parseNumber(s string) (float64, bool) {
	s = trimSpace(s)
	if s == "" {
		return 0, true
	}
	i, neg := 0, false
	if s[0] == '-' || s[0] == '+' {
		i, neg = 1, s[0] == '-'
	}
	var m uint64 // the digits as one number
	digits, decimals := 0, 0
	exact := true // m holds all digits and is below 2^53
	for point := false; i < len(s); i++ {
		d := s[i] - '0'
		if d > 9 {
			if s[i] != '.' || point {
				break
			}
			point = true
			continue
		}
		digits++
		if point {
			decimals++
		}
		if m >= 1e14 {
			exact = false
			continue
		}
		m = m*10 + uint64(d)
	}
	if digits == 0 {
		return 0, false
	}
	if i == len(s) && exact && decimals < len(pow10) {
		// One division of two exact numbers rounds once: the right result.
		v := float64(m) / pow10[decimals]
		if neg {
			v = -v
		}
		return v, true
	}
	if i < len(s) && !isExponent(s[i:]) {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil && !math.IsInf(v, 0)
}

func isExponent(s string) bool {
	if s[0] != 'e' && s[0] != 'E' {
		return false
	}
	s = s[1:]
	if s != "" && (s[0] == '-' || s[0] == '+') {
		s = s[1:]
	}
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return s != ""
}

func isNaN(s string) bool {
	s = trimSpace(s)
	return len(s) == 3 && strings.EqualFold(s, "nan")
}

func trimSpace(s string) string {
	for s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	for s != "" && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}
