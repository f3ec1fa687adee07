package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
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

// Options say how a Server works. All are required but Metrics.
type Options struct {
	Join    func(Client, Peer) Session
	NextID  func() (hostapi.ID, time.Time)
	Now     func() time.Time
	Log     *slog.Logger
	Metrics prometheus.Registerer
	Version string // told to clients

	Limits         cot.Limits
	MaxEvent       int           // bytes of one event
	QueueEvents    int           // events that one client may be behind
	QueueBytes     int           // and bytes of XML
	Unfinished     int           // bytes of unfinished events, all connections together
	UnfinishedWait time.Duration // how long an event may stay unfinished
	Handshake      time.Duration // how long a TLS handshake may take
	Gather         time.Duration // longest wait for events to share a write
	Stall          time.Duration // how long a client may take nothing
	Shutdown       time.Duration // how long a stop may take to write what is queued
	Connections    int           // all together
	PerAddress     int           // from one address
	SenderRate     int           // events a second of one client; more are read later
}

// Server holds the listeners and connections.
type Server struct {
	opt        Options
	met        *metrics
	hub        *hub
	unfinished atomic.Int64
	lagging    atomic.Int64 // connections that are behind
	nextConn   atomic.Uint64
	closing    atomic.Bool
	closed     chan struct{}
	deadline   time.Time // of the stop; set before closed is closed
	conns      sync.WaitGroup

	mu         sync.Mutex // guards what is below
	listeners  []*Listener
	open       map[uint64]*conn
	perIP      map[string]int
	handshakes map[net.Conn]struct{}
	total      int // handshakes under way included
}

// New gives a server without listeners.
func New(opt Options) *Server {
	s := &Server{
		opt: opt, hub: newHub(opt.Gather), closed: make(chan struct{}),
		open: map[uint64]*conn{}, perIP: map[string]int{}, handshakes: map[net.Conn]struct{}{},
	}
	s.met = newMetrics(s, opt.Metrics)
	return s
}

// Flush writes what the router queued: now, or within the gather window. The
// router calls it after each batch.
func (s *Server) Flush() { s.hub.flush() }

// Listener is one open listener.
type Listener struct {
	Name string
	net.Listener
	tls *tls.Config
}

// Listen opens a listener; with a TLS configuration clients have to speak TLS.
// Port 0 takes a free one, which Addr of the result tells.
func (s *Server) Listen(ctx context.Context, name, addr string, conf *tls.Config) (*Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen.%s: %w", name, err)
	}
	l := &Listener{Name: name, Listener: ln, tls: conf}
	s.mu.Lock()
	s.listeners = append(s.listeners, l)
	s.mu.Unlock()
	s.conns.Go(func() { s.accept(l) })
	return l, nil
}

// accept takes connections until the listener is closed.
func (s *Server) accept(l *Listener) {
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			s.take(nc, l)
		case s.closing.Load() || errors.Is(err, net.ErrClosed):
			return
		default:
			// Out of file descriptors, most likely: those connected go on.
			s.opt.Log.Error("cannot accept a connection", slog.String("listener", l.Name), slog.Any("err", err))
			s.pause(100 * time.Millisecond)
		}
	}
}

// Serve handles a connection that came another way than by a listener, such as
// a stream on the admin socket, and returns when it has ended.
func (s *Server) Serve(nc net.Conn, via string) {
	if done := s.take(nc, &Listener{Name: via}); done != nil {
		<-done
	}
}

// take starts a connection, if there is room for it; done is closed at its end.
func (s *Server) take(nc net.Conn, l *Listener) (done <-chan struct{}) {
	ip := nc.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(ip); err == nil {
		ip = host
	}
	c := &conn{
		s: s, id: s.nextConn.Add(1), addr: nc.RemoteAddr().String(), ip: ip, on: l.Name,
		since: s.opt.Now(), offer: uuid.NewString(),
		queue: queue{maxEvents: s.opt.QueueEvents, maxBytes: s.opt.QueueBytes},
	}
	if s.opt.SenderRate > 0 {
		c.in.limiter = rate.NewLimiter(rate.Limit(s.opt.SenderRate), 2*s.opt.SenderRate)
	}
	if why := s.admit(c); why != "" {
		s.met.refused.Add(1)
		s.opt.Log.Warn("connection refused", slog.String("addr", c.addr), slog.String("listener", l.Name), slog.String("why", why))
		nc.Close()
		return nil
	}
	c.ended = make(chan struct{})
	s.conns.Go(func() { s.begin(c, nc, l) })
	return c.ended
}

