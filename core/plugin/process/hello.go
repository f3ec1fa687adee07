package process

import (
	"io"
	"strings"
	"sync"
)

// maxHello is how long the line of the handshake may be: it has a certificate.
const maxHello = 16 << 10

// hello is the first line that a process prints: go-plugin's handshake, as
// "1|1|unix|/path|grpc|certificate". Read waits for it.
type hello struct {
	once sync.Once
	came chan struct{}
	line string
	rest string // what Read has not given yet
}

func newHello() *hello { return &hello{came: make(chan struct{})} }

// set gives the line; empty: the process closed its standard output.
func (h *hello) set(line string) {
	h.once.Do(func() {
		h.line, h.rest = line, line
		close(h.came)
	})
}

func (h *hello) Read(p []byte) (int, error) {
	<-h.came
	if h.rest == "" {
		return 0, io.EOF
	}
	n := copy(p, h.rest)
	h.rest = h.rest[n:]
	return n, nil
}

func (h *hello) Close() error { return nil }

// isHello says whether a line looks like a handshake: numbers of two versions,
// network, address.
func isHello(line string) bool {
	f := strings.Split(strings.TrimSpace(line), "|")
	return len(f) >= 4 && digits(f[0]) && digits(f[1])
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
