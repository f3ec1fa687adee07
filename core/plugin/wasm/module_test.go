package wasm

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
)

// signal is a host that says when it is called, and waits until its context ends.
type signal chan struct{}

func (s signal) Serve(ctx context.Context, _ hostapi.HostOp, _, dst []byte) ([]byte, hostapi.Status) {
	s <- struct{}{}
	<-ctx.Done()
	return dst, hostapi.Failed
}

func TestCloseEndsACall(t *testing.T) {
	m := load(t, guest.Code{})
	tests := []struct {
		name string
		end  func(i guest.Instance, m guest.Module, cancel func()) error
		want string
	}{
		{"close", func(i guest.Instance, _ guest.Module, _ func()) error { return i.Close(context.Background()) }, "the instance is closed"},
		{"cancel", func(_ guest.Instance, _ guest.Module, cancel func()) error { cancel(); return nil }, "the call was given up"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			host := make(signal)
			i := newInstance(t, m, host)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error)
			go func() {
				_, _, err := i.Call(ctx, opWait, nil, nil)
				done <- err
			}()
			<-host
			if err := tt.end(i, m, cancel); err != nil {
				t.Error(err)
			}
			err := <-done
			if guest.ReasonOf(err) != guest.Closed || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want it closed, %q", err, tt.want)
			}
			if err := i.Close(context.Background()); err != nil {
				t.Error(err)
			}
			if _, _, err := i.Call(t.Context(), opEcho, nil, nil); guest.ReasonOf(err) != guest.Closed {
				t.Errorf("after Close: got %v, want it closed", err)
			}
		})
	}
}

// A guest's own loop ends with Close too, whenever that comes.
func TestCloseEndsALoop(t *testing.T) {
	m := load(t, guest.Code{})
	for range 20 {
		i := newInstance(t, m, echo)
		begun, done := make(chan struct{}), make(chan error)
		go func() {
			close(begun)
			_, _, err := i.Call(t.Context(), opLoop, nil, nil)
			done <- err
		}()
		<-begun
		runtime.Gosched()
		if err := i.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-done; guest.ReasonOf(err) != guest.Closed {
			t.Fatalf("got %v, want it closed", err)
		}
	}
}

func TestModuleCloseEndsItsInstances(t *testing.T) {
	r := newRuntime(t, Options{CacheDir: cacheDir})
	m, err := r.Load(t.Context(), guest.Code{Module: goGuest})
	if err != nil {
		t.Fatal(err)
	}
	idle := newInstance(t, m, echo)
	host := make(signal)
	busy := newInstance(t, m, host)
	done := make(chan error)
	go func() {
		_, _, err := busy.Call(t.Context(), opWait, nil, nil)
		done <- err
	}()
	<-host
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-done; guest.ReasonOf(err) != guest.Closed {
		t.Errorf("the call: got %v, want it closed", err)
	}
	if _, _, err := idle.Call(t.Context(), opEcho, nil, nil); guest.ReasonOf(err) != guest.Closed {
		t.Errorf("the other instance: got %v, want it closed", err)
	}
	if _, err := m.New(t.Context(), echo); !errors.Is(err, errModuleClosed) {
		t.Errorf("a new instance: got %v, want %v", err, errModuleClosed)
	}
	if err := m.Close(t.Context()); err != nil {
		t.Errorf("closed again: got %v", err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// A host that does not end with its context keeps the code in memory, and does
// not bring the server down.
func TestModuleCloseDoesNotWaitForEver(t *testing.T) {
	m := load(t, guest.Code{})
	begun, release := make(chan struct{}), make(chan struct{})
	i := newInstance(t, m, serve(func(_ context.Context, _ hostapi.HostOp, _, dst []byte) ([]byte, hostapi.Status) {
		close(begun)
		<-release
		return dst, hostapi.OK
	}))
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, _, err := i.Call(context.Background(), opWait, nil, nil); guest.ReasonOf(err) != guest.Closed {
			t.Errorf("the call: got %v, want it closed", err)
		}
	})
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that the call does not end", err)
	}
	close(release)
	wg.Wait()
}

func TestCallsInsideOneAnotherAreRefused(t *testing.T) {
	m := load(t, guest.Code{})
	var i guest.Instance
	var inner error
	i = newInstance(t, m, serve(func(ctx context.Context, _ hostapi.HostOp, _, dst []byte) ([]byte, hostapi.Status) {
		_, _, inner = i.Call(ctx, opEcho, nil, nil)
		return append(dst, "outer"...), hostapi.OK
	}))
	if got := call(t, i, opAsk, "\x02\x10"); got != "outer" {
		t.Errorf("the outer call: got %q, want outer", got)
	}
	if !errors.Is(inner, errBusy) || guest.ReasonOf(inner) != guest.Broken {
		t.Errorf("the inner call: got %v, want %v", inner, errBusy)
	}
}

