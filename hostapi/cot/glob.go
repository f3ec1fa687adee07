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
type TypeGlob struct {
	text   string
	prefix string   // before the first *
	parts  []string // behind each *; none without one
}

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
	parts := strings.Split(s, "*")
	return TypeGlob{text: s, prefix: parts[0], parts: parts[1:]}, nil
}

func (g *TypeGlob) String() string { return g.text }

// Prefix gives what every type that matches begins with, and whether nothing
// more is asked of it.
func (g *TypeGlob) Prefix() (prefix string, all bool) {
	return g.prefix, len(g.parts) == 1 && g.parts[0] == ""
}

// Exact says whether one type alone matches: there is no * in the pattern.
func (g *TypeGlob) Exact() bool { return len(g.parts) == 0 }

// Match says whether typ fits the pattern.
func (g *TypeGlob) Match(typ string) bool {
	rest, ok := strings.CutPrefix(typ, g.prefix)
	if !ok || len(g.parts) == 0 {
		return ok && rest == ""
	}
	// Each part between two stars is taken at its first place; only the last
	// one is bound to the end.
	last := len(g.parts) - 1
	for _, p := range g.parts[:last] {
		i := strings.Index(rest, p)
		if i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return strings.HasSuffix(rest, g.parts[last])
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
