package run

import (
	"context"
	"fmt"
	"time"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Shares of a core are measured over this span, and told in the log when they
// are above half of one, once an hour.
const (
	busySpan  = 10 * time.Second
	busyMost  = 0.5
	busyQuiet = time.Hour
)

// measure looks at the share of a core that the plugin's calls take.
func (a *Actor) measure(now time.Time) {
	l := &a.loop
	if now.Sub(l.busyAt) < busySpan {
		return
	}
	spent := a.inCalls.Load()
	share := float64(spent-l.busyFrom) / float64(now.Sub(l.busyAt))
	if l.busyAt.IsZero() {
		share = 0
	}
	l.busyAt, l.busyFrom = now, spent
	a.met.share(share)
	if share > busyMost && now.Sub(l.busyLog) > busyQuiet {
		l.busyLog = now
		a.log.Warn("plugin is busy for more than half of the time", "share", share)
	}
}

// called books a call.
func (a *Actor) called(op hostapi.GuestOp, took time.Duration, err error) {
	a.inCalls.Add(int64(took))
	a.met.call(op, took, err)
	if op != hostapi.OpHealth {
		a.touch()
	}
}

// track keeps the list of instances, for their memory.
func (a *Actor) track(i *instance, there bool) {
	if there {
		a.known.Store(i, struct{}{})
	} else {
		a.known.Delete(i)
	}
}

// health asks the guest whether it is well. A guest that does not know the
// question is.
func (i *instance) health(ctx context.Context, trial bool) error {
	c := i.v.Calls.Begin(call.Options{Op: hostapi.OpHealth, Trial: trial, Lane: i.lane})
	defer c.Discard()
	out, s, err := i.call(ctx, c, hostapi.OpHealth, nil, i.v.Limits.Health)
	switch {
	case err != nil:
		return err
	case s == hostapi.Unsupported:
		return nil
	case s != hostapi.OK:
		return fmt.Errorf("health: %w", refusal(s, out))
	}
	return committed(c.Commit(context.WithoutCancel(ctx)))
}

// checkHealth replaces an instance that is not well.
func (a *Actor) checkHealth(ctx context.Context) {
	a.loop.healthAt = time.Now().Add(a.opt.Tuning.HealthEvery)
	err := a.loop.main.health(ctx, false)
	switch {
	case err == nil, isAway(err), isConflict(err):
	case isCrash(err):
		a.lose(ctx, err)
	default:
		a.lose(ctx, &guest.Crash{Op: hostapi.OpHealth, Reason: "unwell", Err: err})
	}
}

// canUnload says whether the plugin may lose its instance: its state is in the
// store, and no filter needs the code.
func (a *Actor) canUnload() bool {
	v := a.cur.Load()
	return !v.memory() && len(v.gates) == 0 && a.loop.probation == nil && a.is(phaseActive)
}

// idleAfter is after how long without a call the plugin is unloaded.
func (a *Actor) idleAfter() time.Duration {
	if a.opt.Idle != nil {
		if d := a.opt.Idle(); d > 0 {
			return d
		}
	}
	return a.opt.Tuning.IdleAfter
}

// quiet says that nothing waits.
func (a *Actor) quiet() bool {
	n, _ := a.q.size()
	l := &a.loop
	return n == 0 && len(l.batch) == 0 && len(l.careful) == 0 && len(l.changes) == 0 && !a.people.waits() &&
		len(a.reqs) == 0 && len(a.acts) == 0 && !l.durable.ready()
}

// unload gives up instances and code until there is work.
func (a *Actor) unload(ctx context.Context, why string) {
	a.pool.empty(ctx)
	a.loop.spare.drop(ctx)
	if i := a.loop.main; i != nil {
		a.loop.main = nil
		i.stop(ctx)
	}
	a.set(phaseIdle)
	a.report(Idle, why, time.Time{})
}

// recycle replaces an instance that has grown or is old. One with its state in
// memory hands that over, or stays.
func (a *Actor) recycle(ctx context.Context) {
	l := &a.loop
	old := l.main
	// Never twice in a row, as a plugin may need that much from the start.
	l.recycleAt = time.Now().Add(time.Minute)
	if !old.v.memory() {
		l.main = nil
		old.stop(ctx)
		a.ensure(ctx)
		return
	}
	next, err := a.newInstance(ctx, old.v, a.lane)
	if err == nil {
		if err = next.start(ctx, wire.RoleMain, old.v.Manifest.Version); err == nil {
			err = handOver(ctx, old, next)
		}
		if err != nil {
			next.close(ctx)
		}
	}
	if err != nil {
		a.log.Warn("plugin instance was not replaced by a fresh one", "error", err)
		old.reach = a.opt.Reach.now() // not once more at each call
		if old.dead {
			a.lose(ctx, err)
		}
		return
	}
	l.main = next
	old.dismiss(ctx)
}

// spare is an instance that has answered nothing yet, kept ready for a while
// after a crash.
type spare struct {
	i      *instance
	until  time.Time
	making bool
	made   chan *instance // capacity 1
}

// want asks for a spare for a while.
func (s *spare) want(span time.Duration) { s.until = time.Now().Add(span) }

// keep makes the spare when one is wanted, and gives up one that is not.
func (s *spare) keep(a *Actor, ctx context.Context, now time.Time) {
	switch v := a.cur.Load(); {
	case s.until.IsZero():
	case !now.Before(s.until):
		s.drop(ctx)
	case s.i != nil && s.i.v != v:
		s.i.close(ctx)
		s.i = nil
	case s.i == nil && !s.making && a.loop.main != nil:
		s.making = true
		if s.made == nil {
			s.made = make(chan *instance, 1)
		}
		made := s.made
		a.helps.Go(func() {
			i, err := a.newInstance(ctx, v, a.lane)
			if err != nil {
				a.log.Warn("no spare instance was made", "error", err)
				i = nil
			}
			made <- i
		})
	}
}

// got takes in what keep made.
func (s *spare) got(a *Actor, ctx context.Context, i *instance) {
	s.making = false
	switch {
	case i == nil:
		s.until = time.Time{}
	case s.until.IsZero() || s.i != nil || i.v != a.cur.Load():
		i.close(ctx)
	default:
		s.i = i
	}
}

// take gives the spare if there is one of that version.
func (s *spare) take(ctx context.Context, v *Version) *instance {
	i := s.i
	if s.i = nil; i != nil && i.v != v {
		i.close(ctx)
		return nil
	}
	return i
}

// drop ends the wish for a spare.
func (s *spare) drop(ctx context.Context) {
	s.until = time.Time{}
	if s.i != nil {
		s.i.close(ctx)
		s.i = nil
	}
}

// end is the last thing that the actor's goroutine does.
func (a *Actor) end(ctx context.Context) {
	active := a.is(phaseActive) || a.is(phaseIdle)
	a.set(phaseEnded)
	if active {
		a.report(Draining, "", time.Time{})
	}
	l := &a.loop
	for {
		select {
		case j := <-a.reqs:
			if j.claim() {
				j.finish(a.notNow())
			}
			continue
		case j := <-a.acts:
			if j.claim() {
				j.finish(a.notNow())
			}
			continue
		default:
		}
		break
	}
	l.durable.end()
	a.pool.close(ctx, a.opt.Tuning.Drain)
	if f := a.filters.Swap(nil); f != nil {
		f.close(ctx)
	}
	if p := l.probation; p != nil {
		l.probation = nil
		p.drop(ctx)
	}
	if i := l.main; i != nil {
		l.main = nil
		i.stop(ctx)
	}
	a.loop.spare.drop(ctx)
	if l.spare.making {
		if i := <-l.spare.made; i != nil {
			i.close(ctx)
		}
	}
	a.met.remove()
	a.report(Stopped, "", time.Time{})
}
