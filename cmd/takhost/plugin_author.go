package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/takhost/takhost"
	"github.com/takhost/takhost/core/plugin/pack"
	"github.com/takhost/takhost/core/plugin/scaffold"
)

type pluginNewCmd struct {
	Name string `arg:"" help:"Name of the plugin: lower-case letters, digits and -."`
	Dir  string `placeholder:"DIR" help:"Folder to make; without it, one of that name here."`
}

// Run writes a project.
func (c *pluginNewCmd) Run(std streams) error {
	dir, err := scaffold.New(scaffold.NewOptions{Name: c.Name, Dir: c.Dir, Source: takhost.Source()})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, `%[1]s holds a plugin that remembers who was seen last, and where. Next:
  cd %[1]s
  go test            # against a server in memory
  takhost plugin test
  takhost plugin build
Then, back in the folder where the server runs:
  takhost plugin install %[1]s/%[2]s.takplugin
  takhost plugin grant %[2]s --all && takhost plugin enable %[2]s
`, dir, c.Name)
	return err
}

type pluginBuildCmd struct {
	Dir     string `arg:"" optional:"" default:"." help:"Folder with plugin.json; without it, this one."`
	Output  string `short:"o" placeholder:"FILE" help:"File to write; without it, NAME.takplugin in the folder."`
	Process bool   `help:"Build an executable for this machine although the manifest asks for a WASM module."`
	Sources string `hidden:"" placeholder:"FILE" help:"Keep a digest of the sources here, and build only when it differs."`
}

// Run builds.
func (c *pluginBuildCmd) Run(ctx context.Context, std streams) error {
	digest := ""
	if c.Sources != "" {
		var err error
		if digest, err = scaffold.SourceDigest(ctx, c.Dir); err != nil {
			return err
		}
		had, err := os.ReadFile(c.Sources)
		if _, there := os.Stat(c.Output); err == nil && there == nil && string(had) == digest+"\n" {
			return nil
		}
	}
	b, err := scaffold.Build(ctx, scaffold.BuildOptions{Dir: c.Dir, Out: c.Output, Process: c.Process})
	if err != nil {
		return err
	}
	for _, w := range b.Warnings {
		fmt.Fprintln(std.err, "warning:", w)
	}
	if c.Sources != "" {
		if err := os.WriteFile(c.Sources, []byte(digest+"\n"), 0o644); err != nil {
			return fmt.Errorf("keep the digest of the sources: %w", err)
		}
	}
	_, err = fmt.Fprintf(std.out, "%s: %s, code %s\nsha256 %s\n", b.File, size(uint64(b.Size)), size(uint64(b.Code)), b.SHA256)
	return err
}

type pluginCheckCmd struct {
	Package string `arg:"" optional:"" default:"." help:"A .takplugin file or a folder; without it, this folder."`
}

// Run checks.
func (c *pluginCheckCmd) Run(std streams) error {
	r := pack.Check(c.Package)
	if r.Package != nil {
		defer r.Package.Close()
	}
	for _, w := range r.Warnings {
		fmt.Fprintln(std.out, "warning:", clean(w))
	}
	for _, f := range r.Faults {
		fmt.Fprintln(std.out, "fault:", clean(f))
	}
	switch {
	case len(r.Faults) == 1:
		return errors.New("the package has a fault")
	case len(r.Faults) > 0:
		return fmt.Errorf("the package has %d faults", len(r.Faults))
	}
	p := r.Package
	_, err := fmt.Fprintf(std.out, "%s %s: ok\nsha256 %s\n", p.Manifest.Name, p.Manifest.Version, p.SHA256)
	return err
}

type pluginTestCmd struct {
	Dir     string   `arg:"" optional:"" default:"." help:"Folder of the plugin; without it, this one."`
	WASM    bool     `help:"Only as WASM module."`
	Process bool     `help:"Only as process."`
	Args    []string `arg:"" optional:"" passthrough:"" help:"Flags for go test, such as -v or -run."`
}

// Run tests.
func (c *pluginTestCmd) Run(ctx context.Context, std streams) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("test plugin: %w", err)
	}
	process, err := scaffold.IsProcess(c.Dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, way := range []struct {
		name    string
		process bool
		want    bool
	}{{"WASM module", false, c.WASM || !c.Process && !process}, {"process", true, c.Process || !c.WASM}} {
		if !way.want {
			continue
		}
		if way.process && !c.Process && !process {
			if ok, err := scaffold.IsNative(ctx, c.Dir); err != nil {
				return err
			} else if !ok {
				fmt.Fprintln(std.out, "not as process: the plugin does not import github.com/takhost/takhost/sdk/native")
				continue
			}
		}
		fmt.Fprintf(std.out, "as %s:\n", way.name)
		err := scaffold.Test(ctx, scaffold.TestOptions{
			Dir: c.Dir, Args: c.Args, Process: way.process, Runner: []string{self, "plugin", "serve-test"}, Stdout: std.out, Stderr: std.err,
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("as %s: %w", way.name, err))
		}
	}
	return errors.Join(errs...)
}

// pluginServeCmd is the other side of plugintest.
type pluginServeCmd struct {
	File string `arg:""`
}

// Run serves.
func (c *pluginServeCmd) Run(ctx context.Context, std streams) error {
	cache := ""
	if dir, err := os.UserCacheDir(); err == nil { // without a home folder, each test compiles
		cache = filepath.Join(dir, "takhost", "wasm")
	}
	return scaffold.ServeFile(ctx, c.File, scaffold.ServeOptions{CacheDir: cache, Log: slog.New(slog.NewTextHandler(std.err, nil))}, std.in, std.out)
}
