package store

import "net"

// pgSocketBuffer is what gathers into one write.
const pgSocketBuffer = 64 << 10

// pgSocket is a connection to the server. It gathers what the driver writes, a
// kilobyte at a time in a COPY, until the driver wants the answer; a broken
// connection shows then, and not in a line that the driver prints by itself.
// Only Close may be called while another method runs.
type pgSocket struct {
	net.Conn
	of  *pgConnector
	out []byte
	err error // of a write; nothing is written after it
}

func (s *pgSocket) Write(b []byte) (int, error) {
	if len(s.out)+len(b) > pgSocketBuffer {
		s.flush()
	}
	if len(b) > pgSocketBuffer {
		s.send(b)
	} else {
		s.out = append(s.out, b...)
	}
	return len(b), nil
}

func (s *pgSocket) Read(b []byte) (int, error) {
	s.flush()
	if s.err != nil {
		return 0, s.err
	}
	return s.Conn.Read(b)
}

func (s *pgSocket) flush() {
	if len(s.out) > 0 {
		s.send(s.out)
		s.out = s.out[:0]
	}
}

func (s *pgSocket) send(b []byte) {
	if s.err == nil {
		_, s.err = s.Conn.Write(b)
	}
}

// Close tells the connector. What was not sent is not sent any more.
func (s *pgSocket) Close() error {
	s.of.mu.Lock()
	_, open := s.of.conns[s]
	delete(s.of.conns, s)
	s.of.mu.Unlock()
	if !open {
		return nil // we closed it ourselves, and the driver does now
	}
	return s.Conn.Close()
}
