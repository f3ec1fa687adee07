package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// secure makes a socket of an accepted connection: after the TLS handshake on a
// listener that has one, which must end in time.
func (s *Server) secure(nc net.Conn, l *Listener) (socket, *tls.ConnectionState, error) {
	sock, err := newSocket(nc)
	if err != nil || l.tls == nil {
		return sock, nil, err
	}
	records := &recordBuffer{Conn: nc, sock: sock}
	tc := tls.Server(records, l.tls)
	ctx, cancel := context.WithTimeout(context.Background(), s.opt.Handshake)
	defer cancel()
	if !s.shaking(nc, true) {
		return nil, nil, net.ErrClosed
	}
	err = tc.HandshakeContext(ctx)
	s.shaking(nc, false)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("not done within limits.handshake (%v)", s.opt.Handshake)
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

// shaking notes that a handshake begins or ends, so that a stop can cut it. It
// answers false when the server stops already.
func (s *Server) shaking(nc net.Conn, on bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !on {
		delete(s.handshakes, nc)
		return true
	}
	if s.closing.Load() {
		return false
	}
	s.handshakes[nc] = struct{}{}
	return true
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
