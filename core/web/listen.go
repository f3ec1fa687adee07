package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"syscall"
	"time"

	"github.com/takhost/takhost/core/proxy"
)

// ListenOptions say how a listener takes connections.
type ListenOptions struct {
	TLS   *tls.Config    // nil: plain HTTP
	Proxy *proxy.Trusted // whose PROXY protocol is wanted; nil: clients come themselves
}

// listener is one open listener with its HTTP server.
type listener struct {
	name   string
	opt    ListenOptions
	addr   net.Addr
	log    *slog.Logger
	watch  *headerWatch
	gate   *gate         // nil for the admin socket
	remove func()        // what is left in the file system; may be nil
	ending chan struct{} // closed when those who watch are to end

	http []*http.Server // the last one takes what is new. Server.mu guards it while the listener is open
	turn *turn          // of the last one, with a gate
}

// networkListeners are all but the admin socket.
var networkListeners = []string{httpListener, httpsListener, webListener, restListener}

// errOpen says that a listener is there already.
var errOpen = errors.New("it is open already")

// Listen opens a listener: http, https, web or rest. Port 0 takes a free one,
// which the result has.
func (s *Server) Listen(ctx context.Context, name, addr string, opt ListenOptions) (net.Addr, error) {
	if !slices.Contains(networkListeners, name) {
		return nil, fmt.Errorf("listen.%s: there is no such HTTP listener", name)
	}
	if s.Addr(name) != nil {
		return nil, fmt.Errorf("listen.%s: %w", name, errOpen)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen.%s: %w", name, err)
	}
	return s.serveTCP(name, ln, opt)
}

func (s *Server) serveTCP(name string, ln net.Listener, opt ListenOptions) (net.Addr, error) {
	l := &listener{name: name, opt: opt, addr: ln.Addr()}
	l.gate = s.newGate(ln, name, opt)
	if err := s.serve(l, ln); err != nil {
		return nil, fmt.Errorf("listen.%s: %w", name, err)
	}
	return l.addr, nil
}

// Addr gives the address of a listener, nil when it is not open.
func (s *Server) Addr(name string) net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.open[name]; l != nil {
		return l.addr
	}
	return nil
}

// drainWait is how long requests may go on whose listener is closed.
const drainWait = 30 * time.Second

// Unlisten closes a listener. New connections are refused at once; requests under
// way are answered, and those who watch are sent away. It waits for that until
// ctx ends, when what is left is cut, and at most 30 s; a request that came by
// the listener itself is not waited for. Streams of CoT go on: they are the
// core's. A listener that is not open is no error.
func (s *Server) Unlisten(ctx context.Context, name string) error {
	s.mu.Lock()
	l := s.open[name]
	if l == nil {
		s.mu.Unlock()
		return nil
	}
	delete(s.open, name)
	drained := s.drain(l)
	s.mu.Unlock()
	if ListenerOf(ctx) == name {
		return nil
	}
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		_ = l.cut() // what it closed is closed
		<-drained
		return fmt.Errorf("listen.%s: requests under way were cut: %w", name, ctx.Err())
	}
}

// drain lets what came by a listener end; the channel is closed when it has. The
// socket is closed when it returns. s.mu is held.
func (s *Server) drain(l *listener) <-chan struct{} {
	s.draining[l] = struct{}{}
	close(l.ending)
	if l.gate != nil {
		l.gate.Close() // an error means that it is closed
	}
	drained := make(chan struct{})
	s.serving.Go(func() {
		defer close(drained)
		ctx, cancel := context.WithTimeout(context.Background(), drainWait)
		defer cancel()
		if err := l.shutdown(ctx); err != nil {
			l.log.Warn("requests to a closed listener were cut", slog.Any("err", err))
			_ = l.cut() // what it closed is closed
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.draining, l)
	})
	return drained
}

// Move opens a listener at another address, or with other options, and closes the
// old one as Unlisten does, but without waiting. If the new address cannot be had,
// the old listener stays.
func (s *Server) Move(ctx context.Context, name, addr string, opt ListenOptions) (net.Addr, error) {
	s.mu.Lock()
	old := s.open[name]
	s.mu.Unlock()
	if old == nil {
		return s.Listen(ctx, name, addr, opt)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) && samePort(addr, old.addr) {
		// It may be the old one that is in the way: 0.0.0.0 takes the port on all addresses.
		return s.replace(ctx, old, addr, opt)
	}
	if err != nil {
		return nil, fmt.Errorf("listen.%s: %w", name, err)
	}
	s.retire(old)
	return s.serveTCP(name, ln, opt)
}

func samePort(addr string, at net.Addr) bool {
	_, want, err := net.SplitHostPort(addr)
	_, have, err2 := net.SplitHostPort(at.String())
	return err == nil && err2 == nil && want == have
}

func (s *Server) retire(l *listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[l.name] == l {
		delete(s.open, l.name)
		s.drain(l)
	}
}

// replace closes the old listener before it opens the new one, and opens the old
// one again if that fails.
func (s *Server) replace(ctx context.Context, old *listener, addr string, opt ListenOptions) (net.Addr, error) {
	s.retire(old)
	bound, err := s.Listen(ctx, old.name, addr, opt)
	if err == nil {
		return bound, nil
	}
	if _, back := s.Listen(ctx, old.name, old.addr.String(), old.opt); back != nil {
		return nil, fmt.Errorf("%w; and it cannot go back to %s: %w", err, old.addr, back)
	}
	return nil, err
}
