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

// sortKey orders names without regard to case, and is never the same for two:
// fold makes one of names that are different users, as ı and i are.
func sortKey(name string) string {
	if f := fold(name); f != name {
		return f + " " + name
	}
	return name
}

// sortedBy sorts a list by a key, which page then goes by.
func sortedBy[T any](list []T, key func(T) string) []T {
	slices.SortFunc(list, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	return list
}
