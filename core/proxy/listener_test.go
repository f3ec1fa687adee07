package proxy

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func listen(t *testing.T, tr *Trusted, wait time.Duration, refused func(net.Addr, error)) net.Listener {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Listener(inner, tr, wait, refused)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func dial(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestListener(t *testing.T) {
	refused := make(chan error, 10)
	l := listen(t, trust(t, "127.0.0.1"), 10*time.Second, func(_ net.Addr, err error) { refused <- err })

	// One that is silent holds up nobody.
	dial(t, l)
	bad := dial(t, l)
	if _, err := io.WriteString(bad, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := <-refused; !errors.Is(err, ErrNoHeader) {
		t.Errorf("refused with %v, want ErrNoHeader", err)
	}
	if _, err := bad.Read(make([]byte, 1)); err == nil {
		t.Error("the refused connection is open")
	}

	good := dial(t, l)
	if _, err := io.WriteString(good, "PROXY TCP4 198.51.100.7 192.0.2.9 50000 8089\r\nhello"); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := c.RemoteAddr().String(); got != "198.51.100.7:50000" {
		t.Errorf("got address %s", got)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
		t.Errorf("got %q, %v", b, err)
	}
	if _, ok := c.(*Conn).NetConn().(*net.TCPConn); !ok {
		t.Errorf("beneath is a %T", c.(*Conn).NetConn())
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: got error %v, want net.ErrClosed", err)
	}
}

func TestListenerRefusesOthers(t *testing.T) {
	refused := make(chan error, 1)
	l := listen(t, trust(t, "192.0.2.1"), time.Second, func(_ net.Addr, err error) { refused <- err })
	c := dial(t, l)
	if _, err := io.WriteString(c, "PROXY TCP4 198.51.100.7 192.0.2.9 50000 8089\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := <-refused; !errors.Is(err, ErrUntrusted) {
		t.Errorf("got %v, want ErrUntrusted", err)
	}
}

func TestListenerWait(t *testing.T) {
	refused := make(chan error, 1)
	l := listen(t, trust(t, "127.0.0.1"), 20*time.Millisecond, func(_ net.Addr, err error) { refused <- err })
	dial(t, l)
	if err := <-refused; err == nil || !strings.Contains(err.Error(), "did not come in time") {
		t.Errorf("got %v", err)
	}
}

// A close with connections at every stage leaves neither goroutine nor socket.
func TestListenerClose(t *testing.T) {
	l := listen(t, trust(t, "127.0.0.1"), time.Minute, nil)
	silent, ready := dial(t, l), dial(t, l)
	if _, err := io.WriteString(ready, "PROXY UNKNOWN\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	for _, c := range []net.Conn{silent, ready} {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a connection that nobody accepted is open")
		}
	}
}

func TestListenerServesHTTP(t *testing.T) {
	l := listen(t, trust(t, "127.0.0.1"), time.Minute, nil)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		addr, _, _ := ClientOf(r, trust(t, "127.0.0.1"))
		_, _ = io.WriteString(w, addr)
	})}
	var done sync.WaitGroup
	done.Go(func() { _ = srv.Serve(l) })
	defer func() { _ = srv.Close(); done.Wait() }()
	c := dial(t, l)
	// The client's own header is not believed: by the PROXY protocol the client is the peer.
	if _, err := io.WriteString(c, v2(0x21, 0x11, tcp4...)+"GET / HTTP/1.0\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil || !strings.HasSuffix(string(b), "\r\n\r\n198.51.100.7") {
		t.Errorf("got %q, %v", b, err)
	}
}
