package store

import "strings"

// maxGlob bounds the length of one type glob.
const maxGlob = 128

// glob is one CoT type pattern: a type as it stands, with * for any text.
type glob struct {
	text   string
	prefix string // what stands before the first *
	exact  bool   // there is no *
	tail   bool   // the only * is the last character
}

func parseGlob(s string) (glob, error) {
	if s == "" || len(s) > maxGlob {
		return glob{}, invalidf("CoT type %q: must have 1 to %d characters", s[:min(len(s), 32)], maxGlob)
	}
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '*':
		default:
			return glob{}, invalidf("CoT type %q: write one such as b-t-f, with * for any text, such as a-f-*", s)
		}
	}
	prefix, _, star := strings.Cut(s, "*")
	return glob{text: s, prefix: prefix, exact: !star, tail: star && len(prefix) == len(s)-1}, nil
}

func (g *glob) match(typ string) bool {
	switch {
	case g.exact:
		return typ == g.text
	case g.tail:
		return strings.HasPrefix(typ, g.prefix)
	}
	if !strings.HasPrefix(typ, g.prefix) {
		return false
	}
	// Each part between two stars is taken at its first place; only the last
	// part is bound to the end.
	rest, pattern := typ[len(g.prefix):], g.text[len(g.prefix)+1:]
	for {
		part, after, star := strings.Cut(pattern, "*")
		if !star {
			return strings.HasSuffix(rest, part)
		}
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest, pattern = rest[i+len(part):], after
	}
}

// typeSet is a set of CoT types, given by globs.
type typeSet struct {
	all   bool
	globs []glob
}

func parseTypes(globs []string) (typeSet, error) {
	var t typeSet
	for _, s := range globs {
		g, err := parseGlob(s)
		if err != nil {
			return typeSet{}, err
		}
		t.all = t.all || g.text == "*"
		t.globs = append(t.globs, g)
	}
	return t, nil
}

func (t *typeSet) match(typ string) bool {
	if t.all {
		return true
	}
	for i := range t.globs {
		if t.globs[i].match(typ) {
			return true
		}
	}
	return false
}
