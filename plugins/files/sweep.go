package main

import (
	"time"

	"github.com/takhost/takhost/sdk"
)

const (
	// sweepAtOnce bounds the deletions of one call: each costs two operations of the
	// host, of which a call has a thousand.
	sweepAtOnce = 300

	// sweepOn is the timer that goes on where one call could not delete all.
	sweepOn = "sweep-on"
)

// sweep deletes files whose time is over. They are not shown any more before.
func (p *plugin) sweep(c *sdk.Call, _ *sdk.Timer) error {
	now := c.Now()
	page, err := c.Collection("files").By("by-expiry").Before(sdk.At(now.Add(time.Microsecond))).Limit(sweepAtOnce).Page()
	if err != nil {
		return err
	}
	for i := range page.Documents {
		f, err := parse(&page.Documents[i])
		if err != nil {
			return err
		}
		if err := f.remove(c); err != nil {
			return err
		}
		c.Log().Info("file expired", "file", f.id(), "name", f.name, "hash", f.hash)
	}
	if page.Next != "" {
		return c.SetTimer(sweepOn, now.Add(time.Second), 0, nil)
	}
	return nil
}
