package main

import (
	"strings"
	"unicode"
)

// Names and content types as clients write them are never trusted: they become
// headers, lines of lists and names of files on other people's machines.

// unknownType is the content type of what nobody gave one.
const unknownType = "application/octet-stream"

// cleanType gives a content type that can be sent as a header: its two words, in lower
// case, and the charset if it has one. All else that may stand behind them is left out.
func cleanType(t string) string {
	words, rest, _ := strings.Cut(t, ";")
	words = strings.ToLower(strings.TrimSpace(words))
	kind, sub, ok := strings.Cut(words, "/")
	if !ok || !isToken(kind) || !isToken(sub) || len(words) > maxType || kind == "multipart" || words == "application/x-www-form-urlencoded" {
		return unknownType
	}
	for rest != "" {
		var one string
		one, rest, _ = strings.Cut(rest, ";")
		name, value, _ := strings.Cut(one, "=")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		if strings.EqualFold(strings.TrimSpace(name), "charset") && isToken(value) && len(value) <= maxCharset {
			return words + "; charset=" + strings.ToLower(value)
		}
	}
	return words
}

// Bounds of a content type, in bytes.
const (
	maxType    = 127 // RFC 6838 4.2
	maxCharset = 40
)

func isToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// cleanName gives a file name without folders and without characters that are none
// of a name. It may be empty.
func cleanName(s string) string {
	if i := strings.LastIndexAny(s, `/\`); i >= 0 {
		s = s[i+1:]
	}
	s = strings.Map(func(r rune) rune {
		// Control characters, and those that turn the direction of what follows.
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x2028 || r == 0x2029 ||
			r == 0x200e || r == 0x200f || r == 0x61c {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "_"))
	s = strings.TrimSpace(clip(s, maxText))
	if s == "." || s == ".." {
		return ""
	}
	return s
}

func clip(s string, n int) string {
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return strings.Clone(s)
}

// isHash says whether s is a SHA-256 in lower-case hexadecimal digits.
func isHash(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// maxSegment bounds a part of a path in a package, in bytes: it becomes a file name on
// a phone, where 255 are possible.
const maxSegment = 200

// segment makes a text a part of a path that any system can have as a file or folder:
// uids have colons, and Windows keeps names such as CON for itself.
func segment(s string) string {
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`<>:"/\|?*`, r) {
			return '_'
		}
		return r
	}, s)
	s = strings.TrimRight(clip(cleanName(s), maxSegment), ". ")
	base, _, _ := strings.Cut(s, ".")
	switch base = strings.ToUpper(strings.TrimSpace(base)); {
	case s == "":
		return "_"
	case base == "CON", base == "PRN", base == "AUX", base == "NUL",
		len(base) == 4 && (base[:3] == "COM" || base[:3] == "LPT") && base[3] >= '0' && base[3] <= '9':
		return "_" + s
	}
	return s
}

// shown is a text of a client for people: in messages, and where nothing depends on it.
func shown(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(clip(s, maxShown), "_"))
}

const maxShown = 128 // bytes
