package web

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// headerWatch tells in the log about connections that were closed because the
// header of a request did not come to its end or was none. net/http closes them in
// silence.
type headerWatch struct {
	log *slog.Logger

	mu    sync.Mutex
	conns map[net.Conn]*watchedConn
}

type watchedConn struct {
	opened time.Time
	begun  int64        // requests of which bytes came; under headerWatch.mu
	served atomic.Int64 // requests of which the header came whole
}

type watchedKey struct{}

func newHeaderWatch(log *slog.Logger) *headerWatch {
	return &headerWatch{log: log, conns: map[net.Conn]*watchedConn{}}
}

// context is for http.Server.ConnContext.
func (h *headerWatch) context(ctx context.Context, c net.Conn) context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := &watchedConn{opened: time.Now()}
	h.conns[c] = w
	return context.WithValue(ctx, watchedKey{}, w)
}

// handler notes that a request's header came whole.
func (h *headerWatch) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(watchedKey{}).(*watchedConn); ok {
			c.served.Add(1)
		}
		next.ServeHTTP(w, r)
	})
}

// state is for http.Server.ConnState. A connection becomes active when the
// server is done with reading a header, be it whole or not.
func (h *headerWatch) state(c net.Conn, st http.ConnState) {
	h.mu.Lock()
	w := h.conns[c]
	switch {
	case w == nil:
		h.mu.Unlock()
		return
	case st == http.StateActive:
		w.begun++
	case st == http.StateClosed || st == http.StateHijacked:
		delete(h.conns, c)
	}
	begun := w.begun
	h.mu.Unlock()
	if st != http.StateClosed {
		return
	}
	log := h.log.With(slog.String("addr", c.RemoteAddr().String()), slog.Duration("after", time.Since(w.opened).Round(time.Millisecond)))
	if begun > w.served.Load() {
		log.Warn("connection closed without a whole HTTP header: it did not end in time, is malformed or too large")
	}
}
