package cot

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// maxGlob is how many bytes a TypeGlob may have.
const maxGlob = 128

// TypeGlob is a pattern of CoT types: a type as it stands, with * for any text,
// such as b-t-f, a-f-* or *.
type TypeGlob struct{ text string }

// ParseTypeGlob reads a pattern; the error says how one is written.
func ParseTypeGlob(s string) (TypeGlob, error) {
	if len(s) > maxGlob {
		return TypeGlob{}, errors.New(strconv.Quote(s[:40]) + "… is no CoT type: it must have 1 to " + strconv.Itoa(maxGlob) + " characters")
	}
	ok := s != ""
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '*':
		default:
			ok = false
		}
	}
	if !ok {
		return TypeGlob{}, errors.New(strconv.Quote(s) + " is no CoT type: write one such as b-t-f, with * for any text, such as a-f-*")
	}
	return TypeGlob{s}, nil
}

func (g *TypeGlob) String() string { return g.text }

// Prefix gives what every type that matches begins with.
func (g *TypeGlob) Prefix() string {
	prefix, _, _ := strings.Cut(g.text, "*")
	return prefix
}

// Exact says whether one type alone matches: there is no * in the pattern.
func (g *TypeGlob) Exact() bool { return !strings.Contains(g.text, "*") }

// Match says whether typ fits the pattern.
func (g *TypeGlob) Match(typ string) bool { return MatchGlob(g.text, typ) }

// MatchGlob says whether s fits a pattern in which * stands for any text, also
// none. There is no escape: a name with * in it is not meant to be matched.
func MatchGlob(pattern, s string) bool {
	i := strings.IndexByte(pattern, '*')
	if i < 0 {
		return pattern == s
	}
	rest, ok := strings.CutPrefix(s, pattern[:i])
	if !ok {
		return false
	}
	pattern = pattern[i+1:]
	for {
		i = strings.IndexByte(pattern, '*')
		if i < 0 {
			return strings.HasSuffix(rest, pattern)
		}
		// A part between two stars is taken at its first place: no later one
		// leaves more for what follows.
		at := strings.Index(rest, pattern[:i])
		if at < 0 {
			return false
		}
		rest, pattern = rest[at+i:], pattern[i+1:]
	}
}

// TypeSet is a set of CoT types, given by patterns. The zero TypeSet is empty.
type TypeSet struct {
	all   bool
	globs []TypeGlob
}

// ParseTypeSet reads the patterns of a set.
func ParseTypeSet(patterns []string) (TypeSet, error) {
	var t TypeSet
	for _, s := range patterns {
		g, err := ParseTypeGlob(s)
		if err != nil {
			return TypeSet{}, err
		}
		t.all = t.all || s == "*"
		t.globs = append(t.globs, g)
	}
	return t, nil
}

// Globs gives the patterns. The caller must not change them.
func (t *TypeSet) Globs() []TypeGlob { return t.globs }

// All says whether every type is in the set.
func (t *TypeSet) All() bool { return t.all }

// Empty says whether there are no patterns.
func (t *TypeSet) Empty() bool { return len(t.globs) == 0 }

// Match says whether typ is in the set.
func (t *TypeSet) Match(typ string) bool {
	return t.all || slices.ContainsFunc(t.globs, func(g TypeGlob) bool { return g.Match(typ) })
}
