package process

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/plugin/guest"
)

// Whatever keeps a process from starting is said in an author's words.
func TestStartFaults(t *testing.T) {
	rt := newRuntime(t)
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tests := []struct {
		name, way string
		program   string
		digest    string // empty: the right one
		patience  time.Duration
		want      string
	}{
		{name: "no file", program: dir + "/none", digest: strings.Repeat("00", 32), want: "the program " + dir + "/none is not there"},
		{name: "a folder", program: dir, digest: strings.Repeat("00", 32), want: "is not a file"},
		{name: "not executable", program: file("text", "hello", 0o644), want: "is not executable: its mode is 0644"},
		{name: "no digest", way: "serve", digest: "-", want: "a process plugin needs the SHA-256 of its program"},
		{name: "half a digest", way: "serve", digest: "abcd", want: `"abcd" is no SHA-256 of a program`},
		{name: "another digest", way: "serve", digest: strings.Repeat("ab", 32), want: "is not the one that was installed: its SHA-256 is not abababab"},
		{name: "no program", program: file("noise", "\x01\x02\x03", 0o755), want: "cannot be run: it is for another system or processor"},
		{name: "no interpreter", program: file("script", "#!/usr/bin/none\n", 0o755), want: "cannot be run: what its first line names"},
		{name: "ends at once", way: "exit", want: "the process ended before the handshake: exit status 3; it printed: there is no such table"},
		{name: "says nothing", way: "silent", patience: 300 * time.Millisecond, want: "the process made no handshake in time"},
		{name: "prints before the handshake", way: "stray", want: `the process printed "hello, world" before the handshake: nothing may be written to the standard output`},
		{name: "other version", way: "version", want: "the process speaks version 7 of the plugin contract (handshake 1), this server speaks version 1"},
		{name: "other handshake", way: "core version", want: "the process speaks version 1 of the plugin contract (handshake 2)"},
		{name: "other protocol", way: "net/rpc", want: `unsupported plugin protocol "netrpc"`},
		{name: "nobody listens", way: "nobody listens", want: "connect to the process: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := code(t, tt.way)
			if tt.program != "" {
				c.Program = tt.program
			}
			switch {
			case tt.digest == "-":
				c.Digest = ""
			case tt.digest != "":
				c.Digest = tt.digest
			case tt.program != "":
				c.Digest = digest(tt.program)
			}
			ctx := t.Context()
			if tt.patience > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, tt.patience)
				defer cancel()
			}
			m, err := rt.Load(ctx, c)
			if err == nil {
				_, err = m.New(ctx, echo)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
			if left, _ := filepath.Glob(rt.dir + "/*"); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestStartCancelled(t *testing.T) {
	rt := newRuntime(t)
	m, err := rt.Load(t.Context(), code(t, "silent"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := m.New(ctx, echo); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// A program that was changed after it was loaded does not start again.
func TestChangedProgram(t *testing.T) {
	rt := newRuntime(t)
	path, _ := self()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := code(t, "serve")
	c.Program = filepath.Join(t.TempDir(), "plugin")
	if err := os.WriteFile(c.Program, b, 0o755); err != nil {
		t.Fatal(err)
	}
	m, err := rt.Load(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	i, err := m.New(t.Context(), echo)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := os.Truncate(c.Program, int64(len(b)-1)); err != nil {
		t.Fatal(err)
	}
	if _, err := m.New(t.Context(), echo); err == nil || !strings.Contains(err.Error(), "is not the one that was installed") {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestRuntimeDir(t *testing.T) {
	base, err := os.MkdirTemp("", "tak")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(base)
	dir := filepath.Join(base, "run", "plugins")
	left := filepath.Join(dir, "p-123", "home")
	if err := os.MkdirAll(left, 0o755); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "notes")
	if err := os.Mkdir(other, 0o755); err != nil {
		t.Fatal(err)
	}
	rt, err := New(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("what a killed server left: got %v, want none", err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("what is somebody else's: %v", err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode: got %v, %v, want 0700", info.Mode(), err)
	}
	if err := rt.Close(t.Context()); err != nil {
		t.Error(err)
	}
	_, err = New(Options{Dir: filepath.Join(base, strings.Repeat("d", 100))})
	if err == nil || !strings.Contains(err.Error(), "is too long by") {
		t.Errorf("long path: got %v", err)
	}
}

func TestSelf(t *testing.T) {
	program, args, sum, err := Self("federation")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(args, " "); got != "plugin-process federation" {
		t.Errorf("arguments: got %q", got)
	}
	if _, want := self(); sum != want {
		t.Errorf("digest: got %s, want %s", sum, want)
	}
	c := code(t, "serve")
	c.Program, c.Digest = program, sum
	i := start(t, c, echo)
	if got := ask(t, i, "echo me"); got != "me" {
		t.Errorf("got %q", got)
	}
	var _ guest.Instance = i
}
