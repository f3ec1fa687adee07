package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"github.com/google/uuid"

	"github.com/takhost/takhost/core/proxy"
	"github.com/takhost/takhost/hostapi/wire"
)

// Peer is what is known of a client when it joins.
type Peer struct {
	Conn     uint64
	Addr     string // of the client itself, also behind a proxy
	Listener string
	TLS      *tls.ConnectionState // nil on a plain connection

	// Of <auth>, on listeners that ask for it. User is empty there only for a
	// client with a certificate.
	User, Password string
	UID, Callsign  string // what the client said of itself there; not proven

	// Caller is who a WebSocket's request has proven to be; nil elsewhere.
	Caller *wire.Caller
}

// ServeClient handles a connection that came another way than by a listener,
// such as a stream on the admin socket or a WebSocket, and returns when it has
// ended. Addr may be left empty in p if nc knows it; Conn and TLS are set here.
// With proto both sides speak the TAK protocol from the first byte on and
// nothing is negotiated. nc is closed in the end, possibly by another goroutine
// than those which read and write.
func (s *Server) ServeClient(nc net.Conn, p Peer, proto bool) {
	if p.Addr == "" {
		p.Addr = nc.RemoteAddr().String()
	}
	if done := s.take(nc, &Listener{ListenConfig: ListenConfig{Name: p.Listener}}, p, proto); done != nil {
		<-done
	}
}

// take starts a connection, if there is room for it; done is closed at its end.
func (s *Server) take(nc net.Conn, l *Listener, p Peer, proto bool) (done <-chan struct{}) {
	limits := s.limits.Load()
	c := &conn{
		s: s, id: s.nextConn.Add(1), addr: p.Addr, ip: hostOf(p.Addr), on: l.Name,
		since: s.opt.Now(), offer: uuid.NewString(), ended: make(chan struct{}),
		queue: queue{maxEvents: limits.QueueEvents, maxBytes: limits.QueueBytes},
	}
	if proto {
		c.proto.Store(true)
		c.in.proto, c.in.maybe, c.tak = true, true, true
	}
	c.in.limiter = rated(nil, limits.SenderRate)
	if l.Proxy != nil {
		c.ip = "" // the proxy's own; the client's comes with the header
	}
	if err := s.admit(c, nc); err != nil {
		s.met.refused.Add(1)
		s.refuse(c, nc, err)
		return nil
	}
	p.Conn = c.id
	go s.begin(c, nc, l, p)
	return c.ended
}

// refuse closes a connection that may not come in and says why.
func (s *Server) refuse(c *conn, nc net.Conn, why error) {
	nc.Close()
	s.opt.Log.Warn("connection refused", slog.String("addr", c.addr), slog.String("listener", c.on), slog.String("why", why.Error()))
}

// begin makes a connection ready and leaves it to a new goroutine, whose stack
// stays as small as an idle connection's should be: handshake, join and
// greeting need several times as much.
func (s *Server) begin(c *conn, nc net.Conn, l *Listener, p Peer) {
	defer s.conns.Done()
	defer s.caughtEarly(c, nc)
	stall := s.limits.Load().Stall
	s.tune(c, nc, stall)
	if !s.introduce(c, nc, l, &p) {
		s.release(c)
		return
	}
	c.place = placeOf(c, p)
	s.mu.Lock()
	delete(s.early, c)
	s.open[c.id] = c
	s.mu.Unlock()
	for now := s.limits.Load().Stall; now != stall; now = s.limits.Load().Stall {
		stall = now // SetLimits may have looked at s.open before
		s.tune(c, nc, stall)
	}
	if s.closing.Load() {
		c.interrupt() // the stop may have looked at s.open before
	}
	c.written = time.Now() // replay and greeting share a write; nobody else knows c yet
	if err := s.join(c, p); err != nil {
		c.Close("")
		s.met.turnedAway.Add(1)
		s.refuse(c, c.sock, err)
		s.release(c)
		return
	}
	if !c.proto.Load() {
		c.greet()
	}
	s.conns.Go(c.serve)
}

