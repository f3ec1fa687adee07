package manifest

import (
	"strings"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// Decode reads capabilities from a decoded form: a manifest's, or the "grant" of
// a config. Faults have paths that begin with path.
func (c *Capabilities) Decode(path string, v any) error {
	var f faults
	c.decode(&f, path, v)
	return f.err()
}

// A capability's scope is an object; true stands for an empty one, and a list
// for one that has the capability's first list.
func (c *Capabilities) decode(f *faults, path string, v any) {
	m, ok := v.(map[string]any)
	if !ok {
		f.add(path, "is %s: write an object with a key for each capability", kindOf(v))
		return
	}
	var known []string
	for _, k := range hostapi.Capabilities() {
		known = append(known, string(k))
	}
	*c = Capabilities{}
	for _, key := range sorted(m) {
		name := hostapi.Capability(key)
		at := join(path, clip(key))
		switch {
		case name == hostapi.CapAlways:
			f.add(at, "needs no grant: leave it out")
		case !name.Known():
			f.add(at, "is no capability%s", nearest(key, known))
		default:
			(*c)[name] = scope(f, at, name, m[key])
		}
	}
}

func scope(f *faults, path string, c hostapi.Capability, v any) (s hostapi.Scope) {
	before := len(f.list)
	switch v := v.(type) {
	case bool:
		if !v {
			f.add(path, "is false: leave it out")
		}
	case []any:
		keys := c.Keys()
		if len(keys) == 0 || !keys[0].Kind.IsList() {
			f.add(path, "is a list: write an object%s", strings.Replace(keyHelp(c), ":", " with", 1))
			break
		}
		scopeKey(f, path, &s, keys[0], v)
	case map[string]any:
		var known []string
		for _, k := range c.Keys() {
			known = append(known, k.Name)
		}
		for _, key := range sorted(v) {
			found := false
			for _, k := range c.Keys() {
				if k.Name == key {
					scopeKey(f, join(path, key), &s, k, v[key])
					found = true
				}
			}
			if !found {
				help := nearest(key, known)
				if help == "" {
					help = keyHelp(c)
				}
				f.add(join(path, clip(key)), "is not known%s", help)
			}
		}
	default:
		f.add(path, "is %s: write an object, a list, or true", kindOf(v))
	}
	if len(f.list) == before {
		for _, why := range c.Check(s) {
			key, msg, _ := strings.Cut(why, ": ")
			f.add(join(path, key), "%s", msg)
		}
	}
	return s
}

func keyHelp(c hostapi.Capability) string {
	var names []string
	for _, k := range c.Keys() {
		names = append(names, k.Name)
	}
	if names == nil {
		return ": it has no scope; write true"
	}
	return oneOf(names)
}

func scopeKey(f *faults, path string, s *hostapi.Scope, k hostapi.ScopeKey, v any) {
	switch k.Kind {
	case hostapi.ScopeFlag:
		b, ok := v.(bool)
		if !ok {
			f.add(path, "is %s: write true or false", kindOf(v))
		}
		s.Missions = b
	case hostapi.ScopeBox:
		var b Box
		b.decode(f, path, v)
		box := cot.Box(b)
		s.Box = &box
	case hostapi.ScopeSpan:
		var d Duration
		d.decode(f, path, v)
		s.Span = time.Duration(d)
	case hostapi.ScopeBytes:
		var b Bytes
		b.decode(f, path, v)
		*s.Amount(k.Name) = int64(b)
	case hostapi.ScopeCount:
		n, ok := whole(v)
		if !ok || n < 1 {
			f.add(path, "is %s: write a whole number, at least 1", kindOf(v))
		}
		*s.Amount(k.Name) = n
	default:
		l, ok := v.([]any)
		if !ok {
			f.add(path, "is %s: write a list of texts", kindOf(v))
			return
		}
		for i, x := range l {
			text, ok := x.(string)
			if !ok {
				f.add(item(path, i), "is %s: write a text", kindOf(x))
			}
			*s.List(k.Name) = append(*s.List(k.Name), text)
		}
	}
}

func (*Capabilities) jsonSchema() map[string]any {
	props := map[string]any{}
	for _, c := range hostapi.Capabilities() {
		forms := []any{map[string]any{"const": true}}
		keys := map[string]any{}
		var need []any
		for i, k := range c.Keys() {
			keys[k.Name] = scopeSchema(k)
			if k.Absent == hostapi.AbsentRefused {
				need = append(need, k.Name)
			}
			if i == 0 && k.Kind.IsList() {
				forms = append(forms, scopeSchema(k))
			}
		}
		object := map[string]any{"type": "object", "properties": keys, "additionalProperties": false}
		if need != nil {
			object["required"] = need
			forms = forms[1:]
		}
		props[string(c)] = map[string]any{"description": c.Doc(), "anyOf": append(forms, object)}
	}
	return map[string]any{"type": "object", "properties": props, "additionalProperties": false}
}

func scopeSchema(k hostapi.ScopeKey) map[string]any {
	var s map[string]any
	switch k.Kind {
	case hostapi.ScopeFlag:
		s = map[string]any{"type": "boolean"}
	case hostapi.ScopeBox:
		s = new(Box).jsonSchema()
	case hostapi.ScopeSpan:
		s = new(Duration).jsonSchema()
	case hostapi.ScopeBytes:
		s = new(Bytes).jsonSchema()
	case hostapi.ScopeCount:
		s = map[string]any{"type": "integer", "minimum": 1}
	default:
		s = map[string]any{"type": "array", "items": map[string]any{"type": "string", "minLength": 1}}
	}
	s["description"] = k.Doc
	return s
}
