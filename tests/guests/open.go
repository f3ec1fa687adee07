package guests

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/takhost/takhost/core/plugin/pack"
	"github.com/takhost/takhost/hostapi/manifest"
)

// Open takes a package apart, to make other versions of it.
func Open(t testing.TB, pkg []byte) *Guest {
	t.Helper()
	file := filepath.Join(t.TempDir(), "guest"+pack.Ext)
	if err := os.WriteFile(file, pkg, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := pack.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	g, err := taken(p)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func taken(p *pack.Package) (g *Guest, err error) {
	g = &Guest{entry: p.Manifest.Entry}
	if g.entry == "" {
		g.entry = "plugin.wasm"
	}
	if g.manifest, err = fs.ReadFile(p.Files(), manifest.FileName); err != nil {
		return nil, err
	}
	g.code, err = fs.ReadFile(p.Files(), g.entry)
	return g, err
}
