package admin

import (
	"slices"
	"strings"
	"unicode"
)

// fold makes names comparable that differ in case alone.
func fold(s string) string {
	return strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, s)
}

// sortedBy sorts a list by a key, which page then goes by.
func sortedBy[T any](list []T, key func(T) string) []T {
	slices.SortFunc(list, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	return list
}
