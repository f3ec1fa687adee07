package web

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/takhost/takhost/core/proxy"
)

// gate is what net/http accepts connections from, by a turn: they are within the
// limits, the header of a proxy is read, and the TLS handshake is done. net/http
// would do the handshake itself, but tells nobody why one fails.
type gate struct {
	ln     net.Listener
	log    *slog.Logger
	tls    *tls.Config    // nil: plain
	proxy  *proxy.Trusted // nil: no PROXY protocol
	limits *atomic.Pointer[Limits]
	noise  *noise

	ready  chan net.Conn // without room: who waits for net/http is counted
	work   sync.WaitGroup
	ctx    context.Context //nolint:containedctx // ends with the listener
	cancel context.CancelFunc

	mu    sync.Mutex // guards what is below
	total int
	addrs map[string]int
	conns map[*gatedConn]struct{} // those with a client's certificate
}

func (s *Server) newGate(ln net.Listener, name string, l ListenOptions) *gate {
	g := &gate{
		ln: ln, log: s.opt.Log.With(slog.String("listener", name)), tls: l.TLS, proxy: l.Proxy, limits: &s.limits,
		noise: newNoise(), ready: make(chan net.Conn), addrs: map[string]int{}, conns: map[*gatedConn]struct{}{},
	}
	if g.tls != nil {
		g.tls = g.tls.Clone()
		if len(g.tls.NextProtos) == 0 {
			g.tls.NextProtos = []string{"http/1.1"} // WebSockets need it
		}
	}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.work.Go(g.run)
	return g
}

// Close closes the socket. Connections that are not ready yet are cut. It
// waits for nothing, as net/http holds a lock meanwhile; wait does.
func (g *gate) Close() error {
	g.cancel()
	return g.ln.Close()
}

func (g *gate) wait() { g.work.Wait() }

// acceptPause is waited when there are no file descriptors left, most likely.
const acceptPause = 100 * time.Millisecond

// run takes connections until the listener is closed.
func (g *gate) run() {
	for {
		nc, err := g.ln.Accept()
		switch {
		case err == nil:
			c := &gatedConn{Conn: nc, g: g}
			if !g.admit() {
				g.refuse(nc, "limits.connections is reached on this listener: raise it if these are real clients")
				nc.Close()
				continue
			}
			g.work.Go(func() { g.prepare(c) })
		case g.ctx.Err() != nil, errors.Is(err, net.ErrClosed):
			g.cancel()
			return
		default:
			g.log.Error("cannot accept a connection", slog.Any("err", err))
			select {
			case <-time.After(acceptPause):
			case <-g.ctx.Done():
			}
		}
	}
}

func (g *gate) refuse(nc net.Conn, why string) {
	g.noise.warn(g.log, "connection refused", slog.String("addr", nc.RemoteAddr().String()), slog.String("why", why))
}

// prepare makes a connection ready and hands it over.
func (g *gate) prepare(c *gatedConn) {
	nc, err := g.open(c)
	if err != nil {
		if g.ctx.Err() == nil {
			g.noise.warn(g.log, err.what, append([]slog.Attr{slog.String("addr", c.RemoteAddr().String())}, err.attrs()...)...)
		}
		c.Close()
		return
	}
	select {
	case g.ready <- nc:
	case <-g.ctx.Done():
		nc.Close()
	}
}

// unready says why a connection did not become ready.
type unready struct {
	what, reason string
	err          error // more about it, or nil
}

func (u *unready) attrs() []slog.Attr {
	list := []slog.Attr{slog.String("reason", u.reason)}
	if u.err != nil && u.err.Error() != u.reason {
		list = append(list, slog.Any("err", u.err))
	}
	return list
}

func (g *gate) open(c *gatedConn) (net.Conn, *unready) {
	ctx, cancel := context.WithTimeout(g.ctx, g.limits.Load().Handshake)
	defer cancel()
	if g.proxy != nil {
		inner, err := proxy.Accept(ctx, c.Conn, g.proxy)
		if err != nil {
			return nil, &unready{what: "connection without a PROXY protocol header refused", reason: err.Error()}
		}
		c.Conn = inner
	}
	if !g.admitFrom(c) {
		return nil, &unready{what: "connection refused", reason: "limits.connections_per_address is reached: raise it if these are real clients"}
	}
	if g.tls == nil {
		return c, nil
	}
	t := tls.Server(c, g.tls)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, &unready{what: "TLS handshake failed", reason: g.reason(c, err), err: err}
	}
	g.note(c, serialOf(t.ConnectionState()))
	return t, nil
}

// reason says for the log why a handshake failed. Who speaks HTTP to us is told
// as well, in words that net/http would use.
func (g *gate) reason(c *gatedConn, err error) string {
	var typed interface{ HandshakeReason() string }
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &typed):
		return typed.HandshakeReason()
	case errors.As(err, &record):
		if record.Conn != nil && isHTTP(record.RecordHeader) {
			_ = record.Conn.SetWriteDeadline(time.Now().Add(time.Second)) // the write has the same error
			_, _ = io.WriteString(record.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
			return "the client speaks HTTP and no TLS"
		}
		return "the client speaks no TLS"
	case errors.Is(err, context.DeadlineExceeded):
		return "it took longer than limits.handshake"
	case errors.Is(err, io.EOF):
		return "the client hung up"
	}
	return err.Error()
}

// isHTTP says whether the five bytes where a TLS record should begin are those
// of a request.
func isHTTP(header [5]byte) bool {
	switch string(header[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET", "PATCH":
		return true
	}
	return false
}

func (g *gate) admit() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if most := g.limits.Load().Connections; most > 0 && g.total >= most {
		return false
	}
	g.total++
	return true
}

// admitFrom counts a connection for the address that it is from.
func (g *gate) admitFrom(c *gatedConn) bool {
	addr := network(hostOf(c.RemoteAddr().String()))
	g.mu.Lock()
	defer g.mu.Unlock()
	if most := g.limits.Load().PerAddress; most > 0 && g.addrs[addr] >= most {
		return false
	}
	c.from = addr
	g.addrs[addr]++
	return true
}

// note remembers with which certificate a connection came.
func (g *gate) note(c *gatedConn, serial string) {
	if serial == "" {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	c.serial = serial
	g.conns[c] = struct{}{}
}

// gatedConn is a connection that counts.
type gatedConn struct {
	net.Conn
	g      *gate
	from   string // set once it counts for an address
	serial string // of the client's certificate; under gate.mu
	once   sync.Once
}

// NetConn is the connection below, for those who need the socket itself.
func (c *gatedConn) NetConn() net.Conn { return c.Conn }

// Close implements net.Conn.
func (c *gatedConn) Close() error {
	c.once.Do(func() {
		c.g.mu.Lock()
		defer c.g.mu.Unlock()
		c.g.total--
		delete(c.g.conns, c)
		if c.from == "" {
			return
		}
		if c.g.addrs[c.from]--; c.g.addrs[c.from] == 0 {
			delete(c.g.addrs, c.from)
		}
	})
	return c.Conn.Close()
}

// hostOf cuts the port off an address.
func hostOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}
