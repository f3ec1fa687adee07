package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits are those of each listener of the network. SetLimits puts others in
// their place while the server runs; a value is never changed once it is in
// force.
type Limits struct {
	Handshake   time.Duration // for a TLS handshake or the header of a request; 0 is 10 s
	Connections int           // all together; 0: any number
	PerAddress  int           // from one address; 0: any number
}

const defaultHandshake = 10 * time.Second

func (l Limits) orDefault() *Limits {
	if l.Handshake <= 0 {
		l.Handshake = defaultHandshake
	}
	return &l
}

// SetLimits puts limits in force. Connections that are there stay, also if they
// are too many now, and have the time for a header with which they came.
func (s *Server) SetLimits(l Limits) {
	next := l.orDefault()
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.limits.Swap(next)
	if next.Handshake == before.Handshake || s.closing {
		return
	}
	for _, l := range s.open {
		if l.gate != nil {
			over := l.turn
			s.run(l, nil)
			over.end()
		}
	}
}

// run serves what comes by a listener, from now on with the limits in force:
// net/http has its own for good, so others mean another http.Server. Those before
// keep the connections that they have. ln is nil for a listener with a gate. s.mu
// is held.
func (s *Server) run(l *listener, ln net.Listener) {
	if l.gate != nil {
		l.turn = &turn{gate: l.gate, over: make(chan struct{})}
		ln = l.turn
	}
	server, mine := s.newHTTP(l), l.turn
	l.http = append(l.http, server)
	s.serving.Go(func() {
		err := server.Serve(ln)
		if mine != nil && isClosed(mine.over) {
			return
		}
		if !errors.Is(err, http.ErrServerClosed) && !isClosed(l.ending) {
			l.log.Error("HTTP listener failed", slog.Any("err", err))
		}
		if l.gate != nil {
			l.gate.wait()
		}
	})
}

// turn is the time in which one http.Server takes the connections of a gate.
type turn struct {
	gate *gate
	over chan struct{} // closed when another one takes them
	once sync.Once
}

var _ net.Listener = (*turn)(nil)

func (t *turn) end() { t.once.Do(func() { close(t.over) }) }

// Accept implements net.Listener.
func (t *turn) Accept() (net.Conn, error) {
	select {
	case nc := <-t.gate.ready:
		return nc, nil
	case <-t.over:
	case <-t.gate.ctx.Done():
	}
	return nil, net.ErrClosed
}

// Addr implements net.Listener.
func (t *turn) Addr() net.Addr { return t.gate.ln.Addr() }

// Close implements net.Listener. The end of a turn that is over is not the gate's.
func (t *turn) Close() error {
	if isClosed(t.over) {
		return nil
	}
	return t.gate.Close()
}

// shutdown lets the requests under way end, and closes connections without one.
// It is for a listener that is not open any more.
func (l *listener) shutdown(ctx context.Context) error {
	var errs []error
	for _, server := range l.http {
		if err := server.Shutdown(ctx); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// cut closes all connections. It is for a listener that is not open any more.
func (l *listener) cut() error {
	var errs []error
	for _, server := range l.http {
		errs = append(errs, server.Close())
	}
	return errors.Join(errs...)
}