// Instances and calls without number leave nothing behind.
func TestNothingLeaks(t *testing.T) {
	calls := 100_000
	if raceEnabled {
		calls = 10_000
	}
	m := load(t, guest.Code{})
	host := serve(func(_ context.Context, _ hostapi.HostOp, in, dst []byte) ([]byte, hostapi.Status) {
		return append(dst, in...), hostapi.OK
	})
	i := newInstance(t, m, host)
	in, dst := batch(t, 4), []byte(nil)
	ask := append([]byte{2, 0}, in...)
	work := func(n int) {
		for k := range n {
			op, b := opViews, in
			if k%4 == 0 {
				op, b = opAsk, ask
			}
			out, _, err := i.Call(t.Context(), op, b, dst[:0])
			if err != nil {
				t.Fatal(err)
			}
			dst = out
		}
	}
	work(calls / 10) // the guest's heap reaches its size
	memory, heap, goroutines := i.Memory(), heapInUse(), runtime.NumGoroutine()
	work(calls)
	for range 50 {
		i := newInstance(t, m, host)
		if _, _, err := i.Call(t.Context(), opPanic, nil, nil); guest.ReasonOf(err) != guest.Trapped {
			t.Fatal(err)
		}
		i = newInstance(t, m, host)
		call(t, i, opEcho, "x")
		if err := i.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := i.Memory(); got > memory+4<<20 {
		t.Errorf("memory of the guest: got %d, want about %d as before", got, memory)
	}
	if got := heapInUse(); got > heap+8<<20 {
		t.Errorf("heap of the host: got %d, want about %d as before", got, heap)
	}
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > goroutines && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if got := runtime.NumGoroutine(); got > goroutines {
		t.Errorf("got %d goroutines, want %d as before", got, goroutines)
	}
	if got := len(m.(*module).instances); got != 1 {
		t.Errorf("the module knows %d instances, want 1", got)
	}
}

func heapInUse() uint64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s.HeapInuse
}

func TestCacheFolder(t *testing.T) {
	t.Run("used", func(t *testing.T) {
		dir := t.TempDir() + "/code"
		r := newRuntime(t, Options{CacheDir: dir})
		tiny := tinyModule{}.bytes()
		for _, want := range []string{"compiled", "from the cache"} {
			m, err := r.Load(t.Context(), guest.Code{Module: tiny})
			if err != nil {
				t.Fatalf("%s: %v", want, err)
			}
			if m.Size() < int64(len(tiny)) {
				t.Errorf("%s: got size %d, want more than the module's %d", want, m.Size(), len(tiny))
			}
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("got mode %v, error %v, want 0700", info.Mode(), err)
		}
		files := cached(t, dir)
		if len(files) != 1 || !strings.Contains(files[0], "wazero-"+wazeroVersion+"/") {
			t.Fatalf("got the files %q, want one below the version of wazero", files)
		}
		for name, content := range map[string]string{"cut": "WAZEVO", "empty": "", "other bytes": strings.Repeat("x", 4000)} {
			if err := os.WriteFile(files[0], []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			m, err := r.Load(t.Context(), guest.Code{Module: tiny})
			if err != nil {
				t.Fatalf("damaged (%s): %v", name, err)
			}
			call(t, newInstance(t, m, echo), 1, "")
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if info, err := os.Stat(files[0]); err != nil || info.Size() == int64(len(content)) {
				t.Errorf("damaged (%s): the file is as before (error %v)", name, err)
			}
		}
	})
	t.Run("cannot be written", func(t *testing.T) {
		dir := t.TempDir() + "/code"
		var log bytes.Buffer
		r := newRuntime(t, Options{CacheDir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
		tiny := tinyModule{}.bytes()
		if err := os.WriteFile(r.cache.entry(tiny).dir, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := r.Load(t.Context(), guest.Code{Module: tiny})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close(context.Background())
		call(t, newInstance(t, m, echo), 1, "")
		if !strings.Contains(log.String(), "cannot be kept in the cache") {
			t.Errorf("got the log %q, want that it says so", log.String())
		}
	})
	t.Run("open to others", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS == "windows" {
			t.Skip("no modes on windows")
		}
		if _, err := New(Options{CacheDir: dir}); err == nil || !strings.Contains(err.Error(), "must be the server's alone") {
			t.Errorf("got %v, want it refused", err)
		}
	})
	t.Run("old code", func(t *testing.T) {
		dir := t.TempDir() + "/code"
		newRuntime(t, Options{CacheDir: dir})
		for _, name := range []string{"wazero-v1.0.0/entry", "wazero-" + wazeroVersion + "/old", "wazero-" + wazeroVersion + "/new", "other"} {
			if err := os.MkdirAll(dir+"/"+name, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		long := time.Now().Add(-keepCode - time.Hour)
		if err := os.Chtimes(dir+"/wazero-"+wazeroVersion+"/old", long, long); err != nil {
			t.Fatal(err)
		}
		newRuntime(t, Options{CacheDir: dir})
		for name, want := range map[string]bool{
			"wazero-v1.0.0": false, "wazero-" + wazeroVersion + "/old": false, "wazero-" + wazeroVersion + "/new": true, "other": true,
		} {
			if _, err := os.Stat(dir + "/" + name); (err == nil) != want {
				t.Errorf("%s: got %v, want it there: %t", name, err, want)
			}
		}
	})
}

// The folder of the cache has the version of wazero in its name.
func TestVersionOfWazero(t *testing.T) {
	b, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if want := "github.com/tetratelabs/wazero " + wazeroVersion; !strings.Contains(string(b), want) {
		t.Errorf("go.mod does not have %q: change wazeroVersion", want)
	}
}
