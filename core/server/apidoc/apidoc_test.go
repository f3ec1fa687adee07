package apidoc

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCommitted compares the descriptions in openapi with what the default
// configuration serves.
func TestCommitted(t *testing.T) {
	files, err := Committed(os.DirFS(filepath.Join("..", "..", "..", "plugins")))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		committed, err := os.ReadFile(filepath.Join("..", "..", "..", "openapi", name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(committed), string(text)); diff != "" {
			t.Errorf("openapi/%s is older than the code: run go generate ./core/server/apidoc (-committed +code):\n%s", name, diff)
		}
	}
}
