package process

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/time/rate"

	"github.com/takhost/takhost/hostapi"
)

const (
	keptOutput = 16 << 10 // bytes of what a process printed that a crash report has

	// A process that prints more than this waits in its own writes: reading it costs
	// the server time, and the log takes far less.
	outputRate  = 4 << 20 // bytes a second
	outputBurst = 1 << 20
)

// output takes what a process prints, on any of its streams: lines go to the log,
// the last bytes are kept for the report of a crash.
type output struct {
	log   *slog.Logger
	gate  *gate
	limit *rate.Limiter
	alive context.Context // of the process; afterwards nothing waits any more

	mu   sync.Mutex
	last []byte // at least the last keptOutput bytes, if it printed that many
}

func newOutput(alive context.Context, log *slog.Logger, g *gate) *output {
	return &output{log: log, gate: g, alive: alive, limit: rate.NewLimiter(outputRate, outputBurst)}
}

// stream gives a writer for one stream. It serves one goroutine.
func (o *output) stream(name string, level slog.Level) *lines {
	return &lines{out: o, name: name, level: level}
}

// keep puts b behind the kept bytes.
func (o *output) keep(b []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(b) >= keptOutput {
		o.last = append(o.last[:0], b[len(b)-keptOutput:]...)
		return
	}
	if len(o.last)+len(b) > 2*keptOutput {
		o.last = append(o.last[:0], o.last[len(o.last)-keptOutput:]...)
	}
	o.last = append(o.last, b...)
}

// text is what the process printed last.
func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.ToValidUTF8(string(o.last[max(0, len(o.last)-keptOutput):]), "\ufffd")
}

// lines cuts one stream into lines.
type lines struct {
	out   *output
	name  string
	level slog.Level
	part  []byte // of a line whose end has not come
}

var _ io.Writer = (*lines)(nil)

// Write takes what was printed. It waits when there is too much.
func (l *lines) Write(b []byte) (int, error) {
	n := len(b)
	l.out.keep(b)
	for rest := b; len(rest) > 0; {
		some := min(len(rest), outputBurst)
		// The one error is that the process is gone, or will be before its turn
		// comes: its last words then are taken at once.
		_ = l.out.limit.WaitN(l.out.alive, some)
		rest = rest[some:]
	}
	l.out.gate.pass(func() {
		for len(b) > 0 {
			end := bytes.IndexByte(b, '\n')
			if end < 0 {
				l.add(b)
				return
			}
			l.add(b[:end])
			l.flush()
			b = b[end+1:]
		}
	})
	return n, nil
}

func (l *lines) add(b []byte) {
	l.part = append(l.part, b[:min(len(b), max(0, hostapi.MaxLogLine-len(l.part)))]...)
}

// flush logs the line at hand, if there is one.
func (l *lines) flush() {
	line := bytes.TrimSuffix(l.part, []byte("\r"))
	l.part = l.part[:0]
	if len(line) == 0 || l.structured(line) || !l.out.log.Enabled(context.Background(), l.level) {
		return
	}
	l.out.log.Log(context.Background(), l.level, "plugin printed",
		"stream", l.name, "line", strings.ToValidUTF8(string(line), "\ufffd"))
}

// structured logs a line in the JSON form of hclog, which plugins written for
// go-plugin print.
func (l *lines) structured(line []byte) bool {
	if !bytes.HasPrefix(line, []byte(`{"@`)) {
		return false
	}
	var facts map[string]any
	if err := json.Unmarshal(line, &facts); err != nil {
		return false
	}
	name, _ := facts["@level"].(string)
	message, ok := facts["@message"].(string)
	if !ok {
		return false
	}
	level := levelNamed(name)
	if !l.out.log.Enabled(context.Background(), level) {
		return true
	}
	args := []any{"message", message}
	for _, key := range slices.Sorted(maps.Keys(facts)) {
		if !strings.HasPrefix(key, "@") {
			args = append(args, key, facts[key])
		}
	}
	l.out.log.Log(context.Background(), level, "plugin logged", args...)
	return true
}

func levelNamed(name string) slog.Level {
	switch name {
	case "trace", "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}
