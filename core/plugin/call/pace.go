package call

import (
	"sync"
	"time"
)

// pace is a bucket of tokens that may be overdrawn: whoever stages something asks
// whether there is enough, and takes it when it is committed. Calls that staged at
// the same time may then take more than there is; later ones wait until that is
// made good. The zero pace has no bound. Safe for concurrent use.
type pace struct {
	mu     sync.Mutex
	rate   float64 // tokens a second; 0: no bound
	burst  float64
	tokens float64
	at     time.Time // when tokens was right
}

// set changes rate and burst. A pace that had no bound begins full.
func (p *pace) set(now time.Time, perSecond, burst int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fill(now)
	if p.rate == 0 {
		p.tokens, p.at = float64(burst), now
	}
	p.rate, p.burst = float64(perSecond), float64(burst)
	p.tokens = min(p.tokens, p.burst)
}

// enough says whether there are n tokens.
func (p *pace) enough(now time.Time, n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fill(now)
	return p.rate == 0 || p.tokens >= float64(n)
}

// take takes n tokens, whether they are there or not.
func (p *pace) take(now time.Time, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fill(now)
	p.tokens -= float64(n)
}

// fill brings tokens up to now. p.mu is held. A clock that was set back gives
// nothing for the time it has to go again.
func (p *pace) fill(now time.Time) {
	if d := now.Sub(p.at); d > 0 {
		p.tokens = min(p.burst, p.tokens+d.Seconds()*p.rate)
	}
	p.at = now
}
