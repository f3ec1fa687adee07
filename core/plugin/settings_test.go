package plugin

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
)

func read(t *testing.T, doc string) Setting {
	t.Helper()
	v, err := decodeJSON(doc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ReadSetting("plugins.x", v)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testSchema(t *testing.T) *manifest.Schema {
	t.Helper()
	m, err := manifest.Parse([]byte(`{"name": "x", "version": "1.0.0", "abi": "tak/1", "config": {"type": "object", "properties": {
		"period": {"type": "integer", "default": 30, "minimum": 1}, "token": {"type": "string", "secret": true},
		"area": {"type": "object", "properties": {"name": {"type": "string", "default": "home"}, "size": {"type": "number"}}},
		"list": {"type": "array", "items": {"type": "string"}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	return m.Config
}

func TestLayers(t *testing.T) {
	tests := []struct {
		name                      string
		file, database, env, flag string
		want                      []Value
	}{
		{"nothing", `{}`, `{}`, `{}`, `{}`, nil},
		{"later ones hide earlier ones",
			`{"enabled": true, "config": {"period": 1}}`, `{"config": {"period": 2}}`, `{"config": {"period": 3}}`, `{"enabled": false}`,
			[]Value{{"config.period", "3", fromEnvironment}, {"enabled", false, fromFlag}}},
		{"keys beside one another", `{"config": {"area": {"name": "a", "size": 1}}}`, `{"config": {"area": {"size": 2}}}`, `{}`, `{}`,
			[]Value{{"config.area.name", "a", fromFile}, {"config.area.size", "2", fromDatabase}}},
		{"a value hides what was below it", `{"config": {"area": {"name": "a"}}}`, `{"config": {"area": 5}}`, `{}`, `{}`,
			[]Value{{"config.area", "5", fromDatabase}}},
		{"and what is below hides the value", `{"config": {"area": 5}}`, `{"config": {"area": {"name": "a"}}}`, `{}`, `{}`,
			[]Value{{"config.area.name", "a", fromDatabase}}},
		{"lists are replaced", `{"config": {"list": ["a", "b"]}}`, `{"config": {"list": ["c"]}}`, `{}`, `{}`,
			[]Value{{"config.list", []any{"c"}, fromDatabase}}},
		{"secrets are not shown", `{"config": {"token": "hunter2"}}`, `{}`, `{}`, `{}`, []Value{{"config.token", hidden, fromFile}}},
		{"dots in names", `{"config": {"tak.example.org": 1}}`, `{}`, `{}`, `{}`, []Value{{`config.tak\.example\.org`, "1", fromFile}}},
		{"grants by capability", `{"grant": {"events.read": ["a-*"], "store": true}}`, `{"grant": {"events.read": {"types": ["b-*"], "rate": 5}}}`, `{}`, `{}`,
			[]Value{{"grant.events.read", map[string]any{"types": []any{"b-*"}, "rate": int64(5)}, fromDatabase}, {"grant.store", true, fromFile}}},
		{"limits", `{"limits": {"memory": "1MiB"}}`, `{"limits": {"memory": "2MiB", "emits": 3}}`, `{}`, `{}`,
			[]Value{{"limits.emits", "3", fromDatabase}, {"limits.memory", "2MiB", fromDatabase}}},
		{"a digest is of its source",
			`{"source": "a.takplugin", "sha256": "` + strings.Repeat("a", 64) + `"}`, `{"source": "b.takplugin"}`, `{}`, `{}`,
			[]Value{{"source", "b.takplugin", fromDatabase}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := Layers{File: map[string]Setting{"x": read(t, tt.file)}, Environment: map[string]Setting{"x": read(t, tt.env)}, Flags: map[string]Setting{"x": read(t, tt.flag)}}
			m := merge(l.of("x", Setting{}, read(t, tt.database)))
			got := m.values(testSchema(t))
			for i := range got { // numbers of JSON as texts
				if s, ok := got[i].Value.(interface{ String() string }); ok {
					got[i].Value = s.String()
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadSettingFaults(t *testing.T) {
	tests := []struct{ doc, want string }{
		{`5`, "plugins.x: is no section: write keys below it, such as enabled: true"},
		{`{"enabled": "yes"}`, "plugins.x.enabled: is neither true nor false"},
		{`{"enabeld": true}`, "plugins.x.enabeld: is not known: there are enabled, source, sha256, grant, limits and config"},
		{`{"source": 5}`, "plugins.x.source: is no text"},
		{`{"sha256": "abc"}`, "plugins.x.sha256: is no SHA-256: 64 hexadecimal digits, as takhost plugin check prints them"},
		{`{"grant": {"event.read": true}}`, `plugins.x.grant.event.read: is no capability: did you mean "events.read"?`},
		{`{"grant": {"events.read": ["a-("]}}`, `plugins.x.grant.events.read.types: "a-(" is no CoT type: write one such as b-t-f, with * for any text, such as a-f-*`},
		{`{"limits": {"memory": "5 apples", "emit": 1}}`, "plugins.x.limits.emit: is not known: did you mean \"emits\"?\nplugins.x.limits.memory: is the text \"5 apples\": write a size such as 512KiB, 64MiB or 1GiB, or a number of bytes"},
		{`{"limits": {"memory": 5}}`, "plugins.x.limits.memory: 5 bytes are too few: at least 1MiB"},
		{`{"config": []}`, "plugins.x.config: is no section: write keys below it"},
	}
	for _, tt := range tests {
		t.Run(tt.doc, func(t *testing.T) {
			v, err := decodeJSON(tt.doc)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = ReadSetting("plugins.x", v); err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

// A fault names the place of the value, as exactly as its layer knows it.
func TestFaultsNameTheirPlace(t *testing.T) {
	file := read(t, `{"config": {"period": 0, "list": [1]}}`)
	file.Extra = map[string]string{"config": "takhost.yaml:12", "config.period": "takhost.yaml:13:5"}
	l := Layers{File: map[string]Setting{"x": file}}
	m := merge(l.of("x", Setting{}, read(t, `{"config": {"area": {"size": "large"}}}`)))
	_, err := testSchema(t).Apply("plugins.x.config", m.config)
	got := m.located("plugins.x.", err).Error()
	want := "database: plugins.x.config.area.size: is the text \"large\": write a number\n" +
		"takhost.yaml:12: plugins.x.config.list[0]: is the number 1: write a text\n" +
		"takhost.yaml:13:5: plugins.x.config.period: 0 is too low: at least 1"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What is written as rows is read as it was set.
func TestRowsRoundTrip(t *testing.T) {
	doc := `{"enabled": true, "grant": {"events.read": {"types": ["a-f-*"], "box": [1, 2, 3.5, 4], "missions": true, "rate": 7},
		"events.query": {"types": ["*"], "span": "36h", "rows": 5}, "store": {"bytes": 1024}, "timers": true},
		"limits": {"memory": "8MiB"}, "config": {"a": {"b.c": [1, {"d": null}], "e": {}}, "f": "x"}}`
	want := read(t, doc)
	r := rows{"enabled": "true"}
	put := func(key string, v any) {
		text, err := encode(key, v)
		if err != nil {
			t.Fatal(err)
		}
		r[key] = text
	}
	for c, s := range want.Grant {
		put("grant."+string(c), ScopeTree(c, s))
	}
	put("limits.memory", "8MiB")
	for path, v := range leavesOf(want.Config) {
		put("config."+path, v)
	}
	got, _, err := r.setting("x")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Whatever stands in the database gives a setting or an error that says how to get
// rid of it.
func TestBrokenRows(t *testing.T) {
	for name, r := range map[string]rows{
		"no JSON":            {"enabled": "{"},
		"two values":         {"enabled": "true true"},
		"unknown key":        {"colour": "1"},
		"unknown capability": {"grant.fly": "true"},
		"wrong type":         {"enabled": `"yes"`},
		"bad pin":            {"pin": "5"},
		"section and keys":   {"config": "5", "limits": "[]"},
		"empty key":          {"": "1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := r.setting("x")
			if err == nil || !strings.Contains(err.Error(), "takhost plugin reset x") {
				t.Errorf("got %v, want an error that names the way out", err)
			}
		})
	}
	t.Run("rows below one another", func(t *testing.T) {
		s, _, err := rows{"config.a": `{"x": 1}`, "config.a.b": "5"}.setting("x")
		if err != nil || s.Config["a"] == nil {
			t.Errorf("got %v, %v", s.Config, err)
		}
	})
	rnd := rand.New(rand.NewPCG(1, 2))
	parts := []string{"config", "grant", "limits", "enabled", "source", "pin", ".", "..", `\`, "a", "store", "", "memory"}
	values := []string{"", "{}", "[]", "null", "1", `"x"`, `{"a":{"b":1}}`, "true", "{", `{"source":"x","sha256":5}`}
	for range 20_000 {
		r := rows{}
		for range rnd.IntN(4) {
			key := ""
			for range rnd.IntN(4) {
				key += parts[rnd.IntN(len(parts))] + []string{"", "."}[rnd.IntN(2)]
			}
			r[key] = values[rnd.IntN(len(values))]
		}
		s, _, err := r.setting("x")
		if err == nil {
			merge(Layers{}.of("x", Setting{}, s))
		}
	}
}

func TestEffectiveGrants(t *testing.T) {
	ask := hostapi.Grants{
		hostapi.CapEventsRead: {Types: []string{"a-f-*"}, Rate: 10},
		hostapi.CapStore:      {}, hostapi.CapTimers: {},
	}
	grant := hostapi.Grants{
		hostapi.CapEventsRead: {Types: []string{"*"}, Rate: 100, Missions: true},
		hostapi.CapStore:      {Bytes: 1 << 30}, hostapi.CapHTTPClient: {Hosts: []string{"*"}},
	}
	want := hostapi.Grants{
		hostapi.CapEventsRead: {Types: []string{"a-f-*"}, Rate: 100}, // asked for no more types; the number is the operator's
		hostapi.CapStore:      {Bytes: 1 << 30},
	}
	if diff := cmp.Diff(want, effective(ask, grant)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if ask[hostapi.CapEventsRead].Rate != 10 {
		t.Error("the manifest was changed")
	}
}

func TestLimitsInForce(t *testing.T) {
	ask := manifest.Limits{Memory: 256 << 20, Emits: 100}
	tests := []struct {
		name    string
		set     map[string]any
		shipped bool
		want    manifest.Limits
		missing string
		runtime string
	}{
		{"beyond the usual", nil, false, ask, "limits.memory: 256MiB is asked for, which is more than usual: set it to say how much", "wasm"},
		{"usual for a process", nil, false, ask, "", "process"},
		{"shipped", nil, true, ask, "", "wasm"},
		{"set", map[string]any{"memory": "300MiB"}, false, manifest.Limits{Memory: 300 << 20, Emits: 100}, "", "process"},
		{"set to less", map[string]any{"memory": "10MiB", "emits": 5}, false, manifest.Limits{Memory: 10 << 20, Emits: 5}, "", "wasm"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, missing, err := limitsInForce(&manifest.Manifest{Runtime: tt.runtime, Limits: ask}, tt.set, tt.shipped)
			if err != nil || got != tt.want || strings.Join(missing, "\n") != tt.missing {
				t.Errorf("got %+v, %q, %v", got, missing, err)
			}
		})
	}
}

func TestSortByNeeds(t *testing.T) {
	o := offer{}
	for name, needs := range map[string][]string{"a": {"b.x", "c.x"}, "b": {"c.x"}, "c": nil, "p": {"q.x"}, "q": {"r.x"}, "r": {"p.x"}, "s": {"p.x"}} {
		m := &manifest.Manifest{Name: name, Provides: []manifest.Action{{Name: "x", Version: 1}}}
		for _, n := range needs {
			m.Needs = append(m.Needs, manifest.Need{Action: n, Version: 1})
		}
		o[name] = m
	}
	order, circles := sortByNeeds(o)
	if diff := cmp.Diff([]string{"c", "b", "a", "r", "q", "p", "s"}, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	circle := "p needs q, q needs r, r needs p"
	if diff := cmp.Diff(map[string]string{"p": circle, "q": circle, "r": circle}, circles); diff != "" {
		t.Errorf("circles (-want +got):\n%s", diff)
	}
}
