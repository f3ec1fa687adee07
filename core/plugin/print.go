package plugin

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/takhost/takhost/hostapi"
)

// printLimit bounds what a guest prints to the log: lines a second, and bytes of a
// line. What was left out is told with the next line that is let through.
type printLimit struct {
	slog.Handler
	s *printState
}

type printState struct {
	now func() time.Time

	mu     sync.Mutex
	second int64
	lines  int
	left   int
}

func newPrintLimit(to slog.Handler, now func() time.Time) *printLimit {
	return &printLimit{to, &printState{now: now}}
}

// Handle implements slog.Handler.
func (l *printLimit) Handle(ctx context.Context, r slog.Record) error {
	left, ok := l.s.take()
	if !ok {
		return nil
	}
	if len(r.Message) > hostapi.MaxLogLine {
		short := slog.NewRecord(r.Time, r.Level, r.Message[:hostapi.MaxLogLine], r.PC)
		r.Attrs(func(a slog.Attr) bool { short.AddAttrs(a); return true })
		r = short
	}
	if left > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("suppressed", left))
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l *printLimit) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &printLimit{l.Handler.WithAttrs(attrs), l.s}
}

// WithGroup implements slog.Handler.
func (l *printLimit) WithGroup(name string) slog.Handler {
	return &printLimit{l.Handler.WithGroup(name), l.s}
}

func (s *printState) take() (left int, ok bool) {
	second := s.now().Unix()
	s.mu.Lock()
	defer s.mu.Unlock()
	if second != s.second {
		s.second, s.lines = second, 0
	}
	if s.lines++; s.lines > hostapi.DefaultLogLines {
		s.left++
		return 0, false
	}
	left, s.left = s.left, 0
	return left, true
}
