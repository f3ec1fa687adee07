package main

import (
	"time"

	"github.com/takhost/takhost/sdk"
)

// sweepAtOnce bounds the deletions of one call.
const sweepAtOnce = 300

// sweep deletes what is too old or too much; when that is more than a call may do,
// it goes on soon.
func (p *plugin) sweep(c *sdk.Call, _ *sdk.Timer) error {
	left := sweepAtOnce
	if p.keep > 0 {
		if err := p.old(c, "messages", p.keep, &left); err != nil {
			return err
		}
	}
	if err := p.old(c, "waiting", p.forward, &left); err != nil {
		return err
	}
	if err := p.tooMany(c, &left); err != nil {
		return err
	}
	if left <= 0 {
		return c.SetTimer("sweep-on", c.Now().Add(time.Second), 0, nil)
	}
	return nil
}

// old deletes documents of a collection that are older than age.
func (p *plugin) old(c *sdk.Call, collection string, age time.Duration, left *int) error {
	page, err := c.Collection(collection).By("by-time").Before(sdk.At(c.Now().Add(-age))).NoBodies().Limit(max(*left, 1)).Page()
	if err != nil {
		return err
	}
	for i := range page.Documents {
		if *left--; *left < 0 {
			return nil
		}
		if _, err := c.Collection(collection).Delete(page.Documents[i].ID); err != nil {
			return err
		}
	}
	return nil
}

// tooMany deletes the oldest messages of conversations that have too many, and
// conversations that have none left.
func (p *plugin) tooMany(c *sdk.Call, left *int) error {
	seen := 0
	for d, err := range c.Collection("conversations").Query().NoBodies().All() {
		if err != nil {
			return err
		}
		// Each costs an operation of the host, of which a call has a thousand.
		if seen++; seen > sweepAtOnce || *left <= 0 {
			return nil
		}
		q := c.Collection("messages").By("by-conversation").Is(sdk.Text(d.ID)).NoBodies()
		n, err := q.Count()
		if err != nil {
			return err
		}
		if n == 0 {
			*left--
			if _, err := c.Collection("conversations").Delete(d.ID); err != nil {
				return err
			}
			continue
		}
		if n <= p.perConversation {
			continue
		}
		page, err := q.Limit(int(min(n-p.perConversation, int64(max(*left, 1))))).Page()
		if err != nil {
			return err
		}
		for i := range page.Documents {
			if _, err := c.Collection("messages").Delete(page.Documents[i].ID); err != nil {
				return err
			}
			*left--
		}
	}
	return nil
}
