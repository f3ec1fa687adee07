package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/takhost/takhost/core/onboard"
)

type profilePrefCmd struct {
	sourceFlags
	Name   string   `arg:"" help:"Name of the profile."`
	Set    []string `arg:"" optional:"" name:"key=value" help:"Preferences to set. true, false and numbers are such; what is in double quotes, as everything else, is a text."`
	Text   []string `placeholder:"KEY=VALUE" sep:"none" help:"Set a text, whatever it looks like. ATAK keeps most numbers that people type or choose as texts. May be given several times."`
	Remove []string `placeholder:"KEY" sep:"none" help:"Remove a preference. May be given several times."`
	JSON   bool     `help:"Write JSON."`
}

// Run changes preferences, or lists them when there is nothing to change.
func (c *profilePrefCmd) Run(ctx context.Context, std streams) error {
	changes := onboard.Preferences{}
	for _, list := range []struct {
		pairs  []string
		asText bool
	}{{c.Set, false}, {c.Text, true}} {
		for _, pair := range list.pairs {
			key, v, err := prefPair(pair, list.asText)
			if err != nil {
				return err
			}
			changes[key] = v
		}
	}
	a, err := c.admin()
	if err != nil {
		return err
	}
	path := under(profilesPath, c.Name, "preferences")
	prefs := onboard.Preferences{}
	if err := a.get(ctx, path, nil, &prefs); err != nil {
		return err
	}
	for _, key := range c.Remove {
		if _, ok := prefs[key]; !ok {
			return usagef("profile %s has no preference %s", c.Name, key)
		}
		delete(prefs, key)
	}
	maps.Copy(prefs, changes)
	if len(changes)+len(c.Remove) > 0 {
		if err := a.ask(ctx, http.MethodPut, path, prefs, new(json.RawMessage)); err != nil {
			return err
		}
	}
	if c.JSON {
		return writeJSON(std, prefs)
	}
	t := newTable("PREFERENCE", "TYPE", "VALUE")
	for _, key := range slices.Sorted(maps.Keys(prefs)) {
		t.row(key, prefType(prefs[key]), prefText(prefs[key]))
	}
	return t.write(std, fmt.Sprintf("profile %s has no preferences: takhost profile pref %s key=value", clean(c.Name), quoted(c.Name)))
}

// prefPair takes a preference of the command line apart.
func prefPair(pair string, asText bool) (key string, v any, err error) {
	key, text, ok := strings.Cut(pair, "=")
	if !ok || key == "" {
		return "", nil, usagef("%q is no preference: write key=value", pair)
	}
	if asText {
		return key, text, nil
	}
	if !json.Valid([]byte(text)) {
		if strings.HasPrefix(text, `"`) {
			return "", nil, usagef("%s: the value begins with a double quote, but is no text in quotes", key)
		}
		return key, text, nil
	}
	var one onboard.Preferences
	if err := json.Unmarshal([]byte(`{"":`+text+`}`), &one); err == nil {
		return key, one[""], nil
	}
	if strings.HasPrefix(text, "{") || text == "null" {
		return key, text, nil
	}
	return "", nil, usagef("%s: %s is too large for any client; a text is set by --text %s", key, text, quoted(pair))
}

// prefType names a type as the documentation of the server does.
func prefType(v any) string {
	switch v := v.(type) {
	case bool:
		return "Boolean"
	case int64:
		if v == int64(int32(v)) {
			return "Integer"
		}
		return "Long"
	case float32:
		return "Float"
	case []string:
		return "Set"
	}
	return "String"
}

func prefText(v any) string {
	if list, ok := v.([]string); ok {
		return strings.Join(list, ", ")
	}
	return fmt.Sprint(v)
}
