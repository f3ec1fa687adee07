package stream

import (
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/takhost/takhost/hostapi"
)

// Client is a connection as the router is shown it. Its methods are those of
// route.Receiver.
type Client interface {
	Offer(evs []*hostapi.Event) (lagging bool)
	Replay(evs []*hostapi.Event)
	Close(why string)
}

// Session is a connection's place in the router.
type Session interface {
	// Publish routes what the client sent, in order. The slice may be used
	// again when it returns. It tells how many of the receivers lag.
	Publish(evs []*hostapi.Event) (lagging, receivers int)
	Leave()
}

// Options say how a Server works. All are required but Metrics and Large.
type Options struct {
	Limits // at the start

	// Join says who a client is and gives it its place. An error refuses the
	// connection and is the reason in the log, so it must not hold a secret. It
	// may take seconds where a password is checked; the peer's connection may
	// end meanwhile, or be cut. A stop waits for it.
	Join    func(Client, Peer) (Session, error)
	NextID  func() (hostapi.ID, time.Time)
	Now     func() time.Time
	Log     *slog.Logger
	Metrics prometheus.Registerer
	Version string // told to clients

	// Large is for events that are too long for a frame. Nil: clients of the TAK
	// protocol do not get them.
	Large Large
}

// Server holds the listeners and connections.
type Server struct {
	// limits are those in force. They stand apart from the counters below, which
	// change all the time: every event looks here.
	limits     atomic.Pointer[Limits]
	opt        Options // without Limits
	met        *metrics
	hub        *hub
	unfinished atomic.Int64
	lagging    atomic.Int64 // connections that are behind
	waiting    atomic.Int64 // clients that wait to log in
	nextConn   atomic.Uint64
	closing    atomic.Bool
	closed     chan struct{}
	logins     chan struct{} // holds one for each password that is being checked
	turns      chan struct{} // holds one for each long event that is being made ready
	deadline   time.Time     // of the stop; set before closed is closed
	conns      sync.WaitGroup

	mu        sync.Mutex // guards what is below
	listeners []*Listener
	open      map[uint64]*conn   // that are joining or have joined
	early     map[*conn]net.Conn // whose client has not said yet who it is
	perIP     map[string]int
	total     int // early ones included
}

// New gives a server without listeners.
func New(opt Options) *Server {
	limits := opt.Limits
	opt.Limits = Limits{}
	s := &Server{
		opt: opt, hub: newHub(limits.Gather), closed: make(chan struct{}),
		open: map[uint64]*conn{}, early: map[*conn]net.Conn{}, perIP: map[string]int{},
		logins: make(chan struct{}, loginsAtOnce), turns: make(chan struct{}, turnsAtOnce()),
	}
	s.limits.Store(&limits)
	s.met = newMetrics(s, opt.Metrics)
	return s
}

// Flush writes what the router queued: now, or within the gather window. The
// router calls it after each batch.
func (s *Server) Flush() { s.hub.flush() }

// pause waits, but not into a stop.
func (s *Server) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.closed:
	}
}

func (s *Server) closeBy() time.Time { return s.deadline }

// Close stops: no new connections, no further reading; what was read is
// routed, what is queued is written as far as the time allows.
func (s *Server) Close() {
	s.mu.Lock()
	if s.closing.Load() {
		s.mu.Unlock()
		s.conns.Wait()
		return
	}
	s.deadline = time.Now().Add(s.limits.Load().Shutdown)
	s.closing.Store(true)
	close(s.closed)
	for _, l := range s.listeners {
		l.Close()
	}
	for _, c := range s.open {
		c.interrupt()
	}
	early := slices.Collect(maps.Values(s.early))
	s.mu.Unlock()
	for _, nc := range early {
		nc.Close()
	}
	s.hub.hasten()
	s.conns.Wait()
	s.hub.stop()
}
