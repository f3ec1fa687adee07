package process

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
)

func run(m *testing.M) int {
	code := m.Run()
	// go-plugin writes to a closed broker for a moment after its end, and the net
	// package's poller is waited for by nobody.
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// self is the test program, and its digest.
var self = sync.OnceValues(func() (string, string) {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return path, digest(path)
})

func digest(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// code is the test program as a plugin.
func code(t testing.TB, way string) guest.Code {
	path, sum := self()
	return guest.Code{
		Name: "sample", Program: path, Digest: sum, Args: []string{Subcommand, way},
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

func newRuntime(t testing.TB) *Runtime {
	t.Helper()
	rt, err := New(Options{Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rt.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(rt.dir); !os.IsNotExist(err) {
			t.Errorf("folder of the runtime: got %v, want none", err)
		}
	})
	return rt
}

// start starts an instance that ends with the test.
func start(t testing.TB, c guest.Code, h guest.Host) *instance {
	t.Helper()
	rt := newRuntime(t)
	m, err := rt.Load(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	i, err := m.New(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if left, _ := filepath.Glob(rt.dir + "/*"); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	return i.(*instance)
}

// ask makes a call that must succeed.
func ask(t testing.TB, i guest.Instance, what string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, s, err := i.Call(ctx, hostapi.OpHTTP, []byte(what), nil)
	if err != nil || s != hostapi.OK {
		t.Fatalf("%s: got %q, %s, %v", what, out, s, err)
	}
	return string(out)
}

// hostFunc answers operations of the host.
type hostFunc func(ctx context.Context, op hostapi.HostOp, in []byte) (string, hostapi.Status)

func (f hostFunc) Serve(ctx context.Context, op hostapi.HostOp, in, dst []byte) ([]byte, hostapi.Status) {
	out, s := f(ctx, op, in)
	return append(dst, out...), s
}

// echo answers with what it was asked.
var echo = hostFunc(func(_ context.Context, _ hostapi.HostOp, in []byte) (string, hostapi.Status) {
	return string(in), hostapi.OK
})

// logged collects a log.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
	line chan struct{} // has something when there is more
}

func newLogged() *logged { return &logged{line: make(chan struct{}, 1)} }

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.line <- struct{}{}:
	default:
	}
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await waits until the log has a text.
func (l *logged) await(t *testing.T, text string) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for !strings.Contains(l.String(), text) {
		select {
		case <-l.line:
		case <-limit:
			t.Fatalf("log has no %q:\n%s", text, l)
		}
	}
}
