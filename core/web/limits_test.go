package web

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// dialTo connects to addr until the test ends.
func dialTo(t *testing.T, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

func answered(t *testing.T, step string, nc net.Conn) {
	t.Helper()
	if status, err := roundTrip(nc); err != nil || status != "200 OK" {
		t.Errorf("%s: got %s, %v", step, status, err)
	}
}

// Connections that are there stay, whatever the limit; those that come are
// counted by the new one.
func TestLimitOfConnectionsChanges(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(n int) Limits
		log  string
	}{
		{"of the listener", func(n int) Limits { return Limits{Connections: n} }, "limits.connections is reached"},
		{"of the address", func(n int) Limits { return Limits{PerAddress: n} }, "limits.connections_per_address is reached"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSiteWith(t, &fakeCore{}, Options{Limits: tt.set(2)})
			addr := s.listenREST(t, nil)
			first, second := dialTo(t, addr), dialTo(t, addr)
			answered(t, "first", first)
			answered(t, "second", second)
			s.SetLimits(tt.set(1))
			if status, err := roundTrip(dialTo(t, addr)); err == nil {
				t.Errorf("one too many got %s", status)
			}
			s.log.await(t, tt.log)
			answered(t, "first again", first)
			answered(t, "second again", second)
			s.SetLimits(tt.set(3))
			answered(t, "third", dialTo(t, addr))
		})
	}
}

// The time for a header changes for those who come; a request under way and a
// connection that is there go on, and a stop waits for them.
func TestLimitOfHandshakeChanges(t *testing.T) {
	s := newSlow(t)
	answer := s.begin(t)
	at := s.Addr(restListener)
	addr := at.String()
	there := dialTo(t, addr)
	answered(t, "before", there)
	for range 3 {
		s.SetLimits(Limits{Handshake: 100 * time.Millisecond})
		s.SetLimits(Limits{Handshake: time.Hour})
	}
	s.SetLimits(Limits{Handshake: 100 * time.Millisecond})
	answered(t, "a connection that was there", there)
	answered(t, "a new one", dialTo(t, addr))

	late := dialTo(t, addr)
	if _, err := io.WriteString(late, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Y: "); err != nil {
		t.Fatal(err)
	}
	if err := late.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.ReadResponse(bufio.NewReader(late), nil); err == nil {
		resp.Body.Close()
		t.Errorf("a header that does not end got %s", resp.Status)
	}
	s.log.await(t, "connection closed without a whole HTTP header")

	ended := make(chan error, 1)
	go func() { ended <- s.Unlisten(t.Context(), restListener) }()
	for s.Addr(restListener) != nil {
		time.Sleep(time.Millisecond)
	}
	close(s.answer)
	if got := <-answer; !strings.Contains(got, `"v9"`) {
		t.Errorf("the request under way got %q", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("close the listener: %v", err)
	}
	refusesConnections(t, at)
}
