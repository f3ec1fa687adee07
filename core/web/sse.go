package web

import (
	"bufio"
	"net/http"
	"sync"
	"time"
)

// sse writes messages as server-sent events. Its methods but hurry are called
// by one goroutine.
type sse struct {
	rc  *http.ResponseController
	out *bufio.Writer

	mu     sync.Mutex // orders changes of the deadline
	ending bool
}

var _ sink = (*sse)(nil)

func newSSE(w http.ResponseWriter) *sse {
	return &sse{rc: http.NewResponseController(w), out: bufio.NewWriterSize(w, 32<<10)}
}

// begin sends a comment, which makes the header go out now: whoever reads it
// knows that nothing after this moment is missing.
func (s *sse) begin() error { return s.comment("watching") }

func (s *sse) alive() error { return s.comment("keep-alive") }

func (s *sse) comment(text string) error {
	s.out.WriteString(": " + text + "\n\n")
	return s.flush()
}

func (s *sse) send(p push) error {
	// Writes of a full buffer need a deadline too.
	if s.out.Buffered() == 0 {
		if err := s.deadline(); err != nil {
			return err
		}
	}
	if p.id != "" {
		s.out.WriteString("id: " + p.id + "\n")
	}
	if p.kind != eventKind {
		s.out.WriteString("event: " + p.kind + "\n")
	}
	s.out.WriteString("data: ")
	s.out.Write(p.data)
	_, err := s.out.WriteString("\n\n")
	return err
}

func (s *sse) hurry() {
	s.mu.Lock()
	s.ending = true
	s.mu.Unlock()
	_ = s.deadline() // the write has the same error
}

func (s *sse) deadline() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := pushWait
	if s.ending {
		wait = pushEndWait
	}
	return s.rc.SetWriteDeadline(time.Now().Add(wait))
}

func (s *sse) flush() error {
	if err := s.deadline(); err != nil {
		return err
	}
	if err := s.out.Flush(); err != nil {
		return err
	}
	return s.rc.Flush()
}
