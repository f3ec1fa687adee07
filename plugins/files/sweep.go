package main

import (
	"time"

	"github.com/takhost/takhost/sdk"
)

const (
	// sweepAtOnce bounds what one call looks at.
	sweepAtOnce = 300

	// mostOps is how many operations of the host deletions take, of which a call has a
	// thousand.
	mostOps = 800

	// sweepOn is the timer that goes on where one call could not delete all.
	sweepOn = "sweep-on"
)

// sweep deletes files whose time is over, and gives up waiting for clients. Files are
// not shown any more before.
func (p *plugin) sweep(c *sdk.Call, _ *sdk.Timer) error {
	ops, more, err := expired(c)
	if err != nil {
		return err
	}
	if !more {
		if more, err = tired(c, mostOps-ops); err != nil {
			return err
		}
	}
	if more {
		return c.SetTimer(sweepOn, c.Now().Add(time.Second), 0, nil)
	}
	return nil
}

// expired deletes files, and says how many operations of the host that took, and
// whether there are more.
func expired(c *sdk.Call) (ops int, more bool, err error) {
	page, err := c.Collection("files").By("by-expiry").Before(sdk.At(c.Now().Add(time.Microsecond))).Limit(sweepAtOnce).Page()
	if err != nil {
		return 0, false, err
	}
	for i := range page.Documents {
		if ops > mostOps {
			return ops, true, nil
		}
		f, err := parse(&page.Documents[i])
		if err != nil {
			return ops, false, err
		}
		n, err := f.remove(c)
		if err != nil {
			return ops, false, err
		}
		ops += n
		c.Log().Info("file expired", "file", f.id(), "name", f.name, "hash", f.hash)
	}
	return ops, page.Next != "", nil
}

// tired ends what has waited long enough, and says whether there is more.
func tired(c *sdk.Call, most int) (more bool, err error) {
	if most <= 0 {
		return true, nil
	}
	page, err := c.Collection("waiting").By("by-end").Before(sdk.At(c.Now().Add(time.Microsecond))).NoBodies().Limit(min(most, sweepAtOnce)).Page()
	if err != nil {
		return false, err
	}
	for i := range page.Documents {
		if _, err := c.Collection("waiting").Delete(page.Documents[i].ID); err != nil {
			return false, err
		}
	}
	return page.Next != "", nil
}
