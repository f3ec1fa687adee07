package pki

import (
	"strings"
	"unicode"
)

// maxText bounds what of a stranger's certificate gets into logs and errors.
const maxText = 200

// clean makes text from outside fit for a log line.
func clean(s string) string {
	return clip(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s))
}

func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}
