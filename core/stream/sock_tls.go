package stream

import (
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// tlsSocket is a TLS connection that can be written without waiting: records
// go into a buffer first, and from there to the socket as far as it takes them.
// No more than one buffer of records is ever kept back.
type tlsSocket struct {
	*tls.Conn
	records *recordBuffer
	idle    [2 << 10]byte // waits for bytes, so that no larger buffer has to
	busy    bool          // the last read filled its buffer or a whole record: more is likely there
}

const (
	tlsWrite  = 32 << 10 // bytes encrypted at a time
	tlsRecord = 16 << 10 // bytes that one record carries at most
)

// recordBuffer is what the TLS layer writes into. Until buffered is called, in
// the handshake, it writes through.
type recordBuffer struct {
	net.Conn
	sock socket

	mu       sync.Mutex
	buffered bool
	pending  []byte
}

func (r *recordBuffer) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.buffered {
		return r.Conn.Write(b)
	}
	r.pending = append(r.pending, b...)
	return len(b), nil
}

// NetConn gives the connection that carries the records.
func (r *recordBuffer) NetConn() net.Conn { return r.Conn }

// send writes pending records: what goes at once, or, with a stall time, after
// waiting for some of them to go.
func (r *recordBuffer) send(stall time.Duration) (more bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pending) == 0 {
		return false, nil
	}
	n, more, err := r.sock.try(r.pending)
	if err == nil && n == 0 && stall > 0 {
		b := r.pending
		r.mu.Unlock() // the reading side may have to add a record meanwhile
		n, err = r.sock.wait(b, stall)
		r.mu.Lock()
	}
	if n == len(r.pending) {
		r.pending = nil
	} else {
		r.pending = r.pending[n:]
	}
	return len(r.pending) > 0, err
}

func (s *tlsSocket) read(get func() []byte, _ func()) (n int, err error) {
	if s.busy {
		n, err = s.Conn.Read(get())
		s.busy = n >= tlsRecord
	} else {
		n, err = s.Conn.Read(s.idle[:])
		s.busy = n == len(s.idle)
		if n > 0 {
			copy(get(), s.idle[:n])
		}
	}
	if n > 0 {
		err = nil // the next read tells it again
	}
	return n, err
}

func (s *tlsSocket) try(b []byte) (n int, more bool, err error) {
	for {
		if more, err = s.records.send(0); more || err != nil || n == len(b) {
			return n, more || n < len(b), err
		}
		part := b[n:min(len(b), n+tlsWrite)]
		if _, err := s.Conn.Write(part); err != nil {
			return n, false, err
		}
		n += len(part)
	}
}

func (s *tlsSocket) wait(b []byte, stall time.Duration) (int, error) {
	for {
		if more, err := s.records.send(stall); err != nil {
			return 0, err
		} else if !more {
			break
		}
	}
	part := b[:min(len(b), tlsWrite)]
	if len(part) == 0 {
		return 0, nil
	}
	if _, err := s.Conn.Write(part); err != nil {
		return 0, err
	}
	_, err := s.records.send(stall)
	return len(part), err
}

var _ socket = (*tlsSocket)(nil)
