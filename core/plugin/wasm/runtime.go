package wasm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	goruntime "runtime"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
)

// Options are what a Runtime needs.
type Options struct {
	// CacheDir is the folder for compiled code, made with mode 0700. What lies
	// there is run as machine code. Empty: nothing is kept.
	CacheDir string
	Log      *slog.Logger // nil: nothing is logged
}

// Runtime compiles and runs WASM plugins.
type Runtime struct {
	log     *slog.Logger
	cache   *cache
	compile chan struct{} // holds one: whoever compiles

	compiling sync.WaitGroup
}

var _ guest.Runtime = (*Runtime)(nil)

// New makes a runtime, and throws away compiled code that nobody used for long.
func New(o Options) (*Runtime, error) {
	r := &Runtime{log: o.Log, compile: make(chan struct{}, 1)}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if goruntime.GOARCH != "amd64" && goruntime.GOARCH != "arm64" {
		r.log.Warn("there is no compiler for this kind of CPU: WASM plugins are interpreted, some 40 times slower", "cpu", goruntime.GOARCH)
	}
	var err error
	if r.cache, err = openCache(o.CacheDir, r.log); err != nil {
		return nil, fmt.Errorf("open the cache of compiled plugins: %w", err)
	}
	return r, nil
}

// Load compiles a module, or takes the machine code from the cache. Compiling
// waits for its turn as long as ctx lasts; once begun it cannot be stopped.
func (r *Runtime) Load(ctx context.Context, c guest.Code) (guest.Module, error) {
	limit := uint64(c.Memory)
	switch {
	case c.Memory <= 0:
		limit = hostapi.DefaultMemory
	case c.Memory < pageSize:
		return nil, fmt.Errorf("memory of %d bytes: a WASM plugin needs %d at least", c.Memory, pageSize)
	}
	limit = min(limit, 1<<32) / pageSize * pageSize
	switch c.Termination {
	case "", "check":
	case "fuel":
		// Both end an endless loop; the difference is speed.
		r.log.Warn("fuel is not built in: the plugin runs with the termination check", "plugin", c.Name)
	default:
		return nil, fmt.Errorf("termination %q: it is check or fuel", c.Termination)
	}
	l, err := parse(c.Module)
	if err != nil {
		return nil, err
	}
	if err := l.check(limit); err != nil {
		return nil, err
	}
	code := l.boundTables(l.joinData(c.Module)) // tables come before data

	began := time.Now()
	m, err := r.inTurn(ctx, code)
	if err != nil {
		return nil, err
	}
	m.limit, m.log = limit, c.Log
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	r.log.Debug("plugin compiled", "plugin", c.Name, "version", c.Version, "took", time.Since(began), "size", m.size)
	return m, nil
}

// inTurn prepares one module at a time. A compile that has begun cannot be stopped:
// when ctx ends first, nobody waits for it, and what comes of it is thrown away.
func (r *Runtime) inTurn(ctx context.Context, code []byte) (*module, error) {
	select {
	case r.compile <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the compiler: %w", context.Cause(ctx))
	}
	type result struct {
		m   *module
		err error
	}
	done := make(chan result)
	r.compiling.Go(func() {
		defer func() { <-r.compile }()
		m, err := r.prepare(context.WithoutCancel(ctx), code)
		select {
		case done <- result{m, err}:
		case <-ctx.Done():
			if err == nil {
				err = m.Close(context.Background())
			}
			r.log.Debug("a plugin was compiled for nobody", "err", err)
		}
	})
	select {
	case got := <-done:
		return got.m, got.err
	case <-ctx.Done():
		return nil, fmt.Errorf("compile the plugin: %w", context.Cause(ctx))
	}
}

// prepare compiles with the cache. A cache that is damaged or cannot be written
// keeps no plugin from running.
func (r *Runtime) prepare(ctx context.Context, code []byte) (*module, error) {
	entry := r.cache.entry(code)
	m, err := r.compileIn(ctx, code, entry)
	if err == nil || entry == nil {
		return m, err
	}
	if isDamaged(err) {
		r.log.Warn("compiled code in the cache is damaged: it is compiled anew", "folder", entry.dir, "error", err)
		if err = entry.drop(); err == nil {
			m, err = r.compileIn(ctx, code, entry)
		}
	}
	if isFile(err) {
		r.log.Warn("compiled code cannot be kept in the cache", "folder", entry.dir, "error", err)
		m, err = r.compileIn(ctx, code, nil)
	}
	return m, err
}

// compileIn makes an engine for one module.
func (r *Runtime) compileIn(ctx context.Context, code []byte, entry *entry) (m *module, err error) {
	config := wazero.NewRuntimeConfig().
		WithCoreFeatures(api.CoreFeaturesV2).
		WithCloseOnContextDone(true).
		WithDebugInfoEnabled(false) // names of functions come without it
	m = &module{instances: map[*instance]struct{}{}}
	defer func() {
		// wazero is to refuse what it cannot compile; where it panics instead, the
		// module is as bad and the server goes on.
		if p := recover(); p != nil {
			err = fmt.Errorf("the module cannot be compiled: %v", p)
		}
		if err != nil {
			err = errors.Join(err, m.release(context.WithoutCancel(ctx)))
			m = nil
		}
	}()
	if entry != nil {
		if m.cache, err = wazero.NewCompilationCacheWithDir(entry.dir); err != nil {
			return m, fmt.Errorf("%w: %w", errFolder, err)
		}
		config = config.WithCompilationCache(m.cache)
	}
	m.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if m.compiled, err = m.runtime.CompileModule(ctx, code); err != nil {
		return m, fmt.Errorf("the module is not valid: %w", err)
	}
	if err = provide(ctx, m.runtime, hostapi.ImportModule, imports); err != nil {
		return m, fmt.Errorf("provide %s: %w", hostapi.ImportModule, err)
	}
	if err = provide(ctx, m.runtime, wasiModule, wasi); err != nil {
		return m, fmt.Errorf("provide %s: %w", wasiModule, err)
	}
	m.size = entry.size(len(code))
	return m, nil
}

// Close waits for a compile that nobody waits for any more, as long as ctx lasts.
// Else nothing is left to do: each module had an engine of its own, and all have
// been closed.
func (r *Runtime) Close(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.compiling.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("a plugin is still being compiled: %w", context.Cause(ctx))
	}
}
