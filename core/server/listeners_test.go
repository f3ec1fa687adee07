package server

import (
	"net"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/store"
)

// reaches says whether somebody listens there.
func reaches(addr string) bool {
	nc, err := net.Dial("tcp", addr)
	if err == nil {
		nc.Close()
	}
	return err == nil
}

func TestListenersMove(t *testing.T) {
	srv := startServer(t, "tcp", "rest")
	l, ctx := srv.listeners, t.Context()
	for _, name := range []string{"tcp", "rest"} {
		t.Run(name, func(t *testing.T) {
			was := srv.Addr(name).String()
			if err := l.Move(ctx, name, "127.0.0.2:0"); err != nil {
				t.Fatal(err)
			}
			now := srv.Addr(name).String()
			if !strings.HasPrefix(now, "127.0.0.2:") || !reaches(now) || reaches(was) {
				t.Errorf("moved from %s to %s", was, now)
			}
			// The port that it has itself, on another address.
			_, port, err := net.SplitHostPort(now)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Move(ctx, name, "127.0.0.1:"+port); err != nil {
				t.Fatal(err)
			}
			now = srv.Addr(name).String()
			if now != "127.0.0.1:"+port || !reaches(now) {
				t.Errorf("moved to %s, want port %s of 127.0.0.1", now, port)
			}
			other, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			err = l.Move(ctx, name, other.Addr().String())
			if store.CodeOf(err) != store.Conflict || !strings.Contains(err.Error(), "another program uses") {
				t.Errorf("to a port that is taken: got %v", err)
			}
			if got := srv.Addr(name); got == nil || got.String() != now || !reaches(now) {
				t.Errorf("after a move that failed it is at %v, want %s", got, now)
			}
			if err := l.Move(ctx, name, "nowhere"); store.CodeOf(err) != store.Invalid {
				t.Errorf("got %v, want invalid", err)
			}
			if err := l.Stop(ctx, name); err != nil {
				t.Fatal(err)
			}
			if reaches(now) || srv.Addr(name) != nil {
				t.Error("a listener that was stopped is open")
			}
			if err := l.Start(ctx, name); err != nil {
				t.Fatal(err)
			}
			if got := srv.Addr(name).String(); got != now || !reaches(now) {
				t.Errorf("started at %s, want %s", got, now)
			}
		})
	}
	if err := l.Stop(ctx, "ftp"); store.CodeOf(err) != store.NotFound {
		t.Errorf("got %v, want not_found", err)
	}
	if err := l.Start(ctx, "tls"); store.CodeOf(err) != store.Invalid {
		t.Errorf("a listener without an address: got %v, want invalid", err)
	}
	if err := l.Move(ctx, "rest", "0.0.0.0:0"); store.CodeOf(err) != store.Invalid || !strings.Contains(err.Error(), "HTTPS") {
		t.Errorf("rest on all addresses: got %v", err)
	}
}
