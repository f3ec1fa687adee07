package taktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// built is the program that the tests of this process share.
var built struct {
	sync.Mutex
	dir string
	err error
}

// Binary builds the program as it is shipped, once for all tests of a process,
// and gives its path. Main removes it.
func Binary(t testing.TB) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if built.dir == "" && built.err == nil {
		built.dir, built.err = build()
	}
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "takhost")
}

func build() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "takbin"); err != nil {
		return "", err
	}
	// Others than the owner may run it: one test does so as another user.
	if err := os.Chmod(dir, 0o755); err != nil {
		return dir, err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-X main.version=test",
		"-o", filepath.Join(dir, "takhost"), "github.com/takhost/takhost/cmd/takhost")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("build takhost: %w\n%s", err, out)
	}
	return dir, nil
}

func removeBinary() error {
	built.Lock()
	defer built.Unlock()
	if built.dir == "" {
		return nil
	}
	return os.RemoveAll(built.dir)
}

// Output is what a command wrote and how it ended.
type Output struct {
	Out, Err string
	Code     int
}

// Command runs the program to its end. It sees none of the TAKHOST_ variables
// of the environment and no takhost.yaml.
func Command(t testing.TB, args ...string) Output {
	t.Helper()
	return command(t, func(*exec.Cmd) {}, args...)
}

// CommandWith is Command with that on its standard input.
func CommandWith(t testing.TB, stdin string, args ...string) Output {
	t.Helper()
	return command(t, func(c *exec.Cmd) { c.Stdin = strings.NewReader(stdin) }, args...)
}

func command(t testing.TB, change func(*exec.Cmd), args ...string) Output {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, Binary(t), args...)
	cmd.Dir, cmd.Env = t.TempDir(), environ()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	change(cmd)
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		t.Fatalf("takhost %s: %v\n%s", strings.Join(args, " "), errors.Join(err, ctx.Err()), stderr.String())
	}
	return Output{Out: stdout.String(), Err: stderr.String(), Code: cmd.ProcessState.ExitCode()}
}

func environ() []string {
	var env []string
	for _, line := range os.Environ() {
		if !strings.HasPrefix(line, "TAKHOST_") {
			env = append(env, line)
		}
	}
	return env
}