// begin makes a connection ready and leaves it to a new goroutine, whose stack
// stays as small as an idle connection's should be: handshake, join and
// greeting need several times as much.
func (s *Server) begin(c *conn, nc net.Conn, l *Listener) {
	if err := tune(nc, s.opt.Stall); err != nil {
		s.opt.Log.Debug("cannot set socket options", slog.String("addr", c.addr), slog.Any("err", err))
	}
	sock, state, err := s.secure(nc, l)
	if err != nil {
		nc.Close()
		s.met.handshakes.Add(1)
		s.opt.Log.Warn("TLS handshake failed", slog.String("addr", c.addr), slog.String("listener", l.Name), slog.Any("err", err))
		s.release(c)
		return
	}
	c.sock = sock
	s.mu.Lock()
	s.open[c.id] = c
	s.mu.Unlock()
	if s.closing.Load() {
		c.interrupt() // the stop may have looked at s.open before
	}
	c.written = time.Now() // replay and greeting share a write; nobody else knows c yet
	c.session = s.opt.Join(c, Peer{Conn: c.id, Addr: c.addr, Listener: l.Name, TLS: state})
	c.greet()
	s.conns.Go(c.serve)
}

// admit counts a connection in, or says why it may not come in.
func (s *Server) admit(c *conn) (refused string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing.Load():
		return "the server stops"
	case s.total >= s.opt.Connections:
		return fmt.Sprintf("limits.connections is %d and as many are open: raise it if these are real clients", s.opt.Connections)
	case s.perIP[c.ip] >= s.opt.PerAddress:
		return fmt.Sprintf("limits.connections_per_address is %d and as many are open from there: raise it if these are real clients", s.opt.PerAddress)
	}
	s.total++
	s.perIP[c.ip]++
	return ""
}

func (s *Server) release(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total--
	if s.perIP[c.ip]--; s.perIP[c.ip] == 0 {
		delete(s.perIP, c.ip)
	}
	delete(s.open, c.id)
	close(c.ended)
}

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
	s.deadline = time.Now().Add(s.opt.Shutdown)
	s.closing.Store(true)
	close(s.closed)
	for _, l := range s.listeners {
		l.Close()
	}
	for _, c := range s.open {
		c.interrupt()
	}
	for nc := range s.handshakes {
		nc.Close()
	}
	s.mu.Unlock()
	s.hub.hasten()
	s.conns.Wait()
	s.hub.stop()
}

// Info describes one connection, for lists.
type Info struct {
	Conn       uint64    `json:"conn"`
	Addr       string    `json:"addr"`
	Listener   string    `json:"listener"`
	Since      time.Time `json:"since"`
	Protocol   string    `json:"protocol"` // xml or tak1
	BytesIn    uint64    `json:"bytes_in"`
	BytesOut   uint64    `json:"bytes_out"`
	EventsIn   uint64    `json:"events_in"`
	Queued     int       `json:"queued"`     // events that wait for it
	Superseded uint64    `json:"superseded"` // positions left out because it was behind
}

// Connections lists who is connected, by connection number.
func (s *Server) Connections() []Info {
	s.mu.Lock()
	list := make([]*conn, 0, len(s.open))
	for _, c := range s.open {
		list = append(list, c)
	}
	s.mu.Unlock()
	infos := make([]Info, len(list))
	for i, c := range list {
		infos[i] = c.info()
	}
	slices.SortFunc(infos, func(a, b Info) int { return int(int64(a.Conn) - int64(b.Conn)) })
	return infos
}

func (c *conn) info() Info {
	i := Info{
		Conn: c.id, Addr: c.addr, Listener: c.on, Since: c.since, Protocol: "xml",
		BytesIn: c.inBytes.Load(), BytesOut: c.outBytes.Load(), EventsIn: c.inEvents.Load(), Superseded: c.superseded.Load(),
	}
	if c.proto.Load() {
		i.Protocol = "tak1"
	}
	c.mu.Lock()
	i.Queued = c.queue.len() + len(c.queue.replay)
	c.mu.Unlock()
	return i
}

// Malformed counts the events that were dropped because they could not be
// read.
func (s *Server) Malformed() uint64 { return s.met.malformed.Load() }
