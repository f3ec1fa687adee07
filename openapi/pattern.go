package openapi

import (
	"fmt"
	"slices"
	"strings"
)

// pattern is a path of a route taken apart.
type pattern struct {
	segments []segment
	names    []string
	rest     string // name of the last parameter if it takes all that is left
}

// segment is one part of a path: a text, or a parameter.
type segment struct {
	kind kind
	text string // of a literal
}

// kind orders segments: where two patterns take the same path, the one whose
// segment is of the lower kind where they first differ gets it. That is the
// router's rule.
type kind uint8

const (
	literal kind = iota
	param
	rest
)

func parsePattern(path string) (p pattern, err error) {
	if !strings.HasPrefix(path, "/") {
		return p, fmt.Errorf("%q is no path: it begins with /", path)
	}
	if strings.ContainsAny(path, "?#*%\\ \t\r\n\x00") {
		return p, fmt.Errorf("%q has a character that a path of a route cannot have", path)
	}
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		name, isParam := strings.CutPrefix(s, "{")
		if !isParam {
			if strings.ContainsAny(s, "{}") || s == "." || s == ".." {
				return p, fmt.Errorf("%q has the segment %q", path, s)
			}
			p.segments = append(p.segments, segment{literal, s})
			continue
		}
		k := param
		name, isParam = strings.CutSuffix(name, "}")
		if n, all := strings.CutSuffix(name, "..."); all {
			k, name, p.rest = rest, n, n
			if i < len(segments)-1 {
				return p, fmt.Errorf("%q: %s takes the rest of the path: it can only be the last segment", path, s)
			}
		}
		if !isParam || name == "" || strings.ContainsAny(name, "{}:") || slices.Contains(p.names, name) {
			return p, fmt.Errorf("%q: %s is no parameter", path, s)
		}
		p.names = append(p.names, name)
		p.segments = append(p.segments, segment{k, ""})
	}
	return p, nil
}

// chi gives the pattern in the router's form. Parameters are numbered by their
// place, as the router keeps them by name for all patterns together.
func (p pattern) chi() string {
	var b strings.Builder
	names := p.names
	for _, s := range p.segments {
		b.WriteByte('/')
		switch s.kind {
		case literal:
			b.WriteString(s.text)
		case param:
			b.WriteString("{" + names[0] + "}")
			names = names[1:]
		case rest:
			b.WriteByte('*')
		}
	}
	return b.String()
}

// shape is the same for patterns that take the same paths.
func (p pattern) shape() string {
	var b strings.Builder
	for _, s := range p.segments {
		b.WriteByte('/')
		switch s.kind {
		case literal:
			b.WriteString(s.text)
		case param:
			b.WriteString("{}")
		case rest:
			b.WriteString("{...}")
		}
	}
	return b.String()
}

// described gives the path as the description has it, which knows nothing of
// parameters that take several segments, and its form without names.
func (p pattern) described() (path, shape string) {
	var b strings.Builder
	names := p.names
	for _, s := range p.segments {
		b.WriteByte('/')
		if s.kind == literal {
			b.WriteString(s.text)
			continue
		}
		b.WriteString("{" + names[0] + "}")
		names = names[1:]
	}
	return b.String(), strings.ReplaceAll(p.shape(), "{...}", "{}")
}

// takesFrom says whether there is a path that both patterns take and that goes
// to p then: p would take it from other.
func (p pattern) takesFrom(other pattern) bool {
	return p.overlaps(other) && p.before(other)
}

func (p pattern) overlaps(o pattern) bool {
	for i := 0; ; i++ {
		pEnd, oEnd := i == len(p.segments), i == len(o.segments)
		switch {
		case pEnd || oEnd:
			return pEnd && oEnd
		case p.segments[i].kind == rest || o.segments[i].kind == rest:
			return true
		case p.segments[i].kind == literal && o.segments[i].kind == literal && p.segments[i].text != o.segments[i].text:
			return false
		// A parameter is never empty.
		case p.segments[i].kind != o.segments[i].kind && p.segments[i].text == "" && o.segments[i].text == "":
			return false
		}
	}
}

// before says whether p gets the paths that both take.
func (p pattern) before(o pattern) bool {
	for i := range min(len(p.segments), len(o.segments)) {
		if a, b := p.segments[i].kind, o.segments[i].kind; a != b {
			return a < b
		}
	}
	return false
}
