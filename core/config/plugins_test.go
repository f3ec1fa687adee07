package config

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const pluginFile = `plugins:
  emergency: {enabled: false}
  geofence:
    source: plugins/geofence.takplugin
    grant:
      events.read: {types: ["a-f-*"], rate: 10}
      store:
    config:
      fences: [{name: yard, radius: 25.5}]
      notify: {callsigns: [BASE], loud: yes}
      webhook_token: hunter2
      empty: {}
`

func TestPluginSections(t *testing.T) {
	l, err := load("takhost.yaml", []byte(pluginFile), Sources{
		Environ: []string{"TAKHOST_PLUGINS_GEOFENCE_LIMITS={memory: 32MiB}", "TAKHOST_PLUGINS_EMERGENCY_ENABLED=true"},
		Set:     []string{"plugins.geofence.config.notify.loud=false", "plugins.geofence.grant.events.emit={rate: 5}", "plugins.emergency.config.period=30s"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range l.effectivePlugins() {
		got = append(got, v.Key()+" = "+flowYAML(v.Value)+" # "+v.Origin.String())
	}
	want := []string{
		`plugins.emergency.config.period = 30s # --set`,
		`plugins.emergency.enabled = true # TAKHOST_PLUGINS_EMERGENCY_ENABLED`,
		`plugins.geofence.config.empty = {} # takhost.yaml:12`,
		`plugins.geofence.config.fences = [{name: yard, radius: 25.5}] # takhost.yaml:9`,
		`plugins.geofence.config.notify.callsigns = ["BASE"] # takhost.yaml:10`,
		`plugins.geofence.config.notify.loud = false # --set`,
		`plugins.geofence.config.webhook_token = hunter2 # takhost.yaml:11`,
		`plugins.geofence.grant.events.emit = {rate: 5} # --set`,
		`plugins.geofence.grant.events.read = {rate: 10, types: ["a-f-*"]} # takhost.yaml:6`,
		`plugins.geofence.grant.store = null # takhost.yaml:7`,
		`plugins.geofence.limits.memory = 32MiB # TAKHOST_PLUGINS_GEOFENCE_LIMITS`,
		`plugins.geofence.source = plugins/geofence.takplugin # takhost.yaml:4`,
	}
	for i := range got {
		got[i] = strings.ReplaceAll(got[i], `[BASE]`, `["BASE"]`)
		got[i] = strings.ReplaceAll(got[i], `[a-f-*]`, `["a-f-*"]`)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	var shown bytes.Buffer
	if err := l.Show(&shown, false); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(shown.String(), "hunter2") {
		t.Error("config show tells a token")
	}
	again, err := load("shown.yaml", shown.Bytes(), Sources{})
	if err != nil {
		t.Fatalf("what config show writes does not load: %v\n%s", err, shown.String())
	}
	if n := len(again.effectivePlugins()); n != len(want) {
		t.Errorf("%d settings after a round trip, want %d:\n%s", n, len(want), shown.String())
	}
}

func TestPluginFaults(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		src  Sources
		want string
	}{
		"name":         {file: "plugins: {Geo Fence: {enabled: true}}", want: `takhost.yaml:1:11: plugins: key "Geo Fence" is no name of a plugin`},
		"key":          {file: "plugins:\n  chat:\n    enabld: true", want: `takhost.yaml:3:5: unknown key "enabld" in plugins.chat; did you mean "enabled"?`},
		"own setting":  {file: "plugins: {chat: {rooms: 3}}", want: `(a plugin's own settings belong below config)`},
		"bool":         {file: "plugins: {chat: {enabled: maybe}}", want: `plugins.chat.enabled: is not true or false`},
		"twice":        {file: "plugins: {chat: {config: {a: 1, a: 2}}}", want: `plugins.chat.config: key "a" is there twice`},
		"list":         {file: "plugins: [chat]", want: "plugins: wants keys with values, not a list"},
		"no section":   {file: "plugins: {chat: {config: 7}}", want: "plugins.chat.config: wants keys with values"},
		"below a leaf": {src: Sources{Set: []string{"plugins.chat.enabled.x=1"}}, want: "there are no keys below enabled"},
		"no setting":   {src: Sources{Set: []string{"plugins.chat=1"}}, want: "--set: names no setting of a plugin"},
		"variable":     {src: Sources{Environ: []string{"TAKHOST_PLUGINS_CHAT=1"}}, want: "TAKHOST_PLUGINS_CHAT: sets nothing of a plugin"},
		"yaml":         {src: Sources{Set: []string{"plugins.chat.config={"}}, want: "plugins.chat.config: not valid YAML"},
	} {
		t.Run(name, func(t *testing.T) {
			file := ""
			if c.file != "" {
				file = "takhost.yaml"
			}
			_, err := load(file, []byte(c.file), c.src)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}
