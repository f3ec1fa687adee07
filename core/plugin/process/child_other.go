//go:build !linux

package process

// reap waits until the process has ended, and ends what is left of its group.
func (c *child) reap() {
	state := c.cmd.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	killGroup(c.cmd.Process)
	c.state = state
	c.reaped = true
}

// confine has no limits to set: only what a plugin answers is bounded here.
func confine(int) error { return nil }

// giveWay does nothing: elsewhere priorities are those of whole programs.
func giveWay() {}

// usage is not known here.
func usage(int) (memory int64, processes int) { return 0, 0 }

// resident is not known here.
func resident(int) int64 { return 0 }
