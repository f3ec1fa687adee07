package store

import "time"

// clockJump is how far the wall clock may part from the clock that nobody sets
// before the age of events is no longer believed.
const clockJump = time.Hour

// clock notices a wall clock that was set while the process runs.
type clock struct {
	now     func() time.Time
	elapsed func() time.Duration

	wall  time.Time // at the start; without the monotonic reading
	mono  time.Duration
	wrong bool
}

func newClock(now func() time.Time, elapsed func() time.Duration) *clock {
	return &clock{now: now, elapsed: elapsed, wall: now().Round(0), mono: elapsed()}
}

// skew tells how much the wall clock has gained on the other since the start.
func (c *clock) skew() time.Duration {
	return c.now().Round(0).Sub(c.wall) - (c.elapsed() - c.mono)
}

// check tells whether the wall clock can be believed, and whether that is news.
func (c *clock) check() (right, changed bool) {
	was := c.wrong
	c.wrong = c.skew().Abs() >= clockJump
	return !c.wrong, c.wrong != was
}

var processStart = time.Now()

// sinceStart is Go's own monotonic clock.
func sinceStart() time.Duration { return time.Since(processStart) }
