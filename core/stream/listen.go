package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/takhost/takhost/core/proxy"
)

// ListenConfig describes a listener.
type ListenConfig struct {
	Name string // as in listen.<name>; connections and log lines carry it
	Addr string // port 0 takes a free one, which Addr of the Listener tells

	// TLS makes clients speak it, and decides whether they need a certificate.
	TLS *tls.Config

	// Login makes clients without a certificate begin with an <auth> message
	// (spec/tak-streaming.md 8). On other listeners that message is skipped.
	Login bool

	// Proxy, if not nil, are the only ones who may connect, each with a header
	// of the PROXY protocol in front, before TLS.
	Proxy *proxy.Trusted
}

// Listener is one open listener.
type Listener struct {
	net.Listener
	ListenConfig
}

// Addr gives the address with its real port.
func (l *Listener) Addr() net.Addr { return l.Listener.Addr() }

var errStops = errors.New("the server stops")

// Listen opens a listener. One of that name which is open already is closed as
// soon as the new one is open, so that a listener moves without a moment in
// which there is none; when the new one cannot be opened the old one stays.
func (s *Server) Listen(ctx context.Context, conf ListenConfig) (*Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", conf.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen.%s: %w", conf.Name, err)
	}
	l := &Listener{Listener: ln, ListenConfig: conf}
	s.mu.Lock()
	if s.closing.Load() {
		s.mu.Unlock()
		ln.Close()
		return nil, fmt.Errorf("listen.%s: %w", conf.Name, errStops)
	}
	old := s.listenersNamed(conf.Name)
	s.listeners = append(s.listeners, l)
	s.conns.Go(func() { s.accept(l) })
	s.mu.Unlock()
	for _, o := range old {
		o.Close()
	}
	return l, nil
}

// Unlisten closes the listener of that name and says whether there was one.
// Connections that came by it stay.
func (s *Server) Unlisten(name string) bool {
	s.mu.Lock()
	old := s.listenersNamed(name)
	s.mu.Unlock()
	for _, l := range old {
		l.Close()
	}
	return len(old) > 0
}

// listenersNamed takes the listeners of that name out of the list. s.mu is held.
func (s *Server) listenersNamed(name string) (out []*Listener) {
	s.listeners = slices.DeleteFunc(s.listeners, func(l *Listener) bool {
		if l.Name == name {
			out = append(out, l)
		}
		return l.Name == name
	})
	return out
}

// Cut closes all connections that came by the listener of that name, also those
// whose client has not said who it is yet, and tells how many they were. why is
// the reason in the log.
func (s *Server) Cut(name, why string) int {
	var list []*conn
	var early []net.Conn
	s.mu.Lock()
	for _, c := range s.open {
		if c.on == name {
			list = append(list, c)
		}
	}
	for c, nc := range s.early {
		if c.on == name {
			early = append(early, nc)
		}
	}
	s.mu.Unlock()
	for _, nc := range early {
		nc.Close()
	}
	for _, c := range list {
		c.Close(why)
	}
	return len(early) + len(list)
}

// accept takes connections until the listener is closed.
func (s *Server) accept(l *Listener) {
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			s.take(nc, l, Peer{Addr: nc.RemoteAddr().String(), Listener: l.Name}, false)
		case s.closing.Load() || errors.Is(err, net.ErrClosed):
			return
		default:
			// Out of file descriptors, most likely: those connected go on.
			s.opt.Log.Error("cannot accept a connection", slog.String("listener", l.Name), slog.Any("err", err))
			s.pause(100 * time.Millisecond)
		}
	}
}
