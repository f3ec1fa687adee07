package takclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Client is one connection to a server, acting as one device.
type Client struct {
	*Inbox

	opt   options
	conn  net.Conn
	tcp   *net.TCPConn // below TLS; nil when the connection is something else
	proto atomic.Bool  // TAK protocol, both directions

	writeMu sync.Mutex // one event at a time; taken before Inbox.mu
	out     []byte     // encoding buffer, guarded by writeMu

	// Guarded by Inbox.mu.
	neg    Negotiation
	asked  bool // the -q is out
	faults []error
	hold   *hold // set while reading is stopped

	pings     atomic.Int64
	done      chan struct{} // closed when the reader has ended
	closing   chan struct{} // closed when this side ends the connection
	closeOnce sync.Once
}

// Dial connects for a test: it ends the test when that fails, and closes the
// client when the test is over.
func Dial(t testing.TB, addr string, opts ...Option) *Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), DefaultWait)
	defer cancel()
	c, err := Connect(ctx, addr, opts...)
	if err != nil {
		t.Fatal(err)
	}
	c.closeWith(t)
	return c
}

// Attach is Dial over a connection that exists already.
func Attach(t testing.TB, conn net.Conn, opts ...Option) *Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), DefaultWait)
	defer cancel()
	c, err := New(ctx, conn, opts...)
	if err != nil {
		t.Fatal(err)
	}
	c.closeWith(t)
	return c
}

func (c *Client) closeWith(t testing.TB) {
	t.Cleanup(func() {
		c.Close()
		if c.opt.faultsOK {
			return
		}
		for _, err := range c.Faults() {
			t.Errorf("%s: the server broke the protocol: %v", c.name, err)
		}
	})
}

// Connect dials a TCP address; ctx bounds dialling, the TLS handshake and the
// negotiation. The caller closes the client.
func Connect(ctx context.Context, addr string, opts ...Option) (*Client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	o := newOptions(opts)
	if o.tls != nil && o.tls.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			conn.Close()
			return nil, fmt.Errorf("connect: %w", err)
		}
		o.tls = o.tls.Clone()
		o.tls.ServerName = host
	}
	return start(ctx, conn, o)
}

// New makes a client of a connection that exists already, and owns it from
// then on, also when it fails.
func New(ctx context.Context, conn net.Conn, opts ...Option) (*Client, error) {
	return start(ctx, conn, newOptions(opts))
}

func start(ctx context.Context, conn net.Conn, o options) (*Client, error) {
	c := &Client{
		Inbox:   NewInbox(o.callsign),
		opt:     o,
		done:    make(chan struct{}),
		closing: make(chan struct{}),
	}
	c.noLog = o.noLog
	c.tcp, _ = conn.(*net.TCPConn)
	if o.readBuffer > 0 {
		if c.tcp == nil {
			conn.Close()
			return nil, errors.New("WithReadBuffer needs a TCP connection")
		}
		if err := c.tcp.SetReadBuffer(o.readBuffer); err != nil {
			conn.Close()
			return nil, fmt.Errorf("set receive buffer: %w", err)
		}
	}
	if o.tls != nil {
		secured := tls.Client(conn, o.tls)
		if err := secured.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, fmt.Errorf("TLS handshake: %w", err)
		}
		conn = secured
	}
	c.conn = conn
	c.proto.Store(o.protoNow)
	if len(o.login) > 0 {
		if _, err := conn.Write(o.login); err != nil {
			conn.Close()
			return nil, fmt.Errorf("log in: %w", err)
		}
	}
	go c.read()
	if o.proto {
		if err := c.Negotiate(ctx); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// UID is the client uid.
func (c *Client) UID() string { return c.opt.uid }

// Callsign is the client's callsign.
func (c *Client) Callsign() string { return c.opt.callsign }

// Proto says whether the connection speaks TAK protocol by now.
func (c *Client) Proto() bool { return c.proto.Load() }

// LocalAddr is this end of the connection.
func (c *Client) LocalAddr() net.Addr { return c.conn.LocalAddr() }

// TLS gives the state of the TLS connection, if it is one.
func (c *Client) TLS() (tls.ConnectionState, bool) {
	if t, ok := c.conn.(*tls.Conn); ok {
		return t.ConnectionState(), true
	}
	return tls.ConnectionState{}, false
}

// Close ends the connection and waits for the reading goroutine. It may be
// called often.
func (c *Client) Close() {
	c.end(func() { c.conn.Close() })
}

// Abort ends the connection with a reset instead of an orderly end, as a
// device does that lost its power behind a firewall. It needs TCP.
func (c *Client) Abort() error {
	if c.tcp == nil {
		return errors.New("abort needs a TCP connection")
	}
	err := c.tcp.SetLinger(0)
	c.end(func() { c.tcp.Close() })
	if err != nil {
		return fmt.Errorf("abort: %w", err)
	}
	return nil
}

func (c *Client) end(shut func()) {
	c.closeOnce.Do(func() {
		close(c.closing)
		shut()
	})
	<-c.done
}

// CloseWrite ends this side's sending; reading goes on.
func (c *Client) CloseWrite() error {
	half, ok := c.conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.New("this kind of connection cannot be closed for writing alone")
	}
	if err := half.CloseWrite(); err != nil {
		return fmt.Errorf("close for writing: %w", err)
	}
	return nil
}

// Done is closed when the connection has ended, whoever ended it. A client
// that has stopped reading does not see the end.
func (c *Client) Done() <-chan struct{} { return c.done }

// WaitClosed waits, at most DefaultWait, until the server has ended the
// connection, and gives the reason as this side saw it: io.EOF for an orderly
// end. The test ends when the connection stays, or this side closed it.
func (c *Client) WaitClosed(t testing.TB) error {
	t.Helper()
	timer := time.NewTimer(DefaultWait)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		t.Fatalf("%s: connection is open after %v, want it closed by the server\n%s", c.name, DefaultWait, c.Report())
	}
	err := c.Err()
	if errors.Is(err, errClosedHere) {
		t.Fatalf("%s: connection was closed by this side, want it closed by the server", c.name)
	}
	return err
}

var errClosedHere = errors.New("closed by this side")

// Err says why the connection ended; nil while it is open.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
