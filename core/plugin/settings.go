package plugin

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
)

// Layers are what operators say of plugins outside of the database, by name of
// the plugin. A key in a later layer hides the same key in those before it:
// shipped, file, database, environment, flags.
type Layers struct {
	File        map[string]Setting
	Environment map[string]Setting
	Flags       map[string]Setting
}

// Names of the layers, as Value.Origin has them.
const (
	fromDefault     = "default"
	fromShipped     = "shipped"
	fromManifest    = "manifest"
	fromFile        = "file"
	fromDatabase    = "database"
	fromEnvironment = "environment"
	fromFlag        = "flag"
)

// layer is one plugin's setting in one layer.
type layer struct {
	name string
	s    Setting
}

// of gives the layers of one plugin, lowest first.
func (l Layers) of(name string, shipped, database Setting) []layer {
	return []layer{
		{fromShipped, shipped}, {fromFile, l.File[name]}, {fromDatabase, database},
		{fromEnvironment, l.Environment[name]}, {fromFlag, l.Flags[name]},
	}
}

// names gives the plugins that some layer speaks of.
func (l Layers) names() []string {
	all := map[string]bool{}
	for _, m := range []map[string]Setting{l.File, l.Environment, l.Flags} {
		for name := range m {
			all[name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// merged is what all layers of one plugin say together.
type merged struct {
	enabled bool
	source  string
	sha256  string
	grant   hostapi.Grants
	limits  map[string]any
	config  map[string]any
	leaves  map[string]any    // config by path, for lists
	origin  map[string]string // layer of each key that somebody set
	place   map[string]string // of it, where a layer knows better: "takhost.yaml:12"
}

func merge(layers []layer) merged {
	m := merged{grant: hostapi.Grants{}, limits: map[string]any{}, leaves: map[string]any{}, origin: map[string]string{}, place: map[string]string{}}
	for _, l := range layers {
		set := func(key string) {
			m.origin[key] = l.name
			delete(m.place, key)
			if at := l.place(key); at != "" {
				m.place[key] = at
			}
		}
		if l.s.Enabled != nil {
			m.enabled = *l.s.Enabled
			set("enabled")
		}
		if l.s.Source != "" {
			// A digest belongs to the source that it was given for.
			if l.s.Source != m.source && l.s.SHA256 == "" {
				m.sha256 = ""
				delete(m.origin, "sha256")
			}
			m.source = l.s.Source
			set("source")
		}
		if l.s.SHA256 != "" {
			m.sha256 = strings.ToLower(l.s.SHA256)
			set("sha256")
		}
		for c, scope := range l.s.Grant {
			m.grant[c] = scope
			set("grant." + string(c))
		}
		for key, v := range l.s.Limits {
			m.limits[key] = v
			set("limits." + key)
		}
		for path, v := range leavesOf(l.s.Config) {
			m.hide(path)
			m.leaves[path] = v
			set("config." + path)
		}
	}
	m.config = treeOf(m.leaves)
	return m
}

// hide takes away what a value at path replaces: what is below it, and a value
// above it, which has no keys.
func (m *merged) hide(path string) {
	for other := range m.leaves {
		if other == path || strings.HasPrefix(other, path+".") || strings.HasPrefix(path, other+".") {
			delete(m.leaves, other)
			delete(m.origin, "config."+other)
			delete(m.place, "config."+other)
		}
	}
}

// place gives where a key of the layer stands, as exactly as it knows.
func (l layer) place(key string) string {
	for key != "" {
		if at, ok := l.s.Extra[key]; ok {
			return at
		}
		key = key[:max(strings.LastIndexByte(key, '.'), 0)]
	}
	return ""
}

// where says where a key comes from: "takhost.yaml:12", or the layer's name.
func (m *merged) where(key string) string {
	for key != "" {
		if at, ok := m.place[key]; ok {
			return at
		}
		if at, ok := m.origin[key]; ok {
			return at
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return ""
}

// values lists what somebody set, by key. Values that the plugin's schema calls
// secret are not shown.
func (m *merged) values(schema *manifest.Schema) []Value {
	var list []Value
	add := func(key string, v any) {
		if at, ok := m.origin[key]; ok {
			list = append(list, Value{Key: key, Value: v, Origin: at})
		}
	}
	add("enabled", m.enabled)
	add("source", m.source)
	add("sha256", m.sha256)
	for c, s := range m.grant {
		add("grant."+string(c), ScopeTree(c, s))
	}
	for key, v := range m.limits {
		add("limits."+key, v)
	}
	for path, v := range m.leaves {
		add("config."+path, hideSecrets(schema, split(path), v))
	}
	slices.SortFunc(list, func(a, b Value) int { return strings.Compare(a.Key, b.Key) })
	return list
}

// leavesOf gives the values of a section by their paths. Names of keys are
// joined by dots; a dot or backslash of a name has a backslash in front. An empty
// object is a value.
func leavesOf(tree map[string]any) map[string]any {
	out := map[string]any{}
	var walk func(prefix string, m map[string]any)
	walk = func(prefix string, m map[string]any) {
		for key, v := range m {
			path := prefix + escape.Replace(key)
			if sub, ok := v.(map[string]any); ok && len(sub) > 0 {
				walk(path+".", sub)
				continue
			}
			out[path] = v
		}
	}
	walk("", tree)
	return out
}

var escape = strings.NewReplacer(`\`, `\\`, `.`, `\.`)

// split takes a path apart.
func split(path string) []string {
	var parts []string
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '\\' && i+1 < len(path):
			i++
			b.WriteByte(path[i])
		case c == '.':
			parts = append(parts, b.String())
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	return append(parts, b.String())
}

// treeOf is the reverse of leavesOf. No path is the beginning of another.
func treeOf(leaves map[string]any) map[string]any {
	root := map[string]any{}
	for path, v := range leaves {
		m, parts := root, split(path)
		for _, key := range parts[:len(parts)-1] {
			sub, ok := m[key].(map[string]any)
			if !ok {
				sub = map[string]any{}
				m[key] = sub
			}
			m = sub
		}
		m[parts[len(parts)-1]] = v
	}
	return root
}

const hidden = "(not shown)"

func hideSecrets(s *manifest.Schema, path []string, v any) any {
	if s == nil {
		return v
	}
	if s.Secret {
		return hidden
	}
	if len(path) > 0 {
		return hideSecrets(s.Properties[path[0]], path[1:], v)
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, x := range v {
			out[key] = hideSecrets(s.Properties[key], nil, x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = hideSecrets(s.Items, nil, x)
		}
		return out
	}
	return v
}

// located puts in front of each fault where its value comes from. The faults'
// paths begin with prefix, behind which the keys of m follow.
func (m *merged) located(prefix string, err error) error {
	faults, ok := err.(manifest.Faults)
	if !ok {
		return err
	}
	lines := make([]string, len(faults))
	for i, f := range faults {
		lines[i] = f.String()
		if at := m.where(strings.TrimPrefix(f.Path, prefix)); at != "" {
			lines[i] = fmt.Sprintf("%s: %s", at, lines[i])
		}
	}
	return invalid("%s", strings.Join(lines, "\n"))
}
