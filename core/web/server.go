package web

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/takhost/takhost/core/proxy"
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
	Limits // at the start

	Core     Core
	Live     *Live
	Gatherer prometheus.Gatherer // for /metrics
	Log      *slog.Logger
	Version  string

	// REST and Marti register operations of other parts of the core into the two
	// descriptions, after those of this package. They are called for each
	// generation, and once more for descriptions without a server.
	REST, Marti []func(api huma.API)

	// Logins know who may come in. Nil: on the listeners of the network nobody
	// gets beyond what is open to all, but for Auth on listen.rest.
	Logins Logins
	Auth   Authenticator

	// Anonymous says whether listen.http takes everybody for the anonymous user.
	// Nil: it does.
	Anonymous func() bool

	// PublicURL gives the URL under which clients reach a listener, such as
	// https://tak.example.org:8443. Nil or empty: the request tells.
	PublicURL func(listener string) string

	// Trusted are proxies whose word on the client's address counts. One that ends
	// TLS may forward the certificate of the client in the header of that name,
	// which VerifyForwarded checks; without it none counts.
	Trusted              *proxy.Trusted
	ForwardedCertificate string
	VerifyForwarded      func(*x509.Certificate) error

	// WebPages are served on listen.web to anybody by their paths: a path that ends
	// in a slash is all below it, / is what nobody else has there.
	WebPages map[string]http.Handler

	// Plugins and Updates are the plugins' side. Nil: there are none.
	Plugins Plugins
	Updates *Updates

	// Blobs takes uploads to plugins, of up to MaxUpload bytes each. Nil: there are
	// none; 400 MiB.
	Blobs     Blobs
	MaxUpload func() int64

	// Reload reads the configuration again and applies what can be applied at
	// runtime; an error changes nothing. Nil: it is not possible.
	Reload func(ctx context.Context) error

	// AllGroups gives the set of all groups, which administrators are in. Nil:
	// that of __ANON__.
	AllGroups func() hostapi.SetID
}

// Server holds the HTTP listeners.
type Server struct {
	opt      Options
	limits   atomic.Pointer[Limits] // in force
	failures *failures
	noise    *noise // about refused certificates
	pages    []openapi.Page
	machines map[string]http.Handler // health and metrics, by path
	routes   atomic.Pointer[routes]

	mu       sync.Mutex // guards what is below
	closing  bool
	open     map[string]*listener
	draining map[*listener]struct{}

	serving  sync.WaitGroup // goroutines of listeners
	requests inflight
	watches  watches
}

// New gives a server without listeners.
func New(opt Options) *Server {
	s := &Server{opt: opt, failures: newFailures(), noise: newNoise(), open: map[string]*listener{}, draining: map[*listener]struct{}{}}
	s.limits.Store(opt.Limits.orDefault())
	s.machines = machinesOf(opt)
	s.pages = s.allPages()
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
	return s.serve(&listener{name: adminListener, addr: ln.Addr(), remove: remove}, ln)
}

type endingKey struct{}

// endingOf gives what is closed when the listener of a request is closed.
func endingOf(ctx context.Context) <-chan struct{} {
	ending, _ := ctx.Value(endingKey{}).(chan struct{})
	return ending
}

// serve takes ln over as a listener that is open from now on.
func (s *Server) serve(l *listener, ln net.Listener) error {
	l.log = s.opt.Log.With(slog.String("listener", l.name))
	l.watch = newHeaderWatch(l.log)
	l.ending = make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	switch {
	case s.closing:
		err = errors.New("the server stops")
	case s.open[l.name] != nil:
		err = errOpen
	}
	if err != nil {
		ln.Close()
		if l.gate != nil {
			l.gate.wait()
		}
		if l.remove != nil {
			l.remove()
		}
		return err
	}
	s.open[l.name] = l
	s.run(l, ln)
	return nil
}

// newHTTP gives what serves the requests to a listener, with the limits in force.
func (s *Server) newHTTP(l *listener) *http.Server {
	handler := http.Handler(http.HandlerFunc(s.current))
	if l.name == restListener || l.name == webListener {
		handler = s.cors(handler)
	}
	return &http.Server{
		Handler:           s.protect(l.log, l.watch.handler(timed(s.onListener(l.name, handler)))),
		ReadHeaderTimeout: s.limits.Load().Handshake,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(l.log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), endingKey{}, l.ending)
		},
		ConnContext: l.watch.context,
		ConnState:   l.watch.state,
		// OPTIONS * is answered like any other request, so that the watch sees it.
		DisableGeneralOptionsHandler: true,
	}
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
	var list []*listener
	for _, l := range s.open {
		close(l.ending)
		list = append(list, l)
	}
	for l := range s.draining {
		list = append(list, l)
	}
	clear(s.open)
	s.mu.Unlock()

	s.opt.Live.Close()
	if s.opt.Updates != nil {
		s.opt.Updates.Close()
	}
	var errs []error
	for _, l := range list {
		if err := l.shutdown(ctx); err != nil {
			if ctx.Err() == nil {
				errs = append(errs, fmt.Errorf("stop HTTP listener: %w", err))
			}
			errs = append(errs, l.cut())
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
