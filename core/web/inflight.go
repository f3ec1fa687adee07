package web

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
)

// inflight counts requests under way. Other than a sync.WaitGroup it can be
// waited for with a deadline, and refuses new ones from then on.
type inflight struct {
	mu    sync.Mutex
	n     int
	ended chan struct{} // made by wait, closed when n is 0
}

func (f *inflight) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended != nil {
		return false
	}
	f.n++
	return true
}

func (f *inflight) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n--; f.n == 0 && f.ended != nil {
		close(f.ended)
	}
}

// wait gives how many are left when all have ended or ctx has.
func (f *inflight) wait(ctx context.Context) (left int) {
	f.mu.Lock()
	if f.ended == nil {
		f.ended = make(chan struct{})
		if f.n == 0 {
			close(f.ended)
		}
	}
	f.mu.Unlock()
	select {
	case <-f.ended:
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

func stack() slog.Attr { return slog.String("stack", string(debug.Stack())) }