// caughtEarly is deferred while a connection begins: a fault of ours must cost
// that one and not the server.
func (s *Server) caughtEarly(c *conn, nc net.Conn) {
	if p := recover(); p != nil {
		s.met.panics.Add(1)
		s.opt.Log.Error("fault in the server, one connection is closed for it; please report this",
			slog.String("addr", c.addr), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		nc.Close()
		s.release(c)
	}
}

// introduce does what comes before a client may join: PROXY header, TLS and
// <auth>, all within limits.handshake. It answers false when the connection
// was closed instead.
func (s *Server) introduce(c *conn, nc net.Conn, l *Listener, p *Peer) bool {
	limit := s.limits.Load().Handshake
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	bare := nc
	if l.Proxy != nil {
		var err error
		if bare, err = s.unproxy(ctx, c, nc, l.Proxy); err != nil {
			s.met.refused.Add(1)
			s.refuse(c, nc, err)
			return false
		}
		p.Addr = c.addr
	}
	var err error
	if c.sock, p.TLS, err = s.secure(ctx, bare, l, limit); err != nil {
		nc.Close()
		s.met.handshakes.Add(1)
		s.opt.Log.With(reasonOf(err)...).Warn("TLS handshake failed", slog.String("addr", c.addr), slog.String("listener", c.on), slog.Any("err", err))
		return false
	}
	if l.Login && (p.TLS == nil || len(p.TLS.PeerCertificates) == 0) {
		if err := s.readLogin(ctx, c, p, limit); err != nil {
			s.met.turnedAway.Add(1)
			s.refuse(c, nc, err)
			return false
		}
	}
	return true
}

// unproxy takes the PROXY header off nc and counts the connection for the
// address that it names. The connection that it gives is the socket itself.
func (s *Server) unproxy(ctx context.Context, c *conn, nc net.Conn, trusted *proxy.Trusted) (net.Conn, error) {
	pc, err := proxy.Accept(ctx, nc, trusted)
	if err != nil {
		return nil, err
	}
	addr := pc.RemoteAddr().String()
	if err := s.admitFrom(c, addr); err != nil {
		return nil, fmt.Errorf("%s, through the proxy %s: %w", addr, c.addr, err)
	}
	// Nothing behind the header was read, so the socket may be used directly.
	if under, ok := pc.(interface{ NetConn() net.Conn }); ok {
		return under.NetConn(), nil
	}
	return pc, nil
}

// admit counts a connection in, or says why it may not come in.
func (s *Server) admit(c *conn, nc net.Conn) error {
	limits := s.limits.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing.Load():
		return errStops
	case s.total >= limits.Connections:
		return fmt.Errorf("limits.connections is %d and as many are open: raise it if these are real clients", limits.Connections)
	case c.ip != "" && s.perIP[c.ip] >= limits.PerAddress:
		return tooMany(limits)
	}
	s.total++
	if c.ip != "" {
		s.perIP[c.ip]++
	}
	s.early[c] = nc
	s.conns.Add(1)
	return nil
}

// admitFrom counts a connection that was let in without an address for addr.
func (s *Server) admitFrom(c *conn, addr string) error {
	ip, limits := hostOf(addr), s.limits.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.perIP[ip] >= limits.PerAddress {
		return tooMany(limits)
	}
	s.perIP[ip]++
	c.addr, c.ip = addr, ip
	return nil
}

func tooMany(l *Limits) error {
	return fmt.Errorf("limits.connections_per_address is %d and as many are open from there: raise it if these are real clients", l.PerAddress)
}

func (s *Server) release(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total--
	if c.ip != "" {
		if s.perIP[c.ip]--; s.perIP[c.ip] == 0 {
			delete(s.perIP, c.ip)
		}
	}
	delete(s.open, c.id)
	delete(s.early, c)
	close(c.ended)
}

// reasonOf gives the reason for which a TLS handshake failed in the few words
// of whoever refused it, if it has some, as an attribute.
func reasonOf(err error) []any {
	var r interface{ HandshakeReason() string }
	if errors.As(err, &r) {
		return []any{slog.String("reason", r.HandshakeReason())}
	}
	return nil
}

func hostOf(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}
