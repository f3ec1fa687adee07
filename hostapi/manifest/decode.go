package manifest

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A custom value decodes itself from what stands at path, and says what the
// schema of such a value is.
type custom interface {
	decode(f *faults, path string, v any)
	jsonSchema() map[string]any
}

// field is a key of a struct, with its tags.
type field struct {
	key, doc  string
	index     int
	need      bool
	enum      []string // the default first
	def       string
	low, high *int64
}

// fields reads the tags of a struct of this package.
func fields(t reflect.Type) []field {
	all := make([]field, 0, t.NumField())
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		f := field{key: tag.Get("json"), doc: tag.Get("doc"), index: i, def: tag.Get("default")}
		_, f.need = tag.Lookup("need")
		if enum, ok := tag.Lookup("enum"); ok {
			f.enum = strings.Split(enum, ",")
			f.def = f.enum[0]
		}
		f.low, f.high = bound(tag.Get("min")), bound(tag.Get("max"))
		all = append(all, f)
	}
	return all
}

func bound(s string) *int64 {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return &n
	}
	return nil
}

// object decodes a map into a struct: defaults first, then what is there.
func object(f *faults, path string, v any, to reflect.Value) {
	m, ok := v.(map[string]any)
	if !ok {
		f.add(path, "is %s: write an object", kindOf(v))
		return
	}
	known := fields(to.Type())
	keys := make([]string, len(known))
	for i := range known {
		keys[i] = known[i].key
	}
	for _, key := range sorted(m) {
		if !slices.Contains(keys, key) {
			f.add(join(path, clip(key)), "is not known%s", nearest(key, keys))
		}
	}
	for _, fd := range known {
		at := join(path, fd.key)
		x, there := m[fd.key]
		if !there {
			if fd.need {
				f.add(at, "is missing: %s", fd.doc)
			}
			setDefault(fd, to.Field(fd.index))
			continue
		}
		decode(f, at, x, to.Field(fd.index), fd)
	}
}

func setDefault(fd field, to reflect.Value) {
	switch {
	case fd.def == "":
	case to.Kind() == reflect.String:
		to.SetString(fd.def)
	case to.Kind() == reflect.Int64:
		n, _ := strconv.ParseInt(fd.def, 10, 64) // a tag of ours, checked by a test
		to.SetInt(n)
	}
}

func decode(f *faults, path string, v any, to reflect.Value, fd field) {
	if to.Kind() == reflect.Pointer {
		p := reflect.New(to.Type().Elem())
		decode(f, path, v, p.Elem(), fd)
		to.Set(p)
		return
	}
	if c, ok := to.Addr().Interface().(custom); ok {
		c.decode(f, path, v)
		return
	}
	switch to.Kind() {
	case reflect.Struct:
		object(f, path, v, to)
	case reflect.String:
		s, ok := v.(string)
		switch {
		case !ok:
			f.add(path, "is %s: write a text%s", kindOf(v), oneOf(fd.enum))
		case fd.enum != nil && !slices.Contains(fd.enum, s):
			f.add(path, "%s is not known%s", show(s), enumHelp(s, fd.enum))
		case s == "" && fd.need:
			f.add(path, "is empty: %s", fd.doc)
		default:
			to.SetString(s)
		}
	case reflect.Bool:
		b, ok := v.(bool)
		if !ok {
			f.add(path, "is %s: write true or false", kindOf(v))
			return
		}
		to.SetBool(b)
	case reflect.Int64:
		number(f, path, v, to, fd)
	case reflect.Slice:
		list(f, path, v, to, fd)
	}
}

func number(f *faults, path string, v any, to reflect.Value, fd field) {
	n, ok := whole(v)
	switch {
	case !ok:
		f.add(path, "is %s: write a whole number", kindOf(v))
	case fd.low != nil && n < *fd.low:
		f.add(path, "%d is too low: at least %d", n, *fd.low)
	case fd.high != nil && n > *fd.high:
		f.add(path, "%d is too high: at most %d", n, *fd.high)
	default:
		to.SetInt(n)
	}
}

func list(f *faults, path string, v any, to reflect.Value, fd field) {
	l, ok := v.([]any)
	if !ok {
		f.add(path, "is %s: write a list", kindOf(v))
		return
	}
	if len(l) == 0 && fd.need {
		f.add(path, "is empty: %s", fd.doc)
	}
	s := reflect.MakeSlice(to.Type(), len(l), len(l))
	for i, x := range l {
		decode(f, item(path, i), x, s.Index(i), field{need: true, doc: "write something, or leave it out"})
	}
	to.Set(s)
}

// whole reads the forms in which decoders give whole numbers.
func whole(v any) (int64, bool) {
	switch v := v.(type) {
	case json.Number:
		n, err := strconv.ParseInt(v.String(), 10, 64)
		return n, err == nil
	case int:
		return int64(v), true
	case int64:
		return v, true
	case uint64:
		return int64(v), v <= math.MaxInt64
	case float64:
		return int64(v), v == math.Trunc(v) && math.Abs(v) < 1<<53
	}
	return 0, false
}

// real reads the forms in which decoders give any numbers.
func real(v any) (float64, bool) {
	switch v := v.(type) {
	case json.Number:
		n, err := v.Float64()
		return n, err == nil
	case float64:
		return v, !math.IsNaN(v) && !math.IsInf(v, 0)
	}
	n, ok := whole(v)
	return float64(n), ok
}

func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "empty"
	case string:
		return "the text " + show(v)
	case bool:
		return fmt.Sprint(v)
	case []any:
		if len(v) == 0 {
			return "an empty list"
		}
		return fmt.Sprintf("a list of %d", len(v))
	case map[string]any:
		return "an object"
	}
	if n, ok := real(v); ok {
		return "the number " + strconv.FormatFloat(n, 'g', -1, 64)
	}
	return "something else"
}

func oneOf(enum []string) string {
	if enum == nil {
		return ""
	}
	names := slices.DeleteFunc(slices.Clone(enum), func(s string) bool { return s == "" })
	return ": " + strings.Join(names, ", ")
}

func enumHelp(s string, enum []string) string {
	if near := nearest(s, enum); near != "" {
		return near
	}
	return ": it is one of" + strings.TrimPrefix(oneOf(enum), ":")
}

func sorted(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// clip keeps a key that somebody wrote from filling a message.
func clip(key string) string {
	if r := []rune(key); len(r) > 64 {
		return string(r[:64]) + "…"
	}
	return key
}
