package takclient

import (
	"fmt"
	"time"
)

// hold is one pause of reading.
type hold struct {
	parked chan struct{} // closed when the reader has stopped
	resume chan struct{} // closed when it may go on
}

// StopReading stops the reader, as a device does whose network stalls: when it
// returns, nothing more is read. The server's bytes pile up in the system's
// buffers (see WithReadBuffer).
func (c *Client) StopReading() error {
	c.mu.Lock()
	h := c.hold
	if h == nil {
		h = &hold{parked: make(chan struct{}), resume: make(chan struct{})}
		// A deadline in the past turns the reader out of a Read that waits.
		if err := c.conn.SetReadDeadline(time.Unix(1, 0)); err != nil {
			c.mu.Unlock()
			return fmt.Errorf("stop reading: %w", err)
		}
		c.hold = h
	}
	c.mu.Unlock()
	select {
	case <-h.parked:
	case <-c.done:
	}
	return nil
}

// ResumeReading lets the reader go on.
func (c *Client) ResumeReading() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hold == nil {
		return nil
	}
	if err := c.conn.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("resume reading: %w", err)
	}
	close(c.hold.resume)
	c.hold = nil
	return nil
}

// park waits in the reader until it may go on; false when the client closes.
func (c *Client) park() bool {
	c.mu.Lock()
	h := c.hold
	if h == nil { // resumed before the reader came to stop
		c.mu.Unlock()
		return true
	}
	select {
	case <-h.parked:
	default:
		close(h.parked)
	}
	c.mu.Unlock()
	select {
	case <-h.resume:
		return true
	case <-c.closing:
		return false
	}
}
