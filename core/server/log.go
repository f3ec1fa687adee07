package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A message that repeats may be logged logBurst times in each logWindow. What
// comes on top is counted and told in one line.
const (
	logBurst  = 5
	logWindow = 10 * time.Second
	// logMessages bounds the memory for messages that are not constant.
	logMessages = 1024
)

// NewLog makes the logger of the server. level is debug, info, warn or error.
// format is json, or text: key=value pairs, for a terminal with the time of day
// and the message in front.
//
// Repetition is limited, so that a broken client cannot fill the disk: of each
// level and message 5 records pass in 10 s. The rest is counted, and when the
// window is over one record comes with the last one's time and attributes and
// suppressed=N. It goes out with the next record of any kind or by FlushLog;
// nothing runs in the background. Debug records are not limited.
func NewLog(w io.Writer, level, format string) (*slog.Logger, error) {
	least := &slog.LevelVar{}
	if err := setLevel(least, level); err != nil {
		return nil, err
	}
	opts := &slog.HandlerOptions{Level: least}
	var h slog.Handler
	switch {
	case format == "json":
		h = slog.NewJSONHandler(w, opts)
	case format != "text":
		return nil, fmt.Errorf("log format %q is not one of text and json", format)
	case isTerminal(w):
		h = newTerminalHandler(w, opts)
	default:
		h = slog.NewTextHandler(w, opts)
	}
	return slog.New(&limitedHandler{Handler: h, limit: &logLimit{said: map[saidKey]*said{}}, least: least}), nil
}

func setLevel(v *slog.LevelVar, level string) error {
	least, ok := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}[level]
	if !ok {
		return fmt.Errorf("log level %q is not one of debug, info, warn and error", level)
	}
	v.Set(least)
	return nil
}

// SetLogLevel changes the level of NewLog's logger, and of all that came of
// it; other loggers keep theirs.
func SetLogLevel(log *slog.Logger, level string) error {
	if h, ok := log.Handler().(*limitedHandler); ok {
		return setLevel(h.least, level)
	}
	return nil
}

// FlushLog writes what NewLog's logger has counted and not yet told. It is for
// the end of the program; other loggers have nothing to flush.
func FlushLog(ctx context.Context, log *slog.Logger) error {
	if h, ok := log.Handler().(*limitedHandler); ok {
		return emit(ctx, h.limit.takeAll())
	}
	return nil
}

// limitedHandler passes a repeated record only now and then. Handlers made by
// WithAttrs and WithGroup share one limit.
type limitedHandler struct {
	slog.Handler
	limit *logLimit
	least *slog.LevelVar
}

func (h *limitedHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelInfo {
		return h.Handler.Handle(ctx, r)
	}
	pass, due := h.limit.take(h.Handler, r)
	err := emit(ctx, due)
	if pass {
		if errRecord := h.Handler.Handle(ctx, r); errRecord != nil {
			return errRecord
		}
	}
	return err
}

func (h *limitedHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &limitedHandler{Handler: h.Handler.WithAttrs(attrs), limit: h.limit, least: h.least}
}

func (h *limitedHandler) WithGroup(name string) slog.Handler {
	return &limitedHandler{Handler: h.Handler.WithGroup(name), limit: h.limit, least: h.least}
}

// logLimit counts records by level and message.
type logLimit struct {
	mu   sync.Mutex
	said map[saidKey]*said
	// next is when the first window ends, or zero.
	next time.Time
}

type saidKey struct {
	level   slog.Level
	message string
}

// said is one message within its window.
type said struct {
	until      time.Time
	passed     int
	suppressed int
	last       slog.Record  // valid if suppressed > 0
	handler    slog.Handler // of last, with its attributes
}

// take decides about one record, and gives what has to be told of windows that
// have ended.
func (l *logLimit) take(h slog.Handler, r slog.Record) (pass bool, due []*said) {
	now := r.Time
	if now.IsZero() {
		now = time.Now()
	}
	key := saidKey{r.Level, r.Message}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.next.IsZero() && !now.Before(l.next) {
		due = l.takeEnded(now)
	}
	s := l.said[key]
	if s == nil {
		if len(l.said) >= logMessages {
			return true, due
		}
		s = &said{until: now.Add(logWindow)}
		l.said[key] = s
		if l.next.IsZero() || s.until.Before(l.next) {
			l.next = s.until
		}
	}
	if s.passed < logBurst {
		s.passed++
		return true, due
	}
	s.suppressed++
	s.last, s.handler = r.Clone(), h
	return false, due
}

func (l *logLimit) takeEnded(now time.Time) (due []*said) {
	l.next = time.Time{}
	for key, s := range l.said {
		switch {
		case !now.Before(s.until):
			delete(l.said, key)
			if s.suppressed > 0 {
				due = append(due, s)
			}
		case l.next.IsZero() || s.until.Before(l.next):
			l.next = s.until
		}
	}
	return due
}

func (l *logLimit) takeAll() (due []*said) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.said {
		if s.suppressed > 0 {
			due = append(due, s)
		}
	}
	clear(l.said)
	l.next = time.Time{}
	return due
}

func emit(ctx context.Context, due []*said) (err error) {
	for _, s := range due {
		s.last.AddAttrs(slog.Int("suppressed", s.suppressed))
		if e := s.handler.Handle(ctx, s.last); e != nil {
			err = e
		}
	}
	return err
}

// terminalHandler writes lines for people: time of day, level, message, and
// the attributes as key=value.
type terminalHandler struct {
	slog.Handler // writes into out.buf
	out          *terminal
}

type terminal struct {
	mu  sync.Mutex
	w   io.Writer
	buf bytes.Buffer
}

func newTerminalHandler(w io.Writer, opts *slog.HandlerOptions) *terminalHandler {
	out := &terminal{w: w}
	return &terminalHandler{Handler: slog.NewTextHandler(&out.buf, opts), out: out}
}

func (h *terminalHandler) Handle(ctx context.Context, r slog.Record) error {
	message := r.Message
	if quoted := strconv.Quote(message); strings.ContainsRune(quoted, '\\') {
		message = quoted
	}
	var line []byte
	if !r.Time.IsZero() {
		line = r.Time.AppendFormat(line, "15:04:05 ")
	}
	line = fmt.Appendf(line, "%-5s %s", r.Level, message)

	// The inner handler writes the attributes. Without time and message it puts
	// a constant text before them, which is cut off.
	attrs := slog.NewRecord(time.Time{}, slog.LevelInfo, "", 0)
	r.Attrs(func(a slog.Attr) bool { attrs.AddAttrs(a); return true })
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.buf.Reset()
	if err := h.Handler.Handle(ctx, attrs); err != nil {
		return err
	}
	rest, ok := bytes.CutPrefix(h.out.buf.Bytes(), []byte(`level=INFO msg=""`))
	if !ok {
		line = append(line, ' ')
	}
	_, err := h.out.w.Write(append(line, rest...))
	return err
}

func (h *terminalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &terminalHandler{Handler: h.Handler.WithAttrs(attrs), out: h.out}
}

func (h *terminalHandler) WithGroup(name string) slog.Handler {
	return &terminalHandler{Handler: h.Handler.WithGroup(name), out: h.out}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
