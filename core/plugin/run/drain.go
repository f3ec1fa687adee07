package run

import (
	"context"
	"time"
)

// drainLook is how often Drain looks.
const drainLook = 5 * time.Millisecond

// Drain waits until the events that wait for the plugin are handled, for a server
// that stops in order; nothing may be offered meanwhile. It gives up when ctx ends,
// or when the plugin does not run. Durable subscriptions are no matter: they go on
// where they were.
func (a *Actor) Drain(ctx context.Context) {
	look := time.NewTicker(drainLook)
	defer look.Stop()
	for {
		done := true
		err := a.order(ctx, func(context.Context) error {
			n, _ := a.q.size()
			working := a.is(phaseActive) || a.is(phaseIdle)
			done = !working || n == 0 && len(a.loop.batch) == 0 && len(a.loop.careful) == 0
			return nil
		})
		if err != nil || done {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}
