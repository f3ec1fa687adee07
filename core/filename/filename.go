// Package filename knows which names of files mean the same on every system that a
// client may run: what Windows keeps for devices, which names it takes for one, which
// characters show a name as another. It says what is at fault; what of that to refuse,
// and how long a name may be, is its callers' choice.
//
// All functions are safe for concurrent use.
package filename

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckPart says what is wrong with a file's or folder's own name, as the end of a
// sentence about it; empty: nothing is.
func CheckPart(part string) string {
	switch {
	case part == "", part == ".", part == "..":
		return "has the part " + strconv.Quote(part)
	case !utf8.ValidString(part):
		return "is not in UTF-8"
	case strings.ContainsFunc(part, isHidden):
		return "has control characters, or some that turn its direction"
	case strings.ContainsAny(part, `/\`):
		return `has a \ or / in a part`
	case strings.Contains(part, ":"):
		return "has a colon: of a drive, or of a stream of a file"
	case strings.HasSuffix(part, "."), strings.HasSuffix(part, " "):
		return "has a part that ends with a dot or a space, which Windows drops"
	case IsDevice(part):
		return "has a part that Windows keeps for a device"
	}
	return ""
}

// isHidden has what is not seen in a list, or changes how what follows is seen.
func isHidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// IsDevice has the names that Windows keeps for devices, with any extension.
func IsDevice(part string) bool {
	base, _, _ := strings.Cut(strings.ToLower(part), ".")
	base = strings.TrimSpace(base)
	switch base {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(base) == 4 && (strings.HasPrefix(base, "com") || strings.HasPrefix(base, "lpt")) && base[3] >= '0' && base[3] <= '9'
}

// Fold gives the same text for names that differ only by case, and are one where
// case does not count.
func Fold(name string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			if 'A' <= r && r <= 'Z' {
				r += 'a' - 'A'
			}
			return r
		}
		// The least of those that are the same; for some, such as the Kelvin sign, an
		// ASCII letter.
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		if 'A' <= least && least <= 'Z' {
			least += 'a' - 'A'
		}
		return least
	}, name)
}
