package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/openapi"
)

const (
	idleTimeout    = 2 * time.Minute
	writeTimeout   = time.Minute // of an answer; streams set their own
	maxHeaderBytes = 64 << 10
)

// Options say what a Server works with. Those that may be left out say so.
type Options struct {
	Core      Core
	Live      *Live
	Gatherer  prometheus.Gatherer // for /metrics
	Log       *slog.Logger
	Version   string
	Handshake time.Duration // for a TLS handshake or the header of a request; 0 is 10 s

	// Auth says who sends a request to listen.rest. Nil: nobody gets beyond what
	// is open to all.
	Auth Authenticator

	// Plugins and Updates are the plugins' side. Nil: there are none.
	Plugins Plugins
	Updates *Updates

	// Reload reads the configuration again and applies what can be applied at
	// runtime; an error changes nothing. Nil: it is not possible.
	Reload func(ctx context.Context) error

	// AllGroups gives the set of all groups, which administrators are in. Nil:
	// that of __ANON__.
	AllGroups func() hostapi.SetID
}

// Server holds the HTTP listeners.
type Server struct {
	opt        Options
	failures   *failures
	pages      map[string]http.Handler
	generation atomic.Pointer[openapi.Generation]

	mu       sync.Mutex // guards what is below
	closing  bool
	open     []*listener
	restAddr net.Addr

	serving  sync.WaitGroup // goroutines of listeners
	requests inflight
}

// listener is one open listener with its HTTP server.
type listener struct {
	http   *http.Server
	remove func() // what is left in the file system; may be nil
}

// New gives a server without listeners.
func New(opt Options) *Server {
	if opt.Handshake <= 0 {
		opt.Handshake = 10 * time.Second
	}
	s := &Server{opt: opt, failures: newFailures(), pages: pagesOf(opt)}
	commit, err := s.Generation(nil)
	if err != nil {
		panic(err) // the core alone: its own operations clash
	}
	commit()
	return s
}

// ListenAdmin serves the operations on a unix socket at path, which only the
// owner of the process may open. The caller holds the lock of the folder: a
// socket that is there already belongs to a server that is dead.
func (s *Server) ListenAdmin(path string) error {
	ln, remove, err := listenUnix(path)
	if err != nil {
		return fmt.Errorf("open admin socket: %w", err)
	}
	return s.serve(adminListener, ln, remove)
}

// ListenREST opens listen.rest; with a TLS configuration it serves HTTPS.
func (s *Server) ListenREST(ctx context.Context, addr string, conf *tls.Config) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen.rest: %w", err)
	}
	bound := ln.Addr()
	if conf != nil {
		conf = conf.Clone()
		if len(conf.NextProtos) == 0 {
			conf.NextProtos = []string{"http/1.1"}
		}
		ln = tls.NewListener(ln, conf)
	}
	if err := s.serve(restListener, ln, nil); err != nil {
		return err
	}
	s.mu.Lock()
	s.restAddr = bound
	s.mu.Unlock()
	return nil
}

// RESTAddr gives the address of listen.rest, nil when it is not open.
func (s *Server) RESTAddr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.restAddr
}

// serve takes ln over.
func (s *Server) serve(name string, ln net.Listener, remove func()) error {
	log := s.opt.Log.With(slog.String("listener", name))
	watch := newHeaderWatch(log)
	handler := timed(onListener(name, http.HandlerFunc(s.current)))
	if name == restListener {
		handler = s.cors(handler)
	}
	srv := &http.Server{
		Handler:           s.protect(log, watch.handler(handler)),
		ReadHeaderTimeout: s.opt.Handshake,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnContext:       watch.context,
		ConnState:         watch.state,
		// OPTIONS * is answered like any other request, so that the watch sees it.
		DisableGeneralOptionsHandler: true,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		ln.Close()
		if remove != nil {
			remove()
		}
		return errors.New("the server stops")
	}
	s.open = append(s.open, &listener{http: srv, remove: remove})
	s.serving.Go(func() {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			log.Error("HTTP listener failed", slog.Any("err", err))
		}
	})
	return nil
}

// protect counts requests under way and keeps a panic in one from being more
// than a failed request.
func (s *Server) protect(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.requests.begin() {
			newProblem(http.StatusServiceUnavailable, "the server stops").Write(w)
			return
		}
		defer s.requests.end()
		defer func() {
			switch p := recover(); {
			case p == nil:
			case p == http.ErrAbortHandler:
				panic(p) // whoever gave the request up has logged why
			case r.Context().Err() != nil:
				// huma panics when it cannot write to a client that is gone.
				log.Debug("HTTP answer not written", slog.String("path", r.URL.Path), slog.Any("err", p))
				panic(http.ErrAbortHandler)
			default:
				log.Error("HTTP request failed", slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Any("panic", p), stack())
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// Close is Shut and Wait: it says so when something is left.
func (s *Server) Close(ctx context.Context) error { return errors.Join(s.Shut(ctx), s.Wait(ctx)) }

// Shut stops: no new connections, live events end, requests under way are
// answered. CoT streams are the core's: they should have been ended before.
// When ctx ends first, what is left is cut; Wait says so.
func (s *Server) Shut(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	list := s.open
	s.open, s.restAddr = nil, nil
	s.mu.Unlock()

	s.opt.Live.Close()
	if s.opt.Updates != nil {
		s.opt.Updates.Close()
	}
	var errs []error
	for _, l := range list {
		if err := l.http.Shutdown(ctx); err != nil {
			if ctx.Err() == nil {
				errs = append(errs, fmt.Errorf("stop HTTP listener: %w", err))
			}
			errs = append(errs, l.http.Close())
		}
		if l.remove != nil {
			l.remove()
		}
	}
	s.serving.Wait()
	s.requests.wait(ctx)
	return errors.Join(errs...)
}

// Wait waits until nothing is under way any more. It comes after Shut: requests
// that wait for a plugin end when it does.
func (s *Server) Wait(ctx context.Context) error {
	if left := s.requests.wait(ctx); left > 0 {
		return fmt.Errorf("stop HTTP: %d requests or streams are still under way", left)
	}
	return nil
}
