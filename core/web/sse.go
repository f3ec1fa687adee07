package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/takhost/takhost/hostapi"
)

const (
	sseKeepAlive = 15 * time.Second
	sseWriteWait = 30 * time.Second // how long a reader may take nothing
	sseEndWait   = time.Second      // the same while the server stops
)

// serveLive writes the events that reader gets as server-sent events, until
// the reader, the client or the server ends. Each event is one message; a
// message of the event type "lagging" tells how many were left out because the
// client reads too slowly; a comment comes when nothing else did for a while.
func serveLive(ctx context.Context, w http.ResponseWriter, r *liveReader) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would collect them
	w.WriteHeader(http.StatusOK)

	s := &sseWriter{rc: http.NewResponseController(w), out: bufio.NewWriterSize(w, 32<<10)}
	defer s.hurryAt(r.done)()
	// The comment makes the header go out now: whoever reads it knows that no
	// event after this moment is missing.
	if s.comment("watching") != nil {
		return
	}
	alive := time.NewTicker(sseKeepAlive)
	defer alive.Stop()
	var evs []*hostapi.Event
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.done:
			return
		case <-alive.C:
			if s.comment("keep-alive") != nil {
				return
			}
			continue
		case <-r.wake:
		}
		var missed uint64
		evs, missed = r.take(evs[:0])
		if s.events(evs, missed) != nil {
			return
		}
		clear(evs)
		alive.Reset(sseKeepAlive)
	}
}

// sseWriter writes messages. An error means that the client is gone or stuck.
type sseWriter struct {
	rc  *http.ResponseController
	out *bufio.Writer

	mu     sync.Mutex // orders changes of the deadline
	ending bool
}

// hurryAt makes the write under way, and all later ones, end soon after end is
// closed: a client that does not read must not hold up a stop. The function
// that it gives ends the watching.
func (s *sseWriter) hurryAt(end <-chan struct{}) (stop func()) {
	var watching sync.WaitGroup
	finished := make(chan struct{})
	watching.Go(func() {
		select {
		case <-finished:
		case <-end:
			s.mu.Lock()
			s.ending = true
			s.mu.Unlock()
			_ = s.deadline() // the write has the same error
		}
	})
	return func() { close(finished); watching.Wait() }
}

func (s *sseWriter) comment(text string) error {
	fmt.Fprintf(s.out, ": %s\n\n", text)
	return s.flush()
}

func (s *sseWriter) events(evs []*hostapi.Event, missed uint64) error {
	// Writes of a full buffer need a deadline too.
	if err := s.deadline(); err != nil {
		return err
	}
	if missed > 0 {
		fmt.Fprintf(s.out, "event: lagging\ndata: {\"missed\":%d}\n\n", missed)
	}
	enc := json.NewEncoder(s.out)
	enc.SetEscapeHTML(false) // XML has many <
	for _, e := range evs {
		fmt.Fprintf(s.out, "id: %s\ndata: ", e.ID)
		if err := enc.Encode(liveEvent(e)); err != nil { // ends its line
			return err
		}
		s.out.WriteByte('\n')
	}
	return s.flush()
}

func (s *sseWriter) deadline() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := sseWriteWait
	if s.ending {
		wait = sseEndWait
	}
	return s.rc.SetWriteDeadline(time.Now().Add(wait))
}

func (s *sseWriter) flush() error {
	if err := s.deadline(); err != nil {
		return err
	}
	if err := s.out.Flush(); err != nil {
		return err
	}
	return s.rc.Flush()
}
