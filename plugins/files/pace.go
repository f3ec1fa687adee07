package main

import (
	"time"

	"github.com/takhost/takhost/sdk"
)

// Offers that a user makes: each goes to many clients, whose people see it.
const (
	offersAtOnce = 20
	offerEvery   = time.Second / 2
)

// pace refuses offers that a user makes too fast. What he has left is kept as the time at
// which he would have made the last one at an even pace. Those who do not log in are one.
func pace(c *sdk.Call) error {
	all, id := c.Collection("paces"), "u "+c.Caller().User
	d, ok, err := all.Find(id)
	if err != nil {
		return err
	}
	now := c.Now()
	at := now.Add(-offersAtOnce * offerEvery)
	if ok {
		r := record{rest: string(d.Body)}
		// A clock that was set back must not keep him waiting.
		if last := sdk.TimeOf(int64(r.number())); !r.bad && last.After(at) && !last.After(now.Add(offerEvery)) {
			at = last
		}
	}
	if at = at.Add(offerEvery); at.After(now) {
		return sdk.Limitf("you make offers too fast: %d at once, then one in %d ms; name several clients in one", offersAtOnce, offerEvery.Milliseconds())
	}
	return all.Put(id, appendNumber(nil, uint64(at.UnixMicro())))
}
