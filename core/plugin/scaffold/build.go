package scaffold

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/takhost/takhost/core/plugin/pack"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
)

// BuildOptions say what Build does.
type BuildOptions struct {
	Dir string // folder with the manifest; empty: this one
	Out string // archive to write; empty: NAME.takplugin in Dir

	// Process builds an executable for this machine although the manifest asks for a
	// WASM module, for tests of both.
	Process bool

	Env []string // added to the go command's environment
}

// Built is what Build made.
type Built struct {
	File     string
	Size     int64
	SHA256   string // of the archive: what an install is pinned to
	Code     int64  // bytes of the module or executable
	Warnings []string
}

// Build compiles the Go code in a folder as its manifest says, to a WASM module or an
// executable, and packs it with the manifest and what belongs to it: the static files,
// licence and README. Code in another language is compiled by its author's means: then
// the entry that the manifest names must be there.
func Build(ctx context.Context, o BuildOptions) (*Built, error) {
	dir := o.Dir
	if dir == "" {
		dir = "."
	}
	doc, err := os.ReadFile(filepath.Join(dir, manifest.FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s in %s: this is no folder of a plugin", manifest.FileName, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("build plugin: %w", err)
	}
	m, err := manifest.Parse(doc)
	if err != nil {
		return nil, fmt.Errorf("%s:\n%w", filepath.Join(dir, manifest.FileName), err)
	}
	stage, err := os.MkdirTemp("", "takhost-build-")
	if err != nil {
		return nil, fmt.Errorf("build plugin: %w", err)
	}
	defer os.RemoveAll(stage)
	if o.Process && m.Runtime != "process" {
		if doc, m, err = asProcess(doc); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(stage, manifest.FileName), doc, 0o644); err != nil {
		return nil, fmt.Errorf("build plugin: %w", err)
	}
	code := filepath.Join(stage, filepath.FromSlash(m.Entry))
	if err := compile(ctx, dir, code, m, o.Env); err != nil {
		return nil, err
	}
	if err := gather(dir, stage, m); err != nil {
		return nil, err
	}
	out := o.Out
	if out == "" {
		out = filepath.Join(dir, m.Name+pack.Ext)
	}
	b := &Built{File: out}
	if info, err := os.Stat(code); err == nil {
		b.Code = info.Size()
	}
	return b, b.pack(stage)
}

// asProcess gives the manifest of a WASM plugin as that of a process plugin, without what
// those cannot have.
func asProcess(doc []byte) ([]byte, *manifest.Manifest, error) {
	var keys map[string]any
	if err := json.Unmarshal(doc, &keys); err != nil {
		return nil, nil, fmt.Errorf("read manifest: %w", err)
	}
	for _, key := range []string{"filters", "termination"} {
		delete(keys, key)
	}
	if grants, ok := keys["capabilities"].(map[string]any); ok {
		delete(grants, string(hostapi.CapEventsFilter))
	}
	keys["runtime"], keys["entry"] = "process", "plugin"
	doc, err := json.Marshal(keys)
	if err != nil {
		return nil, nil, fmt.Errorf("write manifest: %w", err)
	}
	m, err := manifest.Parse(doc)
	if err != nil {
		return nil, nil, fmt.Errorf("as a process plugin:\n%w", err)
	}
	return doc, m, nil
}

func (b *Built) pack(stage string) error {
	if err := pack.WriteFile(b.File, stage); err != nil {
		return err
	}
	r := pack.Check(b.File)
	if r.Package != nil {
		defer r.Package.Close()
	}
	if len(r.Faults) > 0 {
		err := errors.New(strings.Join(r.Faults, "\n"))
		return errors.Join(err, os.Remove(b.File))
	}
	b.Warnings = r.Warnings
	text, err := os.ReadFile(b.File)
	if err != nil {
		return fmt.Errorf("read what was packed: %w", err)
	}
	sum := sha256.Sum256(text)
	b.Size, b.SHA256 = int64(len(text)), hex.EncodeToString(sum[:])
	return nil
}

// compile makes the entry, or copies one that is there.
func compile(ctx context.Context, dir, code string, m *manifest.Manifest, env []string) error {
	sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return fmt.Errorf("build plugin: %w", err)
	}
	if len(sources) == 0 {
		return copyCode(dir, code, m)
	}
	if err := os.MkdirAll(filepath.Dir(code), 0o755); err != nil {
		return fmt.Errorf("build plugin: %w", err)
	}
	// Paths of the author's machine are no part of a plugin; symbol tables say nothing
	// that a stack does not.
	args := []string{"build", "-trimpath", "-ldflags=-s -w", "-o", code}
	if m.Runtime != "process" {
		args = append(args, "-buildmode=c-shared")
		env = append([]string{"GOOS=wasip1", "GOARCH=wasm"}, env...)
	}
	return goCommand(ctx, dir, append(env, "CGO_ENABLED=0"), append(args, ".")...)
}

func goCommand(ctx context.Context, dir string, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("go %s: %w", args[0], context.Cause(ctx))
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("plugins in Go are compiled by the go command, which is not here: see https://go.dev/dl")
	}
	return fmt.Errorf("go %s: %w\n%s", args[0], err, strings.TrimSpace(out.String()))
}

func copyCode(dir, code string, m *manifest.Manifest) error {
	err := copyFile(filepath.Join(dir, filepath.FromSlash(m.Entry)), code)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is neither Go code nor the file %q in %s, which the manifest names as entry", m.Entry, dir)
	}
	return err
}

// gather copies what belongs to the code.
func gather(dir, stage string, m *manifest.Manifest) error {
	if m.Static != nil {
		folder := filepath.FromSlash(m.Static.Folder)
		if err := os.CopyFS(filepath.Join(stage, folder), os.DirFS(filepath.Join(dir, folder))); err != nil {
			return fmt.Errorf("copy the static files: %w", err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("build plugin: %w", err)
	}
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if e.Type().IsRegular() && (strings.HasPrefix(name, "LICENSE") || strings.HasPrefix(name, "README")) {
			if err := copyFile(filepath.Join(dir, e.Name()), filepath.Join(stage, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("build plugin: %w", err)
	}
	info, err := os.Stat(from)
	if err != nil {
		return fmt.Errorf("build plugin: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("build plugin: %w", err)
	}
	if err := os.WriteFile(to, text, info.Mode().Perm()); err != nil {
		return fmt.Errorf("build plugin: %w", err)
	}
	return nil
}
