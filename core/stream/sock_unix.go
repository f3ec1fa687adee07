//go:build unix

package stream

import (
	"errors"
	"io"
	"net"
	"syscall"
	"time"
)

// rawSocket reads and writes a plain connection by single system calls, so that
// an idle one holds no buffer and a write never waits unless it is meant to.
// The functions that the runtime calls back are made once: a closure per call
// would be garbage per event.
type rawSocket struct {
	net.Conn
	raw syscall.RawConn

	get   func() []byte
	put   func()
	inN   int
	inErr error

	out    []byte
	outN   int
	outErr error

	readable, writeOnce, writeSome func(fd uintptr) bool
}

// newSocket wraps conn; a connection that is no file (net.Pipe) is read and
// written in the ordinary way.
func newSocket(conn net.Conn) (socket, error) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return &plainSocket{Conn: conn}, nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &rawSocket{Conn: conn, raw: raw}
	s.readable = s.tryRead
	s.writeOnce = func(fd uintptr) bool { s.tryWrite(fd); return true }
	s.writeSome = func(fd uintptr) bool { s.tryWrite(fd); return s.outN > 0 || s.outErr != nil }
	return s, nil
}

// NetConn gives the connection that is read and written.
func (s *rawSocket) NetConn() net.Conn { return s.Conn }

func (s *rawSocket) read(get func() []byte, put func()) (int, error) {
	s.get, s.put, s.inN, s.inErr = get, put, 0, nil
	err := s.raw.Read(s.readable)
	switch {
	case err != nil:
		return 0, err
	case s.inErr != nil:
		return 0, s.inErr
	case s.inN == 0:
		return 0, io.EOF
	}
	return s.inN, nil
}

func (s *rawSocket) tryRead(fd uintptr) bool {
	buf := s.get()
	for {
		n, err := syscall.Read(int(fd), buf)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			s.put()
			return false
		case err != nil:
			s.inErr = err
		}
		s.inN = max(n, 0)
		return true
	}
}

func (s *rawSocket) try(b []byte) (int, bool, error) {
	s.out, s.outN, s.outErr = b, 0, nil
	err := s.raw.Write(s.writeOnce)
	s.out = nil
	err = errors.Join(err, s.outErr)
	return s.outN, s.outN < len(b), err
}

func (s *rawSocket) wait(b []byte, stall time.Duration) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if err := s.SetWriteDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	s.out, s.outN, s.outErr = b, 0, nil
	err := s.raw.Write(s.writeSome)
	s.out = nil
	if err = errors.Join(err, s.outErr); err != nil {
		return s.outN, err
	}
	return s.outN, s.SetWriteDeadline(time.Time{})
}

func (s *rawSocket) tryWrite(fd uintptr) {
	for {
		n, err := syscall.Write(int(fd), s.out)
		switch err {
		case nil:
			s.outN = n
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
		default:
			s.outErr = err
		}
		return
	}
}
