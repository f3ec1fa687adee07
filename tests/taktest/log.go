package taktest

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/takhost/takhost/tests/takclient"
)

// Log keeps the lines that a server logs and passes them on to the test's log.
type Log struct {
	t testing.TB

	mu      sync.Mutex // guards what follows
	lines   []string
	changed chan struct{}
	over    bool // the test is, so nothing may go to its log
}

func newLog(t testing.TB) *Log { return &Log{t: t} }

// Write takes whole lines, as log handlers write them.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\n")
		l.lines = append(l.lines, line)
		if !l.over {
			l.t.Log(line)
		}
	}
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
	return len(b), nil
}

func (l *Log) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}

// Lines gives everything logged so far.
func (l *Log) Lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.lines...)
}

// Logged waits, at most takclient.DefaultWait, for a line that holds all the
// texts, and gives it. A line that is there already counts.
func (l *Log) Logged(t testing.TB, texts ...string) string {
	t.Helper()
	timer := time.NewTimer(takclient.DefaultWait)
	defer timer.Stop()
	next := 0
	for {
		l.mu.Lock()
		for ; next < len(l.lines); next++ {
			if holdsAll(l.lines[next], texts) {
				line := l.lines[next]
				l.mu.Unlock()
				return line
			}
		}
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()
		select {
		case <-changed:
		case <-timer.C:
			t.Fatalf("the log has no line with %q; it has\n%s", texts, strings.Join(l.Lines(), "\n"))
		}
	}
}

// CountLogged says how many lines hold all the texts so far.
func (l *Log) CountLogged(texts ...string) (n int) {
	for _, line := range l.Lines() {
		if holdsAll(line, texts) {
			n++
		}
	}
	return n
}

func holdsAll(line string, texts []string) bool {
	for _, text := range texts {
		if !strings.Contains(line, text) {
			return false
		}
	}
	return true
}
