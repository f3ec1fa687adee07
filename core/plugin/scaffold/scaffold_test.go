package scaffold_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/plugin/pack"
	"github.com/takhost/takhost/core/plugin/scaffold"
)

// runner builds the command that runs an archive for plugintest, and gives it with its
// folder for compiled code.
func runner(t *testing.T) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "runner.exe")
	if out, err := exec.Command("go", "build", "-o", file, "./testdata/runner").CombinedOutput(); err != nil {
		t.Fatalf("build runner: %v\n%s", err, out)
	}
	return []string{file, filepath.Join(t.TempDir(), "code")}
}

// source is what the program carries: see package takhost.
var source = os.DirFS("../../..")

// offline keeps the go command from any network.
var offline = []string{"GOPROXY=off", "GOFLAGS=-mod=mod", "GONOSUMDB=*", "GOSUMDB=off", "GOTOOLCHAIN=local"}

func newProject(t *testing.T, name string) string {
	t.Helper()
	dir, err := scaffold.New(scaffold.NewOptions{Name: name, Dir: filepath.Join(t.TempDir(), name), Source: source})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func goRun(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), offline...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// A new project builds, tests, is packed and runs, all without a network.
func TestNewProject(t *testing.T) {
	dir := newProject(t, "first-try")
	if bad, err := exec.Command("gofmt", "-l", dir).CombinedOutput(); err != nil || len(bad) > 0 {
		t.Errorf("gofmt: %v\n%s", err, bad)
	}
	goRun(t, dir, "vet", ".")
	goRun(t, dir, "test", ".")

	b, err := scaffold.Build(t.Context(), scaffold.BuildOptions{Dir: dir, Env: offline})
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "first-try.takplugin"); b.File != want || len(b.Warnings) > 0 {
		t.Errorf("built %s with warnings %v, want %s without", b.File, b.Warnings, want)
	}
	t.Logf("module of %d bytes, archive of %d", b.Code, b.Size)
	p, err := pack.Open(b.File)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.SHA256 != b.SHA256 || p.Manifest.Name != "first-try" {
		t.Errorf("package %s of %s, want %s", p.Manifest.Name, p.SHA256, b.SHA256)
	}
	again, err := scaffold.Build(t.Context(), scaffold.BuildOptions{Dir: dir, Out: filepath.Join(t.TempDir(), "b.takplugin"), Env: offline})
	if err != nil {
		t.Fatal(err)
	}
	if again.SHA256 != b.SHA256 {
		t.Error("the same sources make another archive")
	}

	var out bytes.Buffer
	run := runner(t)
	begin := time.Now()
	err = scaffold.Test(t.Context(), scaffold.TestOptions{
		Dir: dir, Args: []string{"-v"}, Runner: run, Env: offline, Stdout: &out, Stderr: &out,
	})
	if err != nil || strings.Count(out.String(), "--- PASS") != 3 {
		t.Errorf("as WASM module: %v\n%s", err, out.String())
	}
	t.Logf("tests as WASM module took %v", time.Since(begin).Round(time.Millisecond))
}

func TestNewRefuses(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, plugin, dir, want string }{
		{"capital", "First", "", "no name"},
		{"path", "../x", "", "no name"},
		{"empty", "", "", "no name"},
		{"full folder", "first", full, "not empty"},
		{"file", "first", filepath.Join(full, "x"), "new plugin"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.dir == "" {
				tt.dir = filepath.Join(t.TempDir(), "d")
			}
			if _, err := scaffold.New(scaffold.NewOptions{Name: tt.plugin, Dir: tt.dir, Source: source}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
	if _, err := scaffold.New(scaffold.NewOptions{Name: "x", Dir: filepath.Join(t.TempDir(), "x"), Source: os.DirFS(t.TempDir())}); err == nil {
		t.Error("a program without sources writes a project")
	}
}

func TestBuildRefuses(t *testing.T) {
	const manifest = `{"name": "x", "version": "1.0.0", "abi": "tak/1"}`
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"no manifest", nil, "there is no plugin.json"},
		{"bad manifest", map[string]string{"plugin.json": `{"name": "X"}`}, "name"},
		{"no code", map[string]string{"plugin.json": manifest}, "neither Go code nor"},
		{"code that does not compile", map[string]string{"plugin.json": manifest, "main.go": "package main\nfunc main() { x }", "go.mod": "module x\ngo 1.26.0\n"}, "undefined: x"},
		{"no module", map[string]string{"plugin.json": manifest, "plugin.wasm": "MZ"}, "plugin.wasm"},
		{"code without exports", map[string]string{"plugin.json": manifest, "main.go": "package main\nfunc main() {}", "go.mod": "module x\ngo 1.26.0\n"}, "tak_abi"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := scaffold.Build(t.Context(), scaffold.BuildOptions{Dir: dir, Env: offline})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			if left, err := filepath.Glob(filepath.Join(dir, "*.takplugin")); err != nil || len(left) > 0 {
				t.Errorf("left %v behind, %v", left, err)
			}
		})
	}
}

func TestBuildEnds(t *testing.T) {
	dir := newProject(t, "slow")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(io.ErrClosedPipe)
	if _, err := scaffold.Build(ctx, scaffold.BuildOptions{Dir: dir, Env: offline}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a build that was stopped: %v", err)
	}
}
