package manifest

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Apply checks a value against the schema and gives it with defaults in the
// place of absent keys. The value is in the form that FromTree takes, and is not
// changed. Faults have paths that begin with path. A nil schema takes nothing but
// an absent or empty value.
func (s *Schema) Apply(path string, v any) (any, error) {
	var f faults
	if s == nil {
		if m, ok := v.(map[string]any); v != nil && (!ok || len(m) > 0) {
			f.add(path, "takes no settings")
		}
		return map[string]any{}, f.err()
	}
	if v == nil && s.Type == "object" && !s.Nullable {
		v = map[string]any{}
	}
	out := s.apply(&f, path, v)
	return out, f.err()
}

func (s *Schema) faults(path string, v any) Faults {
	var f faults
	s.apply(&f, path, v)
	return f.list
}

func (s *Schema) apply(f *faults, path string, v any) any {
	if v == nil && (s.Nullable || s.Type == "") {
		return nil
	}
	if s.Enum != nil && !slices.ContainsFunc(s.Enum, func(e any) bool { return equal(e, v) }) {
		f.add(path, "is %s: it is one of %s", kindOf(v), valuesText(s.Enum))
		return v
	}
	switch s.Type {
	case "object":
		m, ok := v.(map[string]any)
		if !ok {
			f.add(path, "is %s: write an object", kindOf(v))
			return v
		}
		return s.applyObject(f, path, m)
	case "array":
		l, ok := v.([]any)
		if !ok {
			f.add(path, "is %s: write a list", kindOf(v))
			return v
		}
		s.bounds(f, path, int64(len(l)), s.MinItems, s.MaxItems, "items")
		if s.Items == nil {
			return v
		}
		out := make([]any, len(l))
		for i, x := range l {
			out[i] = s.Items.apply(f, item(path, i), x)
		}
		return out
	case "string":
		text, ok := v.(string)
		switch {
		case !ok:
			f.add(path, "is %s: write a text", kindOf(v))
		case s.Pattern != nil && !s.Pattern.MatchString(text):
			f.add(path, "%s does not match %s", show(text), s.Pattern)
		default:
			s.bounds(f, path, int64(utf8.RuneCountInString(text)), s.MinLength, s.MaxLength, "characters")
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			f.add(path, "is %s: write true or false", kindOf(v))
		}
	case "integer", "number":
		s.applyNumber(f, path, v)
	}
	return v
}

func (s *Schema) applyObject(f *faults, path string, m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	known := make([]string, 0, len(s.Properties))
	for name := range s.Properties {
		known = append(known, name)
	}
	slices.Sort(known)
	for _, key := range sorted(m) {
		if s.Properties[key] != nil {
			continue
		}
		if !s.Open {
			f.add(join(path, clip(key)), "is not known%s", nearest(key, known))
		}
		out[key] = m[key]
	}
	for _, name := range known {
		p := s.Properties[name]
		v, there := m[name]
		switch {
		case there:
			out[name] = p.apply(f, join(path, name), v)
		case p.Default != nil:
			out[name] = p.Default
		case slices.Contains(s.Required, name):
			help := ""
			if p.Doc != "" {
				help = ": " + p.Doc
			}
			f.add(join(path, name), "is missing%s", help)
		}
	}
	return out
}

func (s *Schema) applyNumber(f *faults, path string, v any) {
	n, ok := real(v)
	if _, isWhole := whole(v); !ok || s.Type == "integer" && !isWhole {
		want := "a number"
		if s.Type == "integer" {
			want = "a whole number"
		}
		f.add(path, "is %s: write %s", kindOf(v), want)
		return
	}
	text := func(n float64) string { return strconv.FormatFloat(n, 'g', -1, 64) }
	if s.Minimum != nil && n < *s.Minimum {
		f.add(path, "%s is too low: at least %s", text(n), text(*s.Minimum))
	}
	if s.Maximum != nil && n > *s.Maximum {
		f.add(path, "%s is too high: at most %s", text(n), text(*s.Maximum))
	}
}

func (s *Schema) bounds(f *faults, path string, n int64, low, high *int64, what string) {
	if low != nil && n < *low {
		f.add(path, "has %d %s: at least %d", n, what, *low)
	}
	if high != nil && n > *high {
		f.add(path, "has %d %s: at most %d", n, what, *high)
	}
}

// equal compares values that may come from different decoders.
func equal(a, b any) bool {
	if x, ok := real(a); ok {
		y, ok := real(b)
		return ok && x == y
	}
	return reflect.DeepEqual(a, b)
}

func valuesText(values []any) string {
	b, err := json.Marshal(values)
	if err != nil {
		return "others"
	}
	return string(b[1 : len(b)-1])
}
