package conformance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/core/plugin/process"
)

// language is one way to write and run a plugin.
type language struct {
	name    string
	sdk     string                  // what describe calls it
	build   func(testing.TB) []byte // a module, or the program of a process
	process bool
	// panics is the code of the error that a panic is answered with; empty: it is a trap.
	panics string
	// lacks has what the SDK leaves out on purpose. A case says so, and asks what
	// happens instead.
	lacks map[feature]string
	// mutations is how many broken inputs the guest is given.
	mutations int
}

// feature is something that not every SDK has.
type feature string

const (
	filters     feature = "filters"
	errorCodes  feature = "codes of errors"
	attributes  feature = "attributes of log lines"
	exits       feature = "ending itself"
	listsItsOps feature = "its operations in describe"
)

const folder = "tests/conformance/testdata/"

var languages = []language{
	{
		name: "go", sdk: "go sdk 1.0", panics: "panic", mutations: 1000,
		build: func(t testing.TB) []byte { return read(t, BuildGo(t, folder+"go", false)) },
	}, {
		name: "go-process", sdk: "go sdk 1.0", panics: "panic", mutations: 200, process: true,
		build: func(t testing.TB) []byte { return read(t, BuildGo(t, folder+"go", true)) },
	}, {
		name: "c", sdk: "c header 1.0", mutations: 2000,
		build: func(t testing.TB) []byte { return BuildC(t, folder+"c") },
		lacks: map[feature]string{
			attributes:  "tak_log takes a text alone",
			exits:       "without a C library nothing but a trap ends a module",
			listsItsOps: "tak_describe cannot know what tak_handle knows",
		},
	}, {
		name: "rust", sdk: "rust crate 1.0", mutations: 2000,
		build: func(t testing.TB) []byte { return BuildRust(t, folder+"rust") },
		lacks: map[feature]string{
			attributes:  "log takes a text alone",
			errorCodes:  "an Error is a status and a message",
			exits:       "wasm32-unknown-unknown has no system to exit to",
			listsItsOps: "a trait does not tell which of its methods a plugin has",
		},
	}, {
		name: "python", sdk: "python sdk 1.0", panics: "exception", mutations: 200, process: true,
		build: func(t testing.TB) []byte { return read(t, BuildPython(t, folder+"python/conform.py")) },
		lacks: map[feature]string{filters: "filters are for WASM plugins: an event cannot wait for a process"},
	},
}

// code gives what the language's guest is built to, once for all tests.
func (l *language) code(t testing.TB) []byte {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if built.code[l.name] == nil {
		built.code[l.name] = l.build(t) // which may leave the test out
	}
	return built.code[l.name]
}

var built = struct {
	sync.Mutex
	code map[string][]byte // by language
}{code: map[string][]byte{}}

// load prepares the language's guest for the time of a test.
func (l *language) load(t *testing.T) guest.Module {
	t.Helper()
	if !l.process {
		return load(t, guest.Code{Name: "conform", Module: l.code(t)})
	}
	program := filepath.Join(t.TempDir(), "plugin")
	if err := os.WriteFile(program, l.code(t), 0o700); err != nil {
		t.Fatal(err)
	}
	return loadProcess(t, program)
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// loadProcess prepares a process plugin for the time of a test.
func loadProcess(t *testing.T, program string) guest.Module {
	t.Helper()
	r, err := process.New(process.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	sum := sha256.Sum256(read(t, program))
	return prepare(t, r, guest.Code{Name: "conform", Program: program, Digest: hex.EncodeToString(sum[:])})
}

// subject is a language with the instance that serves its cases one after the other.
type subject struct {
	*language
	module   guest.Module
	host     *Host
	files    *fileHost
	instance guest.Instance
	used     map[feature]bool // of lacks
}

// plugin gives the instance, or a new one if the last case ended it, with nothing
// in its host.
func (s *subject) plugin(t *testing.T) *plugin {
	t.Helper()
	if s.instance == nil {
		s.host = new(Host)
		var err error
		if s.instance, err = s.module.New(t.Context(), s.host); err != nil {
			t.Fatal(err)
		}
	}
	s.host.Reset()
	return &plugin{T: t, host: s.host, instance: s.instance, subject: s}
}

func (s *subject) close(t *testing.T) {
	if s.instance == nil {
		return
	}
	if err := s.instance.Close(context.Background()); err != nil {
		t.Error(err)
	}
	s.instance = nil
}

// lacks says whether the SDK leaves something out, and why.
func (p *plugin) lacks(f feature) bool {
	p.Helper()
	why, ok := p.subject.language.lacks[f]
	if ok {
		p.subject.used[f] = true
		p.Logf("not in sdk/%s: %s: %s", p.subject.name, f, why)
	}
	return ok
}
