package guests

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/takhost/takhost/hostapi/manifest"
)

// Change makes another version of a manifest out of one.
type Change func(m map[string]any)

// Version gives it a version.
func Version(v string) Change { return Set("version", v) }

// Set sets a key of the manifest; nil takes it away.
func Set(key string, v any) Change {
	return func(m map[string]any) {
		if v == nil {
			delete(m, key)
			return
		}
		m[key] = v
	}
}

// Config sets the default of a key of the plugin's config.
func Config(key string, v any) Change {
	return func(m map[string]any) {
		properties := m["config"].(map[string]any)["properties"].(map[string]any)
		property := maps.Clone(properties[key].(map[string]any))
		property["default"] = v
		properties[key] = property
	}
}

// Ask asks for a capability, or for another scope of it; nil: for it no more.
func Ask(capability string, scope any) Change {
	return func(m map[string]any) {
		all := m["capabilities"].(map[string]any)
		if scope == nil {
			delete(all, capability)
			return
		}
		all[capability] = scope
	}
}

// Limit sets a limit.
func Limit(key string, v any) Change {
	return func(m map[string]any) {
		limits, _ := m["limits"].(map[string]any)
		if limits == nil {
			limits = map[string]any{}
			m["limits"] = limits
		}
		limits[key] = v
	}
}

// Name gives it another name, in its routes too.
func Name(name string) Change {
	return func(m map[string]any) {
		own := manifest.Prefix(m["name"].(string))
		m["name"] = name
		routes, _ := m["routes"].([]any)
		for _, r := range routes {
			r := r.(map[string]any)
			if rest, ok := strings.CutPrefix(r["path"].(string), own); ok {
				r["path"] = manifest.Prefix(name) + rest
			}
		}
	}
}

// Pack makes a package of the plugin with a changed manifest.
func (g *Guest) Pack(t testing.TB, changes ...Change) []byte {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(g.manifest, &m); err != nil {
		t.Fatal(err)
	}
	for _, change := range changes {
		change(m)
	}
	doc, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	// Not compressed: tests make many versions, and time is what they have least of.
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	for _, f := range []struct {
		name    string
		content []byte
	}{{manifest.FileName, doc}, {g.entry, g.code}} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Store})
		if err == nil {
			_, err = w.Write(f.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

// Fresh gives the same WASM plugin as another module, which nobody has compiled
// yet: tag is any text of up to a hundred bytes.
func (g *Guest) Fresh(tag string) *Guest {
	const name = "tag" // of a custom section, which says nothing
	body := string(rune(len(name))) + name + tag
	return g.With(append(append([]byte(nil), g.code...), "\x00"+string(rune(len(body)))+body...))
}

// With gives the plugin with other code.
func (g *Guest) With(code []byte) *Guest {
	other := *g
	other.code = code
	return &other
}
