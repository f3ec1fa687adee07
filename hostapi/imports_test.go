package hostapi_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Plugins link these packages; what they import is in every plugin's module,
// used or not.
func TestGuestsStaySmall(t *testing.T) {
	heavy := []string{"fmt", "os", "reflect", "regexp", "net", "net/http", "encoding/json", "encoding/xml", "encoding/binary", "log/slog"}
	cmd := exec.Command("go", "list", "-deps", ".", "./cot", "./index", "./wire")
	cmd.Env = append(cmd.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, "strconv") {
		t.Fatalf("go list gave %q", deps)
	}
	for _, dep := range deps {
		if slices.Contains(heavy, dep) {
			t.Errorf("imports %s, by some way", dep)
		}
	}
}
