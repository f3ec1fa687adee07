package taktest

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// Memory gives the resident memory of the process and its highest value so
// far, in bytes. Where there is no /proc the test is skipped.
func (c *Child) Memory(t testing.TB) (now, peak int64) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.PID()))
	if runtime.GOOS != "linux" {
		t.Skip("left out: memory of a process (it needs /proc)")
	}
	if err != nil {
		t.Fatal(err)
	}
	value := func(name string) int64 {
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, name+":"); ok {
				kB, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				return kB << 10
			}
		}
		t.Fatalf("the process has no %s", name)
		return 0
	}
	return value("VmRSS"), value("VmHWM")
}
