package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

const (
	meterAfter = 500 * time.Millisecond // what is over sooner needs no meter
	meterEvery = 200 * time.Millisecond
)

// meter shows on a terminal how far a transfer is. It is written to the standard
// error, as the standard output may be the file. One goroutine uses it.
type meter struct {
	out   io.Writer // nil: there is no terminal
	name  string
	n     int64
	total int64 // bytes; below 0: not known
	now   func() time.Time
	begun time.Time
	next  time.Time
	wide  int // columns of the line that stands there
}

func newMeter(std streams, name string, total int64) *meter {
	m := &meter{name: name, total: total, now: time.Now, begun: time.Now()}
	m.next = m.begun.Add(meterAfter)
	if f, ok := std.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		m.out = f
	}
	return m
}

// reading counts what is read from r.
func (m *meter) reading(r io.Reader) io.Reader { return meteredReader{r, m} }

type meteredReader struct {
	r io.Reader
	m *meter
}

func (r meteredReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.m.add(n)
	return n, err
}

func (m *meter) add(n int) {
	m.n += int64(n)
	if m.out == nil {
		return
	}
	now := m.now()
	if now.Before(m.next) {
		return
	}
	m.next = now.Add(meterEvery)
	m.show(m.line(now))
}

// line tells how far it is.
func (m *meter) line(now time.Time) string {
	took := now.Sub(m.begun)
	rate := float64(m.n) / took.Seconds()
	text := size(uint64(m.n))
	if m.total > 0 {
		text = fmt.Sprintf("%d %%, %s of %s", 100*m.n/m.total, text, size(uint64(m.total)))
	}
	text += ", " + size(uint64(rate)) + "/s"
	if left := m.total - m.n; left > 0 && rate > 0 {
		text += ", " + span(time.Duration(float64(left)/rate*float64(time.Second))) + " left"
	}
	return shorten(clean(m.name), 40) + "  " + text
}

func (m *meter) show(line string) {
	// A line that does not reach the terminal is no harm.
	_, _ = fmt.Fprintf(m.out, "\r%s%*s", line, max(m.wide-columns(line), 0), "")
	m.wide = columns(line)
}

// end takes the line away.
func (m *meter) end() {
	if m.wide > 0 {
		m.show("")
		_, _ = io.WriteString(m.out, "\r")
	}
}
