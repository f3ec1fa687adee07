package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"
)

// secure makes a socket of an accepted connection: after the TLS handshake on a
// listener that has one, which must end in time. limit is what ctx was given.
func (s *Server) secure(ctx context.Context, nc net.Conn, l *Listener, limit time.Duration) (socket, *tls.ConnectionState, error) {
	sock, err := newSocket(nc)
	if err != nil || l.TLS == nil {
		return sock, nil, err
	}
	records := &recordBuffer{Conn: nc, sock: sock}
	tc := tls.Server(records, l.TLS)
	err = tc.HandshakeContext(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("not done within limits.handshake (%v)", limit)
	}
	if err != nil {
		return nil, nil, err
	}
	records.mu.Lock()
	records.buffered = true
	records.mu.Unlock()
	state := tc.ConnectionState()
	return &tlsSocket{Conn: tc, records: records}, &state, nil
}

// Keep-alive finds peers that vanished without a word, also where nothing is
// sent to them.
const (
	keepIdle     = time.Minute
	keepInterval = 15 * time.Second
	keepCount    = 4

	// The kernel also ends the connection of a peer that lives but reads
	// nothing. That is for us to do, and to tell, so the kernel comes second.
	userTimeoutMore = 5 * time.Second
)

func (s *Server) tune(c *conn, nc net.Conn, stall time.Duration) {
	if err := tune(nc, stall); err != nil {
		s.opt.Log.Debug("cannot set socket options", slog.String("addr", c.addr), slog.Any("err", err))
	}
}

// tune sets how dead peers are found: by keep-alive where nothing is sent, and
// by bytes that are not acknowledged for the time of stall.
func tune(nc net.Conn, stall time.Duration) error {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	err := tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: keepIdle, Interval: keepInterval, Count: keepCount})
	if err != nil {
		return err
	}
	return setUserTimeout(tcp, stall+userTimeoutMore)
}
