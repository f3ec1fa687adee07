package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
)

// PluginSetting is one setting of a plugin that was made while the server ran.
type PluginSetting struct {
	Name  string // of the plugin
	Key   string // such as enabled, grant.events.read, config.period
	Value string // JSON
}

var (
	putSettings    = insertRows("plugin_settings", "name, key, value", "name, key", "value")
	deleteSettings = onRows("DELETE", "plugin_settings", "name", "key")
)

// Settings gives the settings of all plugins, by name and key.
func (p *Plugins) Settings(ctx context.Context) ([]PluginSetting, error) {
	var all []PluginSetting
	err := p.list(ctx, func() { all = nil }, "SELECT name, key, value FROM plugin_settings ORDER BY name, key", nil, func(rows *sql.Rows) error {
		var s PluginSetting
		err := rows.Scan(&s.Name, &s.Key, &s.Value)
		all = append(all, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read settings of plugins: %w", err)
	}
	return all, nil
}

// SetSettings stores settings of a plugin, all or none of them: values are JSON,
// an empty one removes the setting.
func (p *Plugins) SetSettings(ctx context.Context, name string, values map[string]string) error {
	what := "set settings of plugin " + name
	if err := checkOwner(&Owner{Plugin: name}); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	var put, remove []string
	for _, key := range sortedKeys(values, strings.Compare) {
		if err := checkName("setting", key); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		switch v := values[key]; {
		case v == "":
			remove = append(remove, key)
		case !validText(v) || !json.Valid([]byte(v)):
			return fmt.Errorf("%s: %w", what, invalidf("%s: its value is not JSON", key))
		default:
			put = append(put, key)
		}
	}
	return p.change(ctx, what, func(t *stateTx) error {
		if err := t.exec(&deleteSettings, len(remove), func(i int, to []any) []any { return append(to, name, remove[i]) }); err != nil {
			return err
		}
		return t.exec(&putSettings, len(put), func(i int, to []any) []any { return append(to, name, put[i], values[put[i]]) })
	})
}

// ResetSettings removes settings of a plugin; without keys, all.
func (p *Plugins) ResetSettings(ctx context.Context, name string, keys ...string) error {
	return p.change(ctx, "reset settings of plugin "+name, func(t *stateTx) error {
		if len(keys) == 0 {
			_, err := t.run("DELETE FROM plugin_settings WHERE name = ?", name)
			return err
		}
		return t.exec(&deleteSettings, len(keys), func(i int, to []any) []any { return append(to, name, keys[i]) })
	})
}
