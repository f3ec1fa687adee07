package process

import "sync"

// gate is what log lines of an instance pass: go-plugin waits for some of its own
// goroutines only, and nothing may be logged for an instance that is closed. Lines
// that are under way when it is shut are waited for.
type gate struct {
	mu   sync.RWMutex
	shut bool
}

// pass runs f, unless the gate is shut.
func (g *gate) pass(f func()) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if !g.shut {
		f()
	}
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
}
