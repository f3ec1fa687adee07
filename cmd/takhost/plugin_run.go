package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/plugin/pack"
	"github.com/takhost/takhost/core/plugin/scaffold"
	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/server"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
)

type pluginRunCmd struct {
	Package  string `arg:"" help:"A .takplugin file, or a folder: Go code in it is built first."`
	Against  string `required:"" placeholder:"FILE" help:"Captured events, as events replay takes them; - is the standard input."`
	Settings string `placeholder:"YAML" help:"The plugin's own settings, such as '{repeat: 30s}'."`
	REST     string `placeholder:"ADDRESS" help:"Serve the plugin's routes here, such as 127.0.0.1:8000, until interrupted."`
	JSON     bool   `help:"Write what the plugin sends as JSON, one event a line."`
}

// Run runs the plugin within a server of its own, which has no listeners and a
// folder that goes away, and grants all that the manifest asks for.
func (c *pluginRunCmd) Run(ctx context.Context, std streams) (err error) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "takhost-run-")
	if err != nil {
		return fmt.Errorf("run plugin: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file, m, err := c.open(ctx, dir)
	if err != nil {
		return err
	}
	settings, err := c.settings(file, m)
	if err != nil {
		return err
	}
	in := io.Reader(&interruptible{ctx.Done(), std.in})
	if c.Against != "-" {
		f, err := os.Open(c.Against)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	log, err := server.NewLog(std.err, "info", "text")
	if err != nil {
		return err
	}
	cfg := config.Default()
	cfg.Data, cfg.Listen = filepath.Join(dir, "data"), config.Listen{REST: c.REST}
	sent := &emitted{plugin: m.Name, std: std, json: c.JSON}
	srv := server.New(&cfg, server.Options{Log: log, Version: thisVersion().Version, Plugins: settings, Taps: []route.Tap{sent}})
	if err := srv.Start(ctx); err != nil {
		return err
	}
	err = errors.Join(c.play(ctx, srv, m.Name, in, std), srv.Stop(), sent.err)
	info, showErr := srv.Plugins().Show(m.Name)
	if showErr == nil {
		n := info.Counts
		fmt.Fprintf(std.out, "%s %s: %d events handled, %d sent, %d dead letters, %d crashes, %d operations refused\n",
			m.Name, m.Version, n.Events, sent.n, n.DeadLetters, n.Crashes, n.Refused)
	}
	return errors.Join(err, showErr)
}

// open gives the package, built if it has to be.
func (c *pluginRunCmd) open(ctx context.Context, dir string) (file string, m *manifest.Manifest, err error) {
	file, err = filepath.Abs(c.Package)
	if err != nil {
		return "", nil, err
	}
	if _, err := os.Stat(filepath.Join(file, "go.mod")); err == nil || isGo(file) {
		b, err := scaffold.Build(ctx, scaffold.BuildOptions{Dir: file, Out: filepath.Join(dir, "plugin"+pack.Ext)})
		if err != nil {
			return "", nil, err
		}
		file = b.File
	}
	p, err := pack.Open(file)
	if err != nil {
		return "", nil, err
	}
	return file, p.Manifest, p.Close()
}

func isGo(dir string) bool {
	files, err := fs.Glob(os.DirFS(dir), "*.go")
	return err == nil && len(files) > 0
}

// settings switch the plugin on, with all that it asks for.
func (c *pluginRunCmd) settings(file string, m *manifest.Manifest) ([]config.PluginValue, error) {
	values := []config.PluginValue{
		{Plugin: m.Name, Path: []string{"enabled"}, Value: true},
		{Plugin: m.Name, Path: []string{"source"}, Value: file},
	}
	for c, scope := range m.Grants() {
		values = append(values, config.PluginValue{Plugin: m.Name, Path: []string{"grant", string(c)}, Value: plugin.ScopeTree(c, scope)})
	}
	own, err := config.ParsePlugin("--settings", m.Name, c.Settings)
	if err != nil {
		return nil, &usageError{err}
	}
	for i := range values {
		values[i].Origin = config.FlagOrigin("plugin run")
	}
	return append(values, own...), nil
}

// play feeds the events and waits until the plugin is done with them.
func (c *pluginRunCmd) play(ctx context.Context, srv *server.Server, name string, in io.Reader, std streams) error {
	if err := awaitPlugin(ctx, srv, name, func(i *plugin.Info) (bool, error) {
		switch i.State {
		case plugin.Active, plugin.Idle:
			return true, nil
		case plugin.Failed, plugin.Broken, plugin.Disabled:
			return false, fmt.Errorf("the plugin does not start: %s", i.Reason)
		}
		return false, nil
	}); err != nil {
		return err
	}
	if c.REST != "" {
		token, err := os.ReadFile(filepath.Join(srv.DataDir(), web.TokenFile))
		if err != nil {
			return fmt.Errorf("read the token of the REST API: %w", err)
		}
		fmt.Fprintf(std.err, "the plugin's routes are on http://%s; send the header Authorization: Bearer %s\n", srv.Addr("rest"), bytes.TrimSpace(token))
	}
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Stream(theirs)
	}()
	go io.Copy(io.Discard, ours) // what the others would see
	events := &captureReader{in: in}
	n, err := 0, error(nil)
	for ctx.Err() == nil {
		var ev *captured
		if ev, err = events.next(); err != nil {
			break
		}
		if _, err = io.WriteString(ours, ev.xml); err != nil {
			break
		}
		n++
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	err = errors.Join(err, ours.Close())
	<-done
	fmt.Fprintf(std.err, "%d events played\n", n)
	if err == nil {
		err = awaitPlugin(ctx, srv, name, func(i *plugin.Info) (bool, error) { return i.Counts.Queued == 0, nil })
	}
	if err == nil && c.REST != "" {
		<-ctx.Done()
	}
	return err
}

// awaitPlugin looks at the plugin until ready says so.
func awaitPlugin(ctx context.Context, srv *server.Server, name string, ready func(*plugin.Info) (bool, error)) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		i, err := srv.Plugins().Show(name)
		if err != nil {
			return err
		}
		if ok, err := ready(&i); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.New("interrupted")
		}
	}
}

// emitted writes what the plugin sends.
type emitted struct {
	plugin string
	std    streams
	json   bool

	mu  sync.Mutex
	n   int
	err error
}

var _ route.Tap = (*emitted)(nil)

// Routed implements route.Tap.
func (t *emitted) Routed(evs []*hostapi.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range evs {
		if e.Via != t.plugin {
			continue
		}
		t.n++
		ev := web.EventOf(e)
		if t.json {
			t.err = errors.Join(t.err, json.NewEncoder(t.std.out).Encode(&ev))
		} else {
			t.err = errors.Join(t.err, writeLine(t.std.out, &ev, timeOnly))
		}
	}
}
