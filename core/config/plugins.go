package config

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// PluginValue is one thing that a source says of a plugin. What the keys below
// grant, limits and config mean is the plugin host's affair: they are passed on
// as they were written.
type PluginValue struct {
	Plugin string
	Path   []string // enabled; source; sha256; grant and a capability; limits and a key; config and its keys
	Value  any      // bool, string, int64, float64, nil, []any, or a map[string]any that is empty or a scope
	Origin Origin
}

// Key gives the value's dotted path.
func (v PluginValue) Key() string {
	return "plugins." + v.Plugin + "." + strings.Join(v.Path, ".")
}

type pluginKey struct {
	name string
	deep bool
	doc  string
}

// pluginKeys are the keys of a plugin's section, with whether keys are below.
var pluginKeys = []pluginKey{
	{"enabled", false, "true or false."},
	{"source", false, "Folder or .takplugin file; not needed for one that is shipped or installed."},
	{"sha256", false, "Digest of the package that source must have."},
	{"grant", true, "Capabilities it has, each with its scope, such as events.read: {types: [a-f-*]}."},
	{"limits", true, "Limits, such as memory: 64MiB."},
	{"config", true, "The plugin's own settings."},
}

// pluginName matches what a manifest may have for a name.
var pluginName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)

func pluginKeyOf(name string) pluginKey {
	for _, k := range pluginKeys {
		if k.name == name {
			return k
		}
	}
	return pluginKey{}
}

// plugins takes the section plugins of a file.
func (l *loader) plugins(n *yaml.Node, at Origin) {
	l.eachKey("plugins", n, at, func(name string, value *yaml.Node, here Origin) {
		if !pluginName.MatchString(name) {
			l.fault(here, "plugins", keyText(name)+" is no name of a plugin: they are lower-case letters, digits and -")
			return
		}
		l.plugin(name, value, at)
	})
}

func (l *loader) plugin(name string, n *yaml.Node, at Origin) {
	section := "plugins." + name
	l.eachKey(section, n, at, func(key string, value *yaml.Node, here Origin) {
		l.pluginKey(name, []string{key}, value, here)
	})
}

// pluginKey takes the value of one key of a plugin's section, or below one.
func (l *loader) pluginKey(name string, path []string, n *yaml.Node, here Origin) {
	key := "plugins." + name + "." + strings.Join(path, ".")
	switch k := pluginKeyOf(path[0]); {
	case k.name == "":
		var names []string
		for _, k := range pluginKeys {
			names = append(names, k.name)
		}
		text := "unknown " + keyText(path[0]) + " in plugins." + name
		if near := nearest(path[0], names); near != "" {
			text += fmt.Sprintf("; did you mean %q?", near)
		} else {
			text += "; known there are " + strings.Join(names, ", ") + " (a plugin's own settings belong below config)"
		}
		l.fault(here, "", text)
		return
	case !k.deep && len(path) > 1:
		l.fault(here, key, "there are no keys below "+path[0])
		return
	}
	l.pluginLeaves(name, path, n, here)
}

// pluginLeaves keeps each leaf of a section by itself, so that sources override
// single settings of one another. A grant is one for each capability.
func (l *loader) pluginLeaves(name string, path []string, n *yaml.Node, here Origin) {
	key := "plugins." + name + "." + strings.Join(path, ".")
	r := resolve(n)
	if r.Kind == yaml.MappingNode && r.Style&yaml.TaggedStyle == 0 && pluginKeyOf(path[0]).deep &&
		(len(path) == 1 || len(r.Content) > 0) && (path[0] != "grant" || len(path) == 1) {
		if len(path) > maxPluginDepth {
			l.fault(here, key, fmt.Sprintf("has more than %d levels", maxPluginDepth))
			return
		}
		l.eachKey(key, n, here, func(k string, value *yaml.Node, here Origin) {
			l.pluginLeaves(name, append(path[:len(path):len(path)], k), value, here)
		})
		return
	}
	value, err := plainValue(n, 0)
	if path[0] == "sha256" && r.Kind == yaml.ScalarNode && !isNull(r) {
		value, err = r.Value, nil // YAML takes some digests for numbers
	}
	if err == nil {
		err = checkPluginValue(path, value)
	}
	if err != nil {
		l.fault(place(here, n), key, err.Error())
		return
	}
	l.result.Plugins = append(l.result.Plugins, PluginValue{Plugin: name, Path: path, Value: value, Origin: here})
}

func checkPluginValue(path []string, v any) error {
	switch path[0] {
	case "enabled":
		if _, ok := v.(bool); !ok {
			return errors.New("is not true or false")
		}
	case "source", "sha256":
		if s, ok := v.(string); !ok || s == "" || strings.ContainsRune(s, 0) {
			return errors.New("is not a text")
		}
	default:
		if _, ok := v.(map[string]any); !ok && len(path) == 1 {
			return errors.New("wants keys with values")
		}
	}
	return nil
}

