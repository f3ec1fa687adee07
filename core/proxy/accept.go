package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// Conn is a connection that came through a proxy.
type Conn struct {
	net.Conn
	client *net.TCPAddr // nil: the proxy speaks for itself
}

// RemoteAddr is the client's address, or the proxy's own where it named none.
func (c *Conn) RemoteAddr() net.Addr {
	if c.client == nil {
		return c.Conn.RemoteAddr()
	}
	return c.client
}

// NetConn is the connection to the proxy, for those who need the socket itself:
// the header is off it and all that follows is in it.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// Accept reads the header of a connection that was accepted on a listener with
// PROXY protocol, within the time of ctx. Who is not trusted gets ErrUntrusted
// before a byte is read. The connection stays the caller's to close also when
// there is an error. Deadlines for reading that were set before are lost.
func Accept(ctx context.Context, nc net.Conn, t *Trusted) (net.Conn, error) {
	if ip, ok := ipOf(nc.RemoteAddr()); !ok || !t.Has(ip) {
		return nil, ErrUntrusted
	}
	if err := ctx.Err(); err != nil {
		return nil, waited(err)
	}
	cut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(cut)
		_ = nc.SetReadDeadline(time.Unix(1, 0)) // a closed connection ends the read as well
	})
	h, err := readHeader(nc)
	if !stop() {
		<-cut // or its deadline would fall upon the next reader
		if err != nil {
			err = waited(ctx.Err())
		}
	}
	if err != nil {
		return nil, err
	}
	if err := nc.SetReadDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("after the PROXY protocol header: %w", err)
	}
	client, err := source(h)
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: nc, client: client}, nil
}

func waited(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("PROXY protocol header: it did not come in time: %w", err)
	}
	return fmt.Errorf("PROXY protocol header: %w", err)
}
