package guests

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/takhost/takhost/core/plugin/pack"
	"github.com/takhost/takhost/core/plugin/scaffold"
)

// Guest is a plugin that has been built: a manifest and code.
type Guest struct {
	manifest []byte
	entry    string
	code     []byte
}

// The builds of this process of tests, by folder and runtime.
var builds struct {
	sync.Mutex
	done map[string]*build
}

type build struct {
	once  sync.Once
	guest *Guest
	err   error
}

// WASM builds the plugin of a folder as a WASM module.
func WASM(t testing.TB, folder string) *Guest { t.Helper(); return get(t, folder, false) }

// Process builds the plugin of a folder as a program.
func Process(t testing.TB, folder string) *Guest { t.Helper(); return get(t, folder, true) }

// Of is WASM, or Process if the runtime's name is process.
func Of(t testing.TB, folder, runtime string) *Guest {
	t.Helper()
	return get(t, folder, runtime == "process")
}

func get(t testing.TB, folder string, process bool) *Guest {
	t.Helper()
	key := fmt.Sprint(folder, process)
	builds.Lock()
	b := builds.done[key]
	if b == nil {
		b = &build{}
		if builds.done == nil {
			builds.done = map[string]*build{}
		}
		builds.done[key] = b
	}
	builds.Unlock()
	b.once.Do(func() { b.guest, b.err = compile(t, folder, process) })
	if b.err != nil {
		t.Fatalf("build the plugin %s: %v", folder, b.err)
	}
	return b.guest
}

func compile(t testing.TB, folder string, process bool) (*Guest, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "takguest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	// Not the test's context: what is built here serves other tests too.
	built, err := scaffold.Build(context.Background(), scaffold.BuildOptions{
		Dir: filepath.Join(root, "tests", "guests", folder), Out: filepath.Join(dir, "guest"+pack.Ext), Process: process,
	})
	if err != nil {
		return nil, err
	}
	t.Logf("built %s: %d bytes of code", folder, built.Code)
	p, err := pack.Open(built.File)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return taken(p)
}

// Root gives the folder of the repository.
func Root() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	file := strings.TrimSpace(string(out))
	if err != nil || filepath.Base(file) != "go.mod" {
		return "", fmt.Errorf("the tests do not run in the repository: go env GOMOD gives %q, %w", file, err)
	}
	return filepath.Dir(file), nil
}
