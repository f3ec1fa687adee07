package run

import (
	"context"
	"sync"
	"time"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi/wire"
)

// circuit counts crashes and says when there were too many. Safe for concurrent
// use, as instances for requests crash on other goroutines.
type circuit struct {
	tune *Tuning

	mu      sync.Mutex
	crashes []time.Time // in the window, oldest first
	reason  string      // of the latest
	open    bool
	backOff time.Duration // of the time before; 0: none
	since   time.Time     // when it was closed again
	falls   int           // crashes of the version in force since then
	fell    string        // reason of the latest of these
}

// crash counts one.
func (c *circuit) crash(now time.Time, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.crashes) > 0 && now.Sub(c.crashes[0]) > c.tune.Window {
		c.crashes = c.crashes[1:]
	}
	c.crashes = append(c.crashes, now)
	c.reason = reason
	c.open = c.open || len(c.crashes) >= c.tune.Crashes
}

// fall counts a crash against the version in force.
func (c *circuit) fall(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.falls++
	c.fell = reason
}

// fallen gives how often the version in force crashed, and why it did last.
func (c *circuit) fallen() (n int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.falls, c.fell
}

// tripped says whether there were too many, and the last one's reason.
func (c *circuit) tripped() (reason string, open bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason, c.open
}

// trip opens the circuit whatever the number of crashes.
func (c *circuit) trip(now time.Time, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reason, c.open = reason, true
}

// wait gives how long the plugin is left alone: twice as long as the time
// before, unless it held out in between.
func (c *circuit) wait(now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.backOff == 0 || now.Sub(c.since) > max(c.tune.Window, 2*c.backOff) {
		c.backOff = c.tune.BackOff
	} else {
		c.backOff = min(2*c.backOff, c.tune.BackOffMax)
	}
	return c.backOff
}

// reset closes the circuit; the crashes so far count no more.
func (c *circuit) reset(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.crashes, c.open, c.since, c.falls = nil, false, now, 0
}

// crashed counts a dead instance of v, which its user has thrown away.
func (a *Actor) crashed(v *Version, err error) {
	now := time.Now()
	a.met.crash(err)
	a.circuit.crash(now, err.Error())
	if v == a.cur.Load() {
		a.circuit.fall(err.Error())
	}
	a.log.Warn("plugin instance died", "reason", string(guest.ReasonOf(err)), "error", err, "output", outputOf(err))
	a.signal()
}

// lose throws the main instance away after a crash.
func (a *Actor) lose(ctx context.Context, err error) {
	if i := a.loop.main; i != nil {
		a.loop.main = nil
		i.close(ctx)
	}
	a.crashed(a.cur.Load(), err)
	a.loop.spare.want(a.opt.Tuning.SpareFor)
	a.relapse(ctx)
}

// ensure gives the main instance, made if there is none. It is not ok when none
// can be made now; that counts as a crash.
func (a *Actor) ensure(ctx context.Context) (*instance, bool) {
	if i := a.loop.main; i != nil && i.stale() {
		a.renew(ctx)
	}
	if a.loop.main != nil {
		return a.loop.main, true
	}
	v := a.cur.Load()
	i := a.loop.spare.take(ctx, v)
	var err error
	if i == nil {
		i, err = a.newInstance(ctx, v, a.lane)
	}
	if err == nil {
		if err = i.start(ctx, wire.RoleMain, ""); err != nil {
			i.close(ctx)
		}
	}
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, false
	case isAway(err):
		a.holdOff(err)
		return nil, false
	default:
		a.crashed(v, err)
		return nil, false
	}
	a.loop.main, a.loop.pause = i, 0
	a.loop.healthAt = time.Now().Add(a.opt.Tuning.HealthEvery)
	a.touch()
	if a.is(phaseIdle) {
		a.set(phaseActive)
		a.report(Active, "", time.Time{})
	}
	return i, true
}

// holdOff waits for the database, longer each time.
func (a *Actor) holdOff(err error) {
	l := &a.loop
	if l.pause == 0 {
		l.pause = 50 * time.Millisecond
		a.log.Warn("plugin waits", "error", err)
	} else {
		l.pause = min(2*l.pause, 5*time.Second)
	}
	l.pauseTo = time.Now().Add(l.pause)
}

// breakOff opens the circuit: no instance until the back-off is over.
func (a *Actor) breakOff(ctx context.Context, reason string) {
	now := time.Now()
	wait := a.circuit.wait(now)
	a.retry(now.Add(wait))
	a.set(phaseBroken)
	if i := a.loop.main; i != nil {
		a.loop.main = nil
		i.close(ctx)
	}
	a.loop.spare.drop(ctx)
	a.helps.Go(func() { a.pool.empty(context.WithoutCancel(ctx)) })
	a.report(Broken, reason, a.opt.Now().Add(wait))
	a.log.Error("plugin crashed too often and is left alone for a while", "error", reason, "retry_in", wait)
}

// retry sets when a broken plugin is tried again: by the monotonic clock, as the
// other one may be set.
func (a *Actor) retry(at time.Time) {
	a.loop.retry = at
	a.retryAt.Store(at.UnixNano())
}

// reopen tries the plugin again.
func (a *Actor) reopen(ctx context.Context) {
	a.circuit.reset(time.Now())
	a.loop.pauseTo = time.Time{}
	if _, ok := a.ensure(ctx); !ok {
		if ctx.Err() != nil {
			a.retry(time.Now().Add(time.Second))
			return
		}
		reason, _ := a.circuit.tripped()
		a.breakOff(ctx, reason)
		return
	}
	a.set(phaseActive)
	a.report(Active, "works again", time.Time{})
	if a.loop.durable.wanted {
		a.loop.durable.more = true
	}
}

// refuseAction answers an action that waits while the plugin is broken.
func (a *Actor) refuseAction() bool {
	select {
	case j := <-a.acts:
		if j.claim() {
			j.finish(a.notNow())
		}
		return true
	default:
		return false
	}
}
