package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

func TestDatabaseMasked(t *testing.T) {
	tests := []struct{ dsn, want string }{
		{"sqlite", "sqlite"},
		{"postgres://u:hunter2@h/db", "postgres://u:xxxxx@h/db"},
		{"postgresql://u:hunter2@h:5432/db?sslmode=disable", "postgresql://u:xxxxx@h:5432/db?sslmode=disable"},
		{"postgres://u@h/db", "postgres://u@h/db"},
		{"postgres://u@h/db?Password=hunter2&sslmode=require", "postgres://u@h/db?Password=xxxxx&sslmode=require"},
		{"postgres://u:p@hunter2@h/db", "postgres://u:xxxxx@h/db"},
		// The rest has a special character that is not escaped, or is no URL.
		{"postgres://u:12/hunter2@h/db", "xxxxx"},
		{"postgres://u:12?hunter2@h/db", "xxxxx"},
		{"postgres://u:12#hunter2@h/db", "xxxxx"},
		{"postgres://u:%zzhunter2@h/db", "xxxxx"},
		{"postgres:u:hunter2@h/db", "xxxxx"},
		{"mysql://u:hunter2@h/db", "xxxxx"},
		{"hunter2", "xxxxx"},
	}
	for _, tt := range tests {
		t.Run(tt.dsn, func(t *testing.T) {
			d := Database(tt.dsn)
			if got := d.String(); got != tt.want {
				t.Errorf("String: got %q, want %q", got, tt.want)
			}
			if got := d.DSN(); got != tt.dsn {
				t.Errorf("DSN: got %q, want %q", got, tt.dsn)
			}
			if err := d.validate(); err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("validate: the error shows the password: %v", err)
			}
		})
	}
}

func TestDatabaseNeverPrinted(t *testing.T) {
	c := Default()
	c.Database = "postgres://u:hunter2@h/db"
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("start", "database", c.Database, "config", c)
	js, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	ya, err := yaml.Dump(c)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"%v": fmt.Sprintf("%v", c), "%+v": fmt.Sprintf("%+v", c), "%#v": fmt.Sprintf("%#v", c), "in a text": fmt.Sprintf("db=%s", c.Database), "%q": fmt.Sprintf("%q", c.Database),
		"slog": logged.String(), "json": string(js), "yaml": string(ya),
	} {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(text, "hunter2") {
				t.Errorf("got a text with the password: %s", text)
			}
			if !strings.Contains(text, maskedText) {
				t.Errorf("got %s, want the masked URL in it", text)
			}
		})
	}
}

// A password at the wrong place must not come out in an error either.
func TestErrorsHideSecrets(t *testing.T) {
	files := map[string]string{
		"bad URL":            "database: postgres://u:hunter2%zz@h/db\n",
		"no host":            "database: postgres://u:hunter2@/db\n",
		"wrong scheme":       "database: mysql://u:hunter2@h/db\n",
		"wrong key":          "log: {level: 'postgres://u:hunter2@h/db'}\n",
		"number":             "node: postgres://u:hunter2@h/db\n",
		"list":               "database: [postgres://u:hunter2@h/db]\n",
		"mapping":            "database: {postgres://u:hunter2@h/db: 1}\n",
		"as key":             "postgres://u:hunter2@h/db: sqlite\n",
		"as key below":       "listen: {postgres://u:hunter2@h/db: sqlite}\n",
		"tag":                "database: !!int postgres://u:hunter2@h/db\n",
		"alias":              "database: *hunter2\n",
		"open quote":         "database: \"postgres://u:hunter2@h/db\nlog: 1\n",
		"junk after quote":   "database: \"postgres://u:hunter2@h/db\" hunter2\n",
		"colon":              "database: postgres://u: hunter2@h/db\n",
		"type glob":          "archive: {types: ['u:hunter2@h']}\n",
		"directive":          "%hunter2 x\n---\n",
		"anchor":             "database: &hunter2! x\n",
		"undefined handle":   "database: !hunter2!x y\n",
		"plugin of tomorrow": "plugins: {x: {password: hunter2}}\n",
	}
	for name, text := range files {
		t.Run(name, func(t *testing.T) {
			if _, err := load("takhost.yaml", []byte(text), Sources{}); err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want an error without the password", err)
			}
		})
	}
	sources := map[string]Sources{
		"set without =":   {Set: []string{"database:postgres://u:hunter2@h/db"}},
		"set with late =": {Set: []string{"database:postgres://u:hunter2@h/db?sslmode=disable"}},
		"set plugins":     {Set: []string{"plugins.hunter2@x=1"}},
		"set section":     {Set: []string{"log=postgres://u:hunter2@h/db"}},
		"set URL":         {Set: []string{"database=postgres://u:hunter2 @/db"}},
		"environment":     {Environ: []string{"TAKHOST_DATABASE=postgres://u:hunter2#@h/db"}},
		"flag":            {Flags: []Flag{{Name: "--exposure", Key: "exposure", Value: "postgres://u:hunter2@h/db"}}},
	}
	for name, src := range sources {
		t.Run(name, func(t *testing.T) {
			if _, err := load("", nil, src); err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want an error without the password", err)
			}
		})
	}
}
