package config

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Sample writes a file with all keys, their defaults and what they mean. The
// keys are commented out, so that a listener in an untouched sample does not
// count as set by hand, and a later version may improve its defaults.
func Sample(w io.Writer) error {
	return sample(w, `# Configuration of takhost. Every key is shown with its default; remove the
# mark before a key to change it. The environment beats this file (for example
# `+EnvPrefix+`LISTEN_TCP), and --set key=value beats both.
# Times are written as 4ms, 30s, 12h, 30d, sizes as 10GB (decimal) or 8MiB
# (binary).
`, nil)
}

// WriteSample writes the sample with those keys in force that somebody has set
// in file, environment or flags. Load of what it writes gives their values
// again: passwords are written as they are, so see Loaded.HasSecret.
func WriteSample(w io.Writer, l *Loaded) error {
	return sample(w, `# Configuration of takhost. Keys with a mark before them have their defaults;
# remove it to change one. The environment beats this file (for example
# `+EnvPrefix+`LISTEN_TCP), and --set key=value beats both.
# Times are written as 4ms, 30s, 12h, 30d, sizes as 10GB (decimal) or 8MiB
# (binary).
`, l)
}

// HasSecret reports whether WriteSample writes something that others should not
// read: a password of the database, of key stores, or in a plugin's settings.
func (l *Loaded) HasSecret() bool {
	if l.Database.DSN() != l.Database.String() || l.Origin("pki.password").ByHand() {
		return true
	}
	return slices.ContainsFunc(l.Plugins, func(v PluginValue) bool {
		return v.Path[0] == "config" && slices.ContainsFunc(v.Path, secretKey.MatchString)
	})
}

// sample writes the sample; l, which may be nil, says what is in force.
func sample(w io.Writer, head string, l *Loaded) error {
	out := bufio.NewWriter(w)
	fmt.Fprint(out, head)
	def := Default()
	for _, f := range newSchema() {
		if f.section || f.parent == "" {
			fmt.Fprintln(out)
		}
		pad := indent(f)
		for _, line := range wrap(f.doc, 78-len(pad)-2) {
			fmt.Fprintln(out, pad+"# "+line)
		}
		switch {
		case f.section:
			fmt.Fprintln(out, f.name+":")
		case l != nil && l.Origin(f.key).ByHand():
			fmt.Fprintln(out, pad+f.name+": "+yamlText(written(f.in(&l.Config))))
		default:
			fmt.Fprintln(out, pad+"#"+f.name+": "+yamlText(shown(f.in(&def))))
		}
	}
	samplePlugins(out, l)
	return out.Flush()
}

// written is shown for a file: a password is not masked there.
func written(v reflect.Value) any {
	if d, ok := v.Interface().(Database); ok {
		return d.DSN()
	}
	return shown(v)
}

func samplePlugins(out io.Writer, l *Loaded) {
	fmt.Fprint(out, `
# Plugins by name. takhost plugin list shows them, takhost plugin show NAME what
# one asks for and where its settings come from.
plugins:
`)
	if l != nil {
		writePlugins(out, l.effectivePlugins())
	}
	fmt.Fprintln(out, "  #geofence:")
	for _, k := range pluginKeys {
		for _, line := range wrap(k.doc, 70) {
			fmt.Fprintln(out, "    # "+line)
		}
		example := map[string]string{
			"enabled": "true", "source": "plugins/geofence.takplugin", "sha256": strings.Repeat("0", 64),
			"grant": `{events.read: {types: ["a-f-*"]}}`, "limits": "{}", "config": "{}",
		}[k.name]
		fmt.Fprintln(out, "    #"+k.name+": "+example)
	}
}

// writePlugins writes values. Texts are quoted in any case, as a plugin may tell
// "1" from 1.
func writePlugins(out io.Writer, values []PluginValue) {
	slices.SortFunc(values, func(a, b PluginValue) int {
		return cmp.Or(cmp.Compare(a.Plugin, b.Plugin), slices.Compare(a.Path, b.Path))
	})
	var before []string
	for _, v := range values {
		path := append([]string{v.Plugin}, v.Path...)
		same := 0
		for same < min(len(before), len(path)-1) && before[same] == path[same] {
			same++
		}
		for i := same; i < len(path); i++ {
			line := strings.Repeat("  ", i+1) + quoteYAML(path[i]) + ":"
			if i == 0 || i == 1 {
				line = strings.Repeat("  ", i+1) + path[i] + ":" // they are plain words
			}
			if i == len(path)-1 {
				line += " " + exactYAML(v.Value)
			}
			fmt.Fprintln(out, line)
		}
		before = path[:len(path)-1]
	}
}

// exactYAML writes a plain value on one line so that it is read as the same.
func exactYAML(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return quoteYAML(v)
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = exactYAML(item)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case map[string]any:
		items := make([]string, 0, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			items = append(items, quoteYAML(key)+": "+exactYAML(v[key]))
		}
		return "{" + strings.Join(items, ", ") + "}"
	case float64:
		if text := fmt.Sprint(v); strings.ContainsAny(text, ".eE") {
			return text
		}
		return fmt.Sprintf("%.1f", v) // 2.0 is no 2
	}
	return fmt.Sprint(v)
}
