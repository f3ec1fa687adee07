package pytak

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/takhost/takhost/tests/takclient"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// relay sends what one connection writes to all others.
type relay struct {
	ln     net.Listener
	wg     sync.WaitGroup
	joined chan struct{} // an item for each connection that takes part

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func newRelay(t *testing.T) *relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{ln: ln, joined: make(chan struct{}, 10), conns: make(map[net.Conn]bool)}
	r.wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.conns[conn] = true
			r.mu.Unlock()
			r.joined <- struct{}{}
			r.wg.Go(func() { r.serve(conn) })
		}
	})
	t.Cleanup(r.stop)
	return r
}

func (r *relay) addr() string { return r.ln.Addr().String() }

// stop also cuts all connections.
func (r *relay) stop() {
	r.ln.Close()
	r.mu.Lock()
	for conn := range r.conns {
		conn.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}

func (r *relay) serve(from net.Conn) {
	defer from.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		r.mu.Lock()
		if err != nil {
			delete(r.conns, from)
			r.mu.Unlock()
			return
		}
		for conn := range r.conns {
			if conn != from {
				// A client that left is seen by its own reader.
				_, _ = conn.Write(buf[:n])
			}
		}
		r.mu.Unlock()
	}
}

func TestTwoClientsSeeEachOther(t *testing.T) {
	r := newRelay(t)
	a := Start(t, r.addr(), "PYTAK-A", "Ä <one>")
	<-r.joined
	b := Start(t, r.addr(), "PYTAK-B", "TWO")
	<-r.joined

	takclient.Must(t, a.SA(52.5, 13.4))
	sa := b.Expect(t, takclient.UID("PYTAK-A").Both(takclient.Type("a-f-G-U-C")))
	if h := sa.Header; !h.IsSA() || h.Callsign != "Ä <one>" || h.Lat != 52.5 || h.Lon != 13.4 {
		t.Errorf("got header %+v, want the position of A", h)
	}
	takclient.Must(t, b.SA(-1, -2))
	a.Expect(t, takclient.Callsign("TWO"))

	own := takclient.Event{UID: "own", Type: "b-m-p-s-m", How: "h-e", Detail: "<remarks>über <![CDATA[& so]]></remarks>"}.XML()
	takclient.Must(t, b.Send(own))
	a.Expect(t, takclient.Exactly(own))
	b.Never(t, takclient.Exactly(own), a)
	a.Never(t, takclient.Callsign("TWO"), b)
}

// What was ordered before Close is sent.
func TestCloseSendsTheRest(t *testing.T) {
	r := newRelay(t)
	watch := takclient.Dial(t, r.addr())
	<-r.joined
	a := Start(t, r.addr(), "PYTAK-A", "A")
	watch.ExpectType(t, "t-x-d-d") // PyTAK's hello
	const events = 300
	for range events {
		takclient.Must(t, a.Send(takclient.Event{UID: "e", Type: "a-f-G", How: "m-g"}.XML()))
	}
	takclient.Must(t, a.Close())
	takclient.Must(t, a.Close())
	for range events {
		watch.ExpectUID(t, "e")
	}
	if err := a.WaitClosed(t); err == nil || err.Error() != "ordered" {
		t.Errorf("got reason %v, want ordered", err)
	}
	if err := a.SA(1, 2); err == nil {
		t.Error("got no error for an order after Close, want one")
	}
}

func TestServerGoesAway(t *testing.T) {
	r := newRelay(t)
	a := Start(t, r.addr(), "PYTAK-A", "A")
	r.stop()
	if err := a.WaitClosed(t); err == nil || !strings.Contains(err.Error(), "Connection") {
		t.Errorf("got reason %v, want the end of the connection", err)
	}
	takclient.Must(t, a.Close())
}

// A server that reads nothing does not keep the client from ending.
func TestStalledServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	a := Start(t, ln.Addr().String(), "PYTAK-A", "A")
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	remarks := "<remarks>" + strings.Repeat("x", 50_000) + "</remarks>"
	for range 300 {
		takclient.Must(t, a.Send(takclient.Event{UID: "e", Type: "u-d-f", How: "m-g", Detail: remarks}.XML()))
	}
	takclient.Must(t, a.Close())
}

// PyTAK cannot read large events; the driver says so instead of falling silent.
func TestLargeEvent(t *testing.T) {
	r := newRelay(t)
	a := Start(t, r.addr(), "PYTAK-A", "A")
	<-r.joined
	c := takclient.Dial(t, r.addr())
	<-r.joined
	large := func(size int) string {
		return takclient.Event{UID: "e", Type: "u-d-f", How: "m-g", Detail: "<remarks>" + strings.Repeat("x", size) + "</remarks>"}.XML()
	}
	takclient.Must(t, c.Send(large(60_000)))
	a.ExpectUID(t, "e")
	takclient.Must(t, c.Send(large(70_000)))
	if err := a.WaitClosed(t); err == nil || !strings.Contains(err.Error(), "LimitOverrunError") {
		t.Errorf("got reason %v, want LimitOverrunError", err)
	}
}

func TestStartFails(t *testing.T) {
	python, err := findPython()
	if err != nil {
		leaveOut(t, err)
	}
	r := newRelay(t)
	addr := r.addr()
	r.stop() // nobody listens there now
	_, err = start(python, t.TempDir(), addr, "U", "C")
	if errors.Is(err, errMissing) {
		leaveOut(t, err)
	}
	if err == nil || !strings.Contains(err.Error(), "Connect") {
		t.Errorf("got %v, want a refused connection", err)
	}
}

func TestPyTAKMissing(t *testing.T) {
	fake := filepath.Join(t.TempDir(), "python")
	if err := os.WriteFile(fake, []byte("#!/bin/sh\necho '{\"missing\": \"ImportError: pytak\"}'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := start(fake, t.TempDir(), "127.0.0.1:1", "U", "C"); !errors.Is(err, errMissing) {
		t.Errorf("got %v, want %v", err, errMissing)
	}
	t.Setenv("TAKHOST_PYTHON", filepath.Join(t.TempDir(), "none"))
	if _, err := findPython(); err == nil {
		t.Error("got no error for a missing interpreter, want one")
	}
}

func TestBrokenChild(t *testing.T) {
	for _, tc := range []struct{ name, script, want string }{
		{"no report", "echo hello", "no report"},
		{"silent end", "exit 3", "without saying why"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fake := filepath.Join(t.TempDir(), "python")
			if err := os.WriteFile(fake, []byte("#!/bin/sh\n"+tc.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			if _, err := start(fake, t.TempDir(), "127.0.0.1:1", "U", "C"); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestLoopbackOnly(t *testing.T) {
	for _, tc := range []struct {
		addr string
		ok   bool
	}{
		{"127.0.0.1:8087", true},
		{"[::1]:8087", true},
		{"192.0.2.1:8087", false},
		{"example.org:8087", false},
		{"0.0.0.0:8087", false},
		{"127.0.0.1", false},
	} {
		t.Run(tc.addr, func(t *testing.T) {
			if err := loopback(tc.addr); (err == nil) != tc.ok {
				t.Errorf("got %v, want allowed %v", err, tc.ok)
			}
		})
	}
}
