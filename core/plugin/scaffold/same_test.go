package scaffold_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/plugin/scaffold"
)

// watchProject makes a project of the plugin and the tests of sdk/plugintest. Other than
// a new project it has sdk/native, and so the modules that this one has.
func watchProject(t *testing.T) string {
	t.Helper()
	const from = "../../../sdk/plugintest/"
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Replace(string(text), "package plugintest_test\n", "package main\n", 1)
	}
	write("plugin.json", read(from+"testdata/plugin.json"))
	write("testdata/plugin.json", read(from+"testdata/plugin.json"))
	write("watch.go", read(from+"watch_test.go"))
	write("kit_test.go", read(from+"kit_test.go"))
	write("http_test.go", read(from+"http_test.go"))
	write("main.go", "package main\n\nimport \"github.com/takhost/takhost/sdk\"\n\nfunc init() { sdk.Register(newWatch) }\n\nfunc main() { sdk.Main() }\n")
	write("native.go", "//go:build !wasip1\n\npackage main\n\nimport _ \"github.com/takhost/takhost/sdk/native\"\n")
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	mod := regexp.MustCompile(`(?m)^module .*$`).ReplaceAllString(read("../../../go.mod"), "module watch")
	write("go.mod", mod+"\nrequire github.com/takhost/takhost v0.0.0\n\nreplace github.com/takhost/takhost => "+root+"\n")
	write("go.sum", read("../../../go.sum"))
	return dir
}

// The tests of plugintest run the same plugin in three ways: as Go code where they stand,
// and here as WASM module and as process.
func TestSameTests(t *testing.T) {
	dir := watchProject(t)
	run := runner(t)
	for _, process := range []bool{false, true} {
		name := "wasm"
		if process {
			name = "process"
		}
		t.Run(name, func(t *testing.T) {
			args := []string{"-v"}
			if process {
				if runtime.GOOS == "windows" {
					t.Skip("process plugins have no mutual TLS over Unix sockets here")
				}
				args = append(args, "-skip=TestFilter") // a process has none
			}
			var out bytes.Buffer
			begin := time.Now()
			err := scaffold.Test(t.Context(), scaffold.TestOptions{
				Dir: dir, Process: process, Args: args, Runner: run, Env: offline, Stdout: &out, Stderr: &out,
			})
			if passed := strings.Count(out.String(), "--- PASS"); err != nil || passed < 40 {
				t.Errorf("%d passed, %v\n%s", passed, err, out.String())
			}
			t.Logf("took %v", time.Since(begin).Round(time.Millisecond))
		})
	}
}
