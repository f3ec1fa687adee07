package pytak

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// errMissing: the interpreter is there, PyTAK is not.
var errMissing = errors.New("not installed")

// findPython gives the interpreter that has PyTAK: TAKHOST_PYTHON, or the
// virtual environment that make tools builds.
func findPython() (string, error) {
	python := os.Getenv("TAKHOST_PYTHON")
	if python == "" {
		root, err := repoRoot()
		if err != nil {
			return "", err
		}
		python = filepath.Join(root, ".tools", "venv", "bin", "python")
	}
	found, err := exec.LookPath(python)
	if err != nil {
		return "", fmt.Errorf("find Python: %w", err)
	}
	return found, nil
}

func repoRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("find the repository: no go.mod in this folder or above")
		}
		dir = up
	}
}

func leaveOut(t testing.TB, why error) {
	t.Helper()
	t.Skipf("left out: PyTAK (make tools installs it): %v", why)
}

// loopback refuses addresses by which a test would speak to another machine.
func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("PyTAK client: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("PyTAK client: %s is no loopback address", addr)
	}
	return nil
}
