package scaffold

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/core/plugin/pack"
	"github.com/takhost/takhost/core/plugin/process"
	"github.com/takhost/takhost/core/plugin/wasm"
	"github.com/takhost/takhost/hostapi"
)

// TestOptions say what Test does.
type TestOptions struct {
	Dir  string   // folder of the plugin; empty: this one
	Args []string // for go test, such as -v or -run

	// Runner is the command that runs one archive for plugintest: it calls ServeFile
	// with its last argument, which Test appends.
	Runner []string

	Process bool // run as a process although the manifest asks for WASM

	Env            []string // added to the go command's environment
	Stdout, Stderr io.Writer
}

// Test builds the plugin and runs its Go tests against what was built. The error is that
// of the build, or says that tests failed.
func Test(ctx context.Context, o TestOptions) error {
	temp, err := os.MkdirTemp("", "takhost-test-")
	if err != nil {
		return fmt.Errorf("test plugin: %w", err)
	}
	defer os.RemoveAll(temp)
	b, err := Build(ctx, BuildOptions{Dir: o.Dir, Out: filepath.Join(temp, "plugin"+pack.Ext), Process: o.Process, Env: o.Env})
	if err != nil {
		return err
	}
	// A result of before is none of this module: the go command does not see it.
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-count=1"}, append(o.Args, ".")...)...)
	cmd.Dir = o.Dir
	cmd.Env = append(os.Environ(), o.Env...)
	cmd.Env = append(cmd.Env, envRunner+"="+strings.Join(append(o.Runner, b.File), "\n"))
	cmd.Stdout, cmd.Stderr = o.Stdout, o.Stderr
	err = cmd.Run()
	var failed *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &failed):
		return errors.New("tests of the plugin failed")
	case err != nil:
		return fmt.Errorf("go test: %w", err)
	}
	return nil
}

// ServeOptions say how ServeFile runs a plugin.
type ServeOptions struct {
	CacheDir string // for compiled code; empty: each test compiles
	Log      *slog.Logger
}

// ServeFile runs the plugin of an archive or folder for plugintest, see Serve.
func ServeFile(ctx context.Context, file string, o ServeOptions, in io.Reader, out io.Writer) (err error) {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p, err := pack.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	code := guest.Code{
		Name: p.Manifest.Name, Version: p.Manifest.Version, Args: p.Manifest.Args, Log: log,
		Digest: p.SHA256, Termination: p.Manifest.Termination, Memory: int64(p.Manifest.Limits.Memory),
	}
	if code.Memory == 0 {
		code.Memory = hostapi.DefaultMemory
	}
	var rt guest.Runtime
	if p.Manifest.Runtime == "process" {
		dir, err := os.MkdirTemp("", "takhost-run-")
		if err != nil {
			return fmt.Errorf("run plugin: %w", err)
		}
		defer os.RemoveAll(dir)
		program, err := p.Extract(dir)
		if err != nil {
			return err
		}
		code.Program, code.Digest, code.Memory = program.File, program.SHA256, max(code.Memory, process.DefaultMemory)
		if rt, err = process.New(process.Options{Log: log}); err != nil {
			return err
		}
	} else {
		if code.Module, err = p.Module(); err != nil {
			return err
		}
		if rt, err = wasm.New(wasm.Options{CacheDir: o.CacheDir, Log: log}); err != nil {
			return err
		}
	}
	defer func() { err = errors.Join(err, rt.Close(context.WithoutCancel(ctx))) }()
	m, err := rt.Load(ctx, code)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close(context.WithoutCancel(ctx))) }()
	return Serve(ctx, m, in, out)
}
