package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// EnvPrefix starts the name of every environment variable that is read.
const EnvPrefix = "TAKHOST_"

// A field is one key of the configuration, found by reflection: a section with
// keys below it, or a leaf with a value.
type field struct {
	key     string // dotted path, such as listen.tcp
	name    string // last part of key
	parent  string // key of the section, empty at the top
	doc     string
	section bool
	index   []int // for reflect's FieldByIndex, from Config
}

// EnvName gives the environment variable that sets the leaf.
func (f field) envName() string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(f.key, ".", "_"))
}

func (f field) in(c *Config) reflect.Value {
	return reflect.ValueOf(c).Elem().FieldByIndex(f.index)
}

// schema has all fields in the order of the structs, sections before what is
// below them.
type schema []field

func newSchema() schema { return appendFields(nil, reflect.TypeFor[Config](), "", nil) }

func appendFields(s schema, t reflect.Type, parent string, index []int) schema {
	for i := range t.NumField() {
		sf := t.Field(i)
		name := sf.Tag.Get("yaml")
		f := field{
			key:     name,
			name:    name,
			parent:  parent,
			doc:     sf.Tag.Get("doc"),
			section: sf.Type.Kind() == reflect.Struct,
			index:   append(index[:len(index):len(index)], i),
		}
		if parent != "" {
			f.key = parent + "." + name
		}
		s = append(s, f)
		if f.section {
			s = appendFields(s, sf.Type, f.key, f.index)
		}
	}
	return s
}

func (s schema) find(key string) (field, bool) {
	for _, f := range s {
		if f.key == key {
			return f, true
		}
	}
	return field{}, false
}

// below gives the names of the keys in a section, or at the top for "".
func (s schema) below(section string) []string {
	var names []string
	if section == "" {
		defer func() { names = append(names, "plugins") }()
	}
	for _, f := range s {
		if f.parent == section {
			names = append(names, f.name)
		}
	}
	return names
}

// notYet has the keys that the documentation knows and this version does not.
var notYet = [...]struct{ key, feature string }{
	{"listen.federation", "federation"},
}

// later says what a key of a coming version gets for an answer.
func later(key string) (answer string, ok bool) {
	for _, k := range notYet {
		if key == k.key || strings.HasPrefix(key, k.key+".") {
			return fmt.Sprintf("key %q: this version of takhost does not have %s yet; remove the key", k.key, k.feature), true
		}
	}
	return "", false
}

// unknown says that there is no such key below section, and which one was
// probably meant.
func (s schema) unknown(section, name string) string {
	path := name
	text := "unknown " + keyText(name)
	known := "; known are "
	if section != "" {
		path = section + "." + name
		text += " in " + section
		known = "; known there are "
	}
	if answer, ok := later(path); ok {
		return answer
	}
	if meant := s.meant(section, name); meant != "" {
		return text + fmt.Sprintf("; did you mean %q?", meant)
	}
	return text + known + strings.Join(s.below(section), ", ")
}

// meant looks among the neighbours first, then for the same or a similar name
// elsewhere, which is what a wrong indentation makes.
func (s schema) meant(section, name string) string {
	if near := nearest(name, s.below(section)); near != "" {
		return near
	}
	var names, keys []string
	for _, f := range s {
		names, keys = append(names, f.name), append(keys, f.key)
	}
	for _, candidates := range [][]string{names, keys} {
		if near := nearest(name, candidates); near != "" {
			return keys[slices.Index(candidates, near)]
		}
	}
	return ""
}
