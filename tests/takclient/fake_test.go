package takclient

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// relay is a tiny server: it sends what one connection writes to all others,
// and answers pings.
type relay struct {
	t  *testing.T
	ln net.Listener
	wg sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func newRelay(t *testing.T) *relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{t: t, ln: ln, conns: make(map[net.Conn]bool)}
	r.wg.Go(r.accept)
	t.Cleanup(func() {
		ln.Close()
		r.mu.Lock()
		for c := range r.conns {
			c.Close()
		}
		r.mu.Unlock()
		r.wg.Wait()
	})
	return r
}

func (r *relay) addr() string { return r.ln.Addr().String() }

func (r *relay) accept() {
	for {
		conn, err := r.ln.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		r.conns[conn] = true
		r.mu.Unlock()
		r.wg.Go(func() { r.serve(conn) })
	}
}

func (r *relay) serve(from net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		r.mu.Lock()
		if err != nil {
			delete(r.conns, from)
			from.Close()
			r.mu.Unlock()
			return
		}
		if strings.Contains(string(buf[:n]), `type="t-x-c-t"`) {
			_, err = io.WriteString(from, pong())
		} else {
			for c := range r.conns {
				if c != from {
					if _, err = c.Write(buf[:n]); err != nil {
						break
					}
				}
			}
		}
		r.mu.Unlock()
		if err != nil {
			r.t.Errorf("relay: %v", err)
		}
	}
}

// joined dials and waits until the relay knows the client.
func (r *relay) joined(t *testing.T, opts ...Option) *Client {
	t.Helper()
	c := Dial(t, r.addr(), opts...)
	c.Sync(t)
	return c
}

func pong() string {
	return Event{UID: "takPong", Type: typePong, How: "h-g-i-g-o"}.XML()
}

func simple(uid string) string { return Event{UID: uid, Type: "a-f-G", How: "m-g"}.XML() }

// script runs a server's side of a connection in its own goroutine; an error
// it returns fails the test.
func script(t *testing.T, serve func(conn net.Conn) error) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	runScript(t, server, serve)
	return client
}

func runScript(t *testing.T, server net.Conn, serve func(net.Conn) error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- serve(server) }()
	t.Cleanup(func() {
		server.Close()
		// A script may be cut off by the end of its test.
		if err := <-done; err != nil && !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, net.ErrClosed) {
			t.Errorf("server script: %v", err)
		}
	})
}

// tcpPair gives both ends of a loopback connection.
func tcpPair(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	a, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

// fakeTB notes how a test would have failed.
type fakeTB struct {
	testing.TB
	failed   string
	cleanups []func()
}

func (f *fakeTB) Helper() {}

func (f *fakeTB) Errorf(format string, args ...any) { f.failed += fmt.Sprintf(format, args...) + "\n" }

func (f *fakeTB) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}

func (f *fakeTB) Fatal(args ...any) { f.Fatalf("%s", fmt.Sprint(args...)) }

func (f *fakeTB) Cleanup(fn func()) { f.cleanups = append(f.cleanups, fn) }

// failure runs a piece of a test that should fail, with its cleanups, and
// gives the text.
func failure(t *testing.T, run func(t testing.TB)) string {
	t.Helper()
	f := &fakeTB{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(f)
	}()
	<-done
	for _, fn := range f.cleanups {
		fn()
	}
	return f.failed
}

// wantTexts checks that a failure says all of these.
func wantTexts(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("failure text lacks %q:\n%s", w, got)
		}
	}
}
