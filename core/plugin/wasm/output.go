package wasm

import (
	"bytes"
	"context"
	"log/slog"
	"strings"

	"github.com/takhost/takhost/hostapi"
)

const (
	keptOutput = 16 << 10 // bytes of what a guest printed that a crash report has
	callLines  = 200      // lines of one call that reach the log; a panic of Go has some 100
)

// output takes what a guest prints: lines go to the log, the last bytes are kept
// for the report of a crash. It belongs to the goroutine of the call.
type output struct {
	log  *slog.Logger
	last []byte    // at least the last keptOutput bytes of this call, if it printed that many
	line [2][]byte // of stdout and stderr: what came after the last end of a line
	left int       // lines that this call may still log
	over int       // lines beyond that
}

// begin starts the count of a call.
func (o *output) begin() { o.last, o.left = o.last[:0], callLines }

// write takes bytes of stream 1 or 2.
func (o *output) write(stream int, b []byte) {
	o.keep(b)
	line := &o.line[stream-1]
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			*line = appendCut(*line, b)
			return
		}
		if o.left > 0 {
			*line = appendCut(*line, b[:end])
			o.print(stream, *line)
		} else {
			o.over++
		}
		*line, b = (*line)[:0], b[end+1:]
	}
}

// keep puts b behind the kept bytes.
func (o *output) keep(b []byte) {
	if len(b) >= keptOutput {
		o.last = append(o.last[:0], b[len(b)-keptOutput:]...)
		return
	}
	if len(o.last)+len(b) > 2*keptOutput {
		o.last = append(o.last[:0], o.last[len(o.last)-keptOutput:]...)
	}
	o.last = append(o.last, b...)
}

// appendCut appends up to the longest line that a log has.
func appendCut(line, b []byte) []byte {
	return append(line, b[:min(len(b), max(0, hostapi.MaxLogLine-len(line)))]...)
}

func (o *output) print(stream int, line []byte) {
	o.left--
	level, name := slog.LevelInfo, "stdout"
	if stream == 2 {
		level, name = slog.LevelWarn, "stderr"
	}
	if o.log.Enabled(context.Background(), level) {
		text := strings.ToValidUTF8(strings.TrimSuffix(string(line), "\r"), "\ufffd")
		o.log.Log(context.Background(), level, "plugin printed", "stream", name, "line", text)
	}
}

// end finishes a call. Of an instance that died, the unfinished lines are
// printed too.
func (o *output) end(died bool) {
	for i := range o.line {
		if died && len(o.line[i]) > 0 && o.left > 0 {
			o.print(i+1, o.line[i])
			o.line[i] = nil
		}
	}
	if o.over > 0 {
		o.log.Warn("plugin printed more lines than one call may", "left_out", o.over)
		o.over = 0
	}
}

// text is what the guest printed last.
func (o *output) text() string {
	return strings.ToValidUTF8(string(o.last[max(0, len(o.last)-keptOutput):]), "\ufffd")
}
