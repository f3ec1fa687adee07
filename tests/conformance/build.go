package conformance

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Root gives the folder of the repository.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatalf("not two folders below go.mod: %v", err)
	}
	return dir
}

// BuildC gives the module that the build script of a folder makes of its C, and
// leaves the test out where there is no compiler for WebAssembly. Folders are
// below the root.
func BuildC(t testing.TB, folder string) []byte {
	t.Helper()
	clang, err := findClang()
	if err != nil {
		t.Skipf("left out: plugins in C (make tools installs clang and lld): %v", err)
	}
	return build(t, folder, "CC="+clang)
}

// BuildRust is BuildC for Rust.
func BuildRust(t testing.TB, folder string) []byte {
	t.Helper()
	rustc, err := findRustc()
	if err != nil {
		t.Skipf("left out: plugins in Rust (make tools installs rustc and libstd-rust-dev-wasm32): %v", err)
	}
	return build(t, folder, "RUSTC="+rustc)
}

// BuildGo gives the file that the Go code of a folder is compiled to: a module, or a
// program.
func BuildGo(t testing.TB, folder string, process bool) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "plugin")
	args := []string{"build", "-trimpath", "-ldflags=-s -w", "-o", out}
	cmd := exec.Command("go")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if !process {
		args = append(args, "-buildmode=c-shared")
		cmd.Env = append(cmd.Env, "GOOS=wasip1", "GOARCH=wasm")
	}
	cmd.Args = append(append(cmd.Args, args...), ".")
	cmd.Dir = filepath.Join(Root(t), filepath.FromSlash(folder))
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", folder, err, text)
	}
	return out
}

// BuildPython packs a program and sdk/python into one executable file, as README
// there says, and leaves the test out where Python lacks what the SDK needs.
func BuildPython(t testing.TB, program string) string {
	t.Helper()
	python := or(os.Getenv("TAKHOST_PYTHON"), filepath.Join(Root(t), ".tools", "venv", "bin", "python"))
	if text, err := exec.Command(python, "-c", "import grpc, cryptography").CombinedOutput(); err != nil {
		t.Skipf("left out: plugins in Python (make tools installs grpcio and cryptography): %v %s", err, text)
	}
	dir, out := t.TempDir(), filepath.Join(t.TempDir(), "plugin")
	for from, to := range map[string]string{program: "__main__.py", "sdk/python/takhost.py": "takhost.py"} {
		text, err := os.ReadFile(filepath.Join(Root(t), filepath.FromSlash(from)))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := exec.Command(python, "-m", "zipapp", dir, "-p", python, "-o", out).CombinedOutput(); err != nil {
		t.Fatalf("pack %s: %v\n%s", program, err, text)
	}
	return out
}

func build(t testing.TB, folder, compiler string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "plugin.wasm")
	cmd := exec.Command("bash", filepath.Join(Root(t), filepath.FromSlash(folder), "build.sh"), out)
	cmd.Env = append(os.Environ(), compiler)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", folder, err, text)
	}
	module, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// findClang gives a clang that can build WebAssembly: TAKHOST_CLANG, or the
// first of that name. It needs wasm-ld beside it, and not all have the target.
func findClang() (string, error) {
	clang, err := exec.LookPath(or(os.Getenv("TAKHOST_CLANG"), "clang"))
	if err != nil {
		return "", err
	}
	targets, err := exec.Command(clang, "--print-targets").Output()
	if err != nil || !strings.Contains(string(targets), "wasm32") {
		return "", fmt.Errorf("%s has no target wasm32", clang)
	}
	if _, err := exec.LookPath("wasm-ld"); err != nil {
		return "", err
	}
	return clang, nil
}

// findRustc gives a rustc that has the target: TAKHOST_RUSTC, the first of that
// name, or Debian's, which another one may hide.
func findRustc() (string, error) {
	var faults []error
	for _, name := range []string{os.Getenv("TAKHOST_RUSTC"), "rustc", "/usr/bin/rustc"} {
		if name == "" {
			continue
		}
		rustc, err := exec.LookPath(name)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		dir, err := exec.Command(rustc, "--print", "target-libdir", "--target", "wasm32-unknown-unknown").Output()
		if err == nil {
			_, err = os.Stat(strings.TrimSpace(string(dir)))
		}
		if err == nil {
			return rustc, nil
		}
		faults = append(faults, fmt.Errorf("%s has no target wasm32-unknown-unknown: %w", rustc, err))
	}
	return "", errors.Join(faults...)
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
