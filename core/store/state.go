package store

import "time"

// The states of the archive, as Stats names them.
const (
	stateOK     = "ok"
	stateOff    = "off"
	stateLow    = "low disk"
	stateFull   = "disk full"
	stateAway   = "database away"
	stateClosed = "closed"
)

// condition is what troubles the archive; several may hold at once.
type condition struct {
	away, full, low, closed bool

	since time.Time // when the name last changed
}

// name gives the worst of it.
func (c *condition) name() string {
	switch {
	case c.closed:
		return stateClosed
	case c.away:
		return stateAway
	case c.full:
		return stateFull
	case c.low:
		return stateLow
	}
	return stateOK
}

// setState changes the condition and tells how it was before.
func (a *Archive) setState(change func(*condition)) (before condition) {
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	before = a.cond
	change(&a.cond)
	if a.cond.name() != before.name() {
		a.cond.since = now
	}
	return before
}
