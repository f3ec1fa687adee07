package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/hostapi"
)

func loadPlugins(t *testing.T, file string, set ...string) []config.PluginValue {
	t.Helper()
	name := filepath.Join(t.TempDir(), "takhost.yaml")
	if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := config.Load(config.Sources{File: name, Set: set})
	if err != nil {
		t.Fatal(err)
	}
	return l.Plugins
}

func TestPluginLayers(t *testing.T) {
	layers, err := pluginLayers(loadPlugins(t, `plugins:
  geofence: {enabled: true, grant: {events.read: ["a-f-*"], store: {bytes: 1MiB}}, config: {a: {b: 1, c: x}}}
`, "plugins.geofence.config.a.b=2", "plugins.chat.enabled=false"))
	if err != nil {
		t.Fatal(err)
	}
	f := layers.File["geofence"]
	if f.Enabled == nil || !*f.Enabled {
		t.Error("geofence is not enabled by the file")
	}
	if diff := cmp.Diff([]string{"a-f-*"}, f.Grant[hostapi.CapEventsRead].Types); diff != "" {
		t.Errorf("types granted (-want +got):\n%s", diff)
	}
	if got := f.Grant[hostapi.CapStore].Bytes; got != 1<<20 {
		t.Errorf("store is granted %d bytes, want 1 MiB", got)
	}
	if diff := cmp.Diff(map[string]any{"a": map[string]any{"b": int64(1), "c": "x"}}, f.Config); diff != "" {
		t.Errorf("config of the file (-want +got):\n%s", diff)
	}
	if at := f.Extra["enabled"]; !strings.HasSuffix(at, "takhost.yaml:2") {
		t.Errorf("enabled comes from %q", at)
	}
	if diff := cmp.Diff(map[string]any{"a": map[string]any{"b": int64(2)}}, layers.Flags["geofence"].Config); diff != "" {
		t.Errorf("config of the flags (-want +got):\n%s", diff)
	}
	if off := layers.Flags["chat"].Enabled; off == nil || *off {
		t.Error("chat is not disabled by its flag")
	}
}

func TestPluginLayersNameThePlaceOfAFault(t *testing.T) {
	_, err := pluginLayers(loadPlugins(t, `plugins:
  geofence:
    grant:
      events.raed: ["a-f-*"]
    limits: {memory: lots}
`))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"takhost.yaml:4: plugins.geofence.grant.events.raed: is no capability", "takhost.yaml:5: plugins.geofence.limits.memory"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v\nwant %q in it", err, want)
		}
	}
}