// pluginSetting takes plugins.NAME.KEY… of --set and of the environment.
func (l *loader) pluginSetting(at Origin, name string, path []string, text string) {
	if !pluginName.MatchString(name) || len(path) == 0 || slices.Contains(path, "") {
		l.fault(at, "", "names no setting of a plugin: write plugins.NAME.enabled, or plugins.NAME.config.KEY")
		return
	}
	if path[0] == "grant" && len(path) > 1 { // capabilities have dots in their names
		path = []string{"grant", strings.Join(path[1:], ".")}
	}
	root, faults := parseYAML(at, []byte(text))
	for _, f := range faults {
		l.fault(at, "plugins."+name+"."+strings.Join(path, "."), f.Problem+hint(text))
	}
	if len(faults) > 0 {
		return
	}
	if root == nil {
		root = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str"}
	}
	l.pluginKey(name, path, root, at)
}

// pluginVariable takes a variable such as TAKHOST_PLUGINS_CHAT_ENABLED, of
// which rest is what follows TAKHOST_PLUGINS_.
func (l *loader) pluginVariable(at Origin, rest, text string) {
	for _, k := range pluginKeys {
		if name, ok := strings.CutSuffix(rest, "_"+strings.ToUpper(k.name)); ok {
			l.pluginSetting(at, strings.ToLower(strings.ReplaceAll(name, "_", "-")), []string{k.name}, text)
			return
		}
	}
	var endings []string
	for _, k := range pluginKeys {
		endings = append(endings, "_"+strings.ToUpper(k.name))
	}
	l.fault(at, "", "sets nothing of a plugin: such a variable ends in "+strings.Join(endings, ", "))
}

// maxPluginDepth bounds the values of a plugin's section.
const maxPluginDepth = 32

// plainValue gives a node as plain values: map[string]any, []any, string, bool,
// int64, float64 or nil.
func plainValue(n *yaml.Node, depth int) (any, error) {
	n = resolve(n)
	if depth > maxPluginDepth {
		return nil, fmt.Errorf("has more than %d levels", maxPluginDepth)
	}
	if n.Style&yaml.TaggedStyle != 0 {
		return nil, errors.New("has a tag (!…), which has no meaning here")
	}
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := resolve(n.Content[i])
			if key.Kind != yaml.ScalarNode {
				return nil, errors.New("has a key that is not a word")
			}
			if _, twice := m[key.Value]; twice {
				return nil, fmt.Errorf("has %s twice", keyText(key.Value))
			}
			v, err := plainValue(n.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			m[key.Value] = v
		}
		return m, nil
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			v, err := plainValue(item, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	}
	return scalar(n)
}

func scalar(n *yaml.Node) (any, error) {
	switch n.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!bool":
		switch strings.ToLower(n.Value) {
		case "true", "yes", "on":
			return true, nil
		}
		return false, nil
	case "!!int":
		if v, err := strconv.ParseInt(n.Value, 0, 64); err == nil {
			return v, nil
		}
		return nil, fmt.Errorf("%s is too large", quote(n.Value))
	case "!!float":
		v, err := strconv.ParseFloat(n.Value, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("%s is not a number that can be used", quote(n.Value))
		}
		return v, nil
	}
	return n.Value, nil
}

// secretKey matches keys whose values are not shown.
var secretKey = regexp.MustCompile(`(?i)(password|passwd|secret|token|apikey|api_key|private)`)

// shown gives the value for people, masked where its key tells of a secret.
func (v PluginValue) shown() any {
	if v.Path[0] == "config" && slices.ContainsFunc(v.Path, secretKey.MatchString) {
		return "***"
	}
	return v.Value
}

// effectivePlugins gives of each setting the strongest value, ordered by key.
func (l *Loaded) effectivePlugins() []PluginValue {
	best := map[string]PluginValue{}
	for _, v := range l.Plugins { // weakest source first
		best[v.Key()] = v
	}
	var out []PluginValue
	for _, key := range slices.Sorted(maps.Keys(best)) {
		out = append(out, best[key])
	}
	return out
}

// FlagOrigin is the origin of a value that a command sets, for messages.
func FlagOrigin(name string) Origin { return Origin{kind: fromFlag, name: name} }

// ParsePlugin reads a plugin's own settings, keys with values in YAML, that a flag
// gives. An empty text has none.
func ParsePlugin(flag, plugin, text string) ([]PluginValue, error) {
	if text == "" {
		return nil, nil
	}
	l := &loader{failed: map[string]bool{}}
	l.pluginSetting(FlagOrigin(flag), plugin, []string{"config"}, text)
	return l.result.Plugins, l.err()
}
