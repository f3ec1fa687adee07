package config

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Value is one key with its effective value, masked where it holds a password.
type Value struct {
	Key    string `json:"key"`
	Value  any    `json:"value"` // string, int, bool or []string
	Origin string `json:"origin"`
}

// Text gives the value as one line.
func (v Value) Text() string { return flowYAML(v.Value) }

// Values gives all keys but those of plugins, without their origins.
func Values(c *Config) []Value {
	var out []Value
	for _, f := range newSchema() {
		if !f.section {
			out = append(out, Value{Key: f.key, Value: shown(f.in(c))})
		}
	}
	return out
}

// Values gives all keys in the order of the sample file, then those of plugins.
func (l *Loaded) Values() []Value {
	out := Values(&l.Config)
	for i := range out {
		out[i].Origin = l.Origin(out[i].Key).String()
	}
	for _, v := range l.effectivePlugins() {
		out = append(out, Value{Key: v.Key(), Value: v.shown(), Origin: v.Origin.String()})
	}
	return out
}

// Show writes the effective values as YAML, passwords masked; with origins,
// each line ends in a comment that says where the value comes from.
func (l *Loaded) Show(w io.Writer, withOrigin bool) error {
	out := bufio.NewWriter(w)
	for _, f := range newSchema() {
		line := indent(f) + f.name + ":"
		if !f.section {
			line += " " + yamlText(shown(f.in(&l.Config)))
			if withOrigin {
				line = fmt.Sprintf("%-44s # %s", line, l.Origin(f.key))
			}
		}
		fmt.Fprintln(out, line)
	}
	l.showPlugins(out, withOrigin)
	return out.Flush()
}

// showPlugins writes the section plugins.
func (l *Loaded) showPlugins(out io.Writer, withOrigin bool) {
	var before []string
	for _, v := range l.effectivePlugins() {
		path := append([]string{"plugins", v.Plugin}, v.Path...)
		same := 0
		for same < min(len(before), len(path)-1) && before[same] == path[same] {
			same++
		}
		for i := same; i < len(path); i++ {
			line := strings.Repeat("  ", i) + yamlText(path[i]) + ":"
			if i == len(path)-1 {
				line += " " + flowYAML(v.shown())
				if withOrigin {
					line = fmt.Sprintf("%-44s # %s", line, v.Origin)
				}
			}
			fmt.Fprintln(out, line)
		}
		before = path[:len(path)-1]
	}
}

// flowYAML writes any plain value on one line.
func flowYAML(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = flowYAML(item)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case map[string]any:
		items := make([]string, 0, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			items = append(items, yamlText(key)+": "+flowYAML(v[key]))
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	return yamlText(v)
}

func indent(f field) string {
	if f.parent == "" {
		return ""
	}
	return strings.Repeat("  ", 1+strings.Count(f.parent, "."))
}

// shown gives the printable form of a leaf.
func shown(v reflect.Value) any {
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return s.String()
	}
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Int:
		return int(v.Int())
	case reflect.Bool:
		return v.Bool()
	default:
		return append([]string{}, v.Interface().([]string)...)
	}
}

// plainYAML matches texts that mean themselves without quotes: words, paths,
// spans, sizes, addresses.
var plainYAML = regexp.MustCompile(`^([A-Za-z/][A-Za-z0-9_./-]*|([0-9]+[A-Za-z]+)+|[0-9.]+:[0-9]+|postgres(ql)?://[A-Za-z0-9_.:/@%?=&+-]+[A-Za-z0-9/])$`)

func yamlText(v any) string {
	switch v := v.(type) {
	case string:
		switch strings.ToLower(v) {
		case "0":
			return v
		case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
			return quoteYAML(v)
		}
		if plainYAML.MatchString(v) {
			return v
		}
		return quoteYAML(v)
	case []string:
		items := make([]string, len(v))
		for i, s := range v {
			items[i] = quoteYAML(s)
		}
		return "[" + strings.Join(items, ", ") + "]"
	default:
		return fmt.Sprint(v)
	}
}

// quoteYAML writes a double-quoted text. YAML knows all escapes of %q.
func quoteYAML(s string) string { return fmt.Sprintf("%q", s) }

func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
