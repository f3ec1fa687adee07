package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/plugin/scaffold"
)

// A module that is embedded is the one of the sources beside it. Without any, this
// is a build without plugins, which is allowed: make builds them first.
func TestShippedPluginsAreBuiltFromTheirSources(t *testing.T) {
	built, err := filepath.Glob("../plugins/dist/built/*.takplugin")
	if err != nil {
		t.Fatal(err)
	}
	if len(built) == 0 {
		t.Skip("left out: the plugins that ship with takhost (make plugins builds them)")
	}
	manifests, err := filepath.Glob("../plugins/*/plugin.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(manifests) != len(built) {
		t.Errorf("%d plugins are built, there are %d: make plugins", len(built), len(manifests))
	}
	for _, m := range manifests {
		dir := filepath.Dir(m)
		name := filepath.Base(dir)
		want, err := scaffold.SourceDigest(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("../plugins/dist/built", name+".sources"))
		if err != nil || strings.TrimSpace(string(got)) != want {
			t.Errorf("the built %s is not of its sources: make plugins (%v)", name, err)
		}
	}
}
