package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/takhost/takhost/core/store"
)

// Settings that are made at runtime are rows: a key of Value.Key, and its value as
// JSON. One more row, pin, notes the digest with which a file was first seen.

// Another, former, notes the digest of the installed package before, which is kept
// while that version may come back.

const (
	pinKey    = "pin"
	formerKey = "former"
)

type pin struct {
	Source string `json:"source"`
	SHA256 string `json:"sha256"`
}

// rows are those of one plugin.
type rows map[string]string

// with gives the rows with changes: an empty value takes a key away.
func (r rows) with(changes rows) rows {
	out := rows{}
	for key, v := range r {
		out[key] = v
	}
	for key, v := range changes {
		if v == "" {
			delete(out, key)
		} else {
			out[key] = v
		}
	}
	return out
}

// byPlugin sorts what the store gave.
func byPlugin(list []store.PluginSetting) map[string]rows {
	all := map[string]rows{}
	for _, s := range list {
		if all[s.Name] == nil {
			all[s.Name] = rows{}
		}
		all[s.Name][s.Key] = s.Value
	}
	return all
}

// setting reads the rows of a plugin. An error names the row: it may have been
// written by another version of the server.
func (r rows) setting(name string) (Setting, pin, error) {
	doc := map[string]any{}
	var p pin
	for key, text := range r {
		if key == pinKey {
			if err := json.Unmarshal([]byte(text), &p); err != nil {
				return Setting{}, pin{}, rowError(name, key, err)
			}
			continue
		}
		if key == formerKey {
			continue
		}
		v, err := decodeJSON(text)
		if err != nil {
			return Setting{}, pin{}, rowError(name, key, err)
		}
		head, rest, nested := strings.Cut(key, ".")
		switch whole := head == "config" || head == "grant" || head == "limits"; {
		case whole && !nested:
			return Setting{}, pin{}, rowError(name, key, errors.New("such rows are not written: each key below it has its own"))
		case !nested:
			doc[key] = v
		default:
			section(doc, head)[rest] = v // of config by path, for now
		}
	}
	if c, ok := doc["config"].(map[string]any); ok {
		doc["config"] = treeOf(disjoint(c))
	}
	s, err := ReadSetting("plugins."+name, doc)
	if err != nil {
		return Setting{}, p, invalid("the database has settings of plugin %s that cannot be used:\n%v\nTo drop them: takhost plugin reset %s", name, err, name)
	}
	return s, p, nil
}

func section(doc map[string]any, key string) map[string]any {
	m, ok := doc[key].(map[string]any)
	if !ok {
		m = map[string]any{}
		doc[key] = m
	}
	return m
}

// disjoint drops paths that lie below another one. Rows are written so that there
// are none.
func disjoint(leaves map[string]any) map[string]any {
	out := map[string]any{}
	for path, v := range leaves {
		covered := false
		for other := range leaves {
			covered = covered || strings.HasPrefix(path, other+".")
		}
		if !covered {
			out[path] = v
		}
	}
	return out
}

func rowError(name, key string, err error) error {
	return invalid("the database has a setting %s of plugin %s that cannot be read (%v). To drop it: takhost plugin reset %s", key, name, err, name)
}

func decodeJSON(text string) (any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, fmt.Errorf("something follows the value")
	}
	return v, nil
}

// encode gives the JSON of a value; what cannot be written is told.
func encode(key string, v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", invalid("%s: %v", key, err)
	}
	return string(b), nil
}
