package web

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	noiseBurst = 20
	noiseEvery = time.Second
)

// noise bounds lines of the log that anybody on the network can cause. The next
// line that is written tells how many were left out.
type noise struct {
	limit *rate.Limiter

	mu  sync.Mutex
	out int
}

func newNoise() *noise { return &noise{limit: rate.NewLimiter(rate.Every(noiseEvery), noiseBurst)} }

func (n *noise) warn(log *slog.Logger, msg string, attrs ...slog.Attr) {
	n.mu.Lock()
	if !n.limit.Allow() {
		n.out++
		n.mu.Unlock()
		return
	}
	if n.out > 0 {
		attrs = append(attrs, slog.Int("left_out", n.out))
		n.out = 0
	}
	n.mu.Unlock()
	log.LogAttrs(context.Background(), slog.LevelWarn, msg, attrs...)
}
