package stream

import (
	"net"
	"time"
)

// plainSocket uses nothing but net.Conn: for systems and connections without
// single non-blocking calls. It never writes at once, so every write has the
// connection's second goroutine.
type plainSocket struct{ net.Conn }

func (s *plainSocket) read(get func() []byte, _ func()) (int, error) {
	n, err := s.Read(get())
	if n > 0 {
		err = nil // the next read tells it again
	}
	return n, err
}

func (s *plainSocket) try(b []byte) (int, bool, error) { return 0, len(b) > 0, nil }

func (s *plainSocket) wait(b []byte, stall time.Duration) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if err := s.SetWriteDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	return s.Write(b[:min(len(b), 16<<10)])
}
