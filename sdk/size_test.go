package sdk_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// wasm runs a go command as for a WASM plugin.
func wasm(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// What a plugin links decides how long it compiles and how much memory it takes: see
// the measurements in the design. None of these may come in by the sdk.
func TestWhatAPluginLinks(t *testing.T) {
	deps := strings.Fields(wasm(t, "list", "-deps", "./testdata/hello"))
	for _, bad := range []string{
		"encoding/json", "encoding/xml", "encoding/binary", "net/http", "net", "reflect", "fmt", "log/slog", "os",
		"google.golang.org/protobuf/proto", "regexp", "context", "embed",
	} {
		if slices.Contains(deps, bad) {
			t.Errorf("a plugin links %s", bad)
		}
	}
	if !slices.Contains(deps, "github.com/takhost/takhost/sdk") {
		t.Errorf("go list gave %v", deps)
	}
}

// The smallest plugin has some 2.4 MB, of which the Go runtime is 1.85 and package
// time, which nobody can do without, 0.27.
func TestSizeOfAPlugin(t *testing.T) {
	const most = 2_500_000
	out := filepath.Join(t.TempDir(), "plugin.wasm")
	wasm(t, "build", "-trimpath", "-ldflags=-s -w", "-buildmode=c-shared", "-o", out, "./testdata/hello")
	info, err := os.Stat(out)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the smallest plugin has %d bytes", info.Size())
	if info.Size() > most {
		t.Errorf("the smallest plugin has %d bytes, want at most %d", info.Size(), most)
	}
}
