package run

import (
	"context"
	"time"

	"github.com/takhost/takhost/hostapi"
)

// loop is what the actor's goroutine alone uses.
type loop struct {
	main  *instance // nil: made when it is needed
	spare spare
	turn  kind

	number  uint64 // of the latest delivery
	writer  hostapi.BatchWriter
	wants   map[uint32]hostapi.DetailWant // by the bits of subscriptions; of wantsOf
	wantsOf *subscriptions
	batch   []entry // taken from the queue, not handled yet
	missed  uint64  // of that batch
	careful []careful
	lastEnd time.Time // when the last batch was given

	durable   durable
	changes   []pendingChange
	fired     map[timerKey]int // attempts of timers that failed
	healthAt  time.Time
	pauseTo   time.Time // the database is away: nothing is done that commits
	pause     time.Duration
	retry     time.Time // of phaseBroken
	clock     clock
	recycleAt time.Time
	probation *probation

	busyAt   time.Time // begin of the span over which the share of a core is measured
	busyFrom int64
	busyLog  time.Time

	buried    int // dead letters since buriedLog, when one was last logged
	buriedLog time.Time
}

// kind is a kind of work. Kinds take turns.
type kind int

const (
	kindEvents kind = iota
	kindDurable
	kindTimer
	kindClients
	kindRequest
	kindAction
	kinds
)

// run is the actor's goroutine.
func (a *Actor) run(ctx context.Context) {
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	for {
		select {
		case o := <-a.orders:
			if o.end {
				a.end(ctx)
				return
			}
			o.done <- o.do(ctx)
			continue
		default:
		}
		if !a.step(ctx) {
			if o := a.rest(ctx, alarm); o != nil {
				if o.end {
					a.end(ctx)
					return
				}
				o.done <- o.do(ctx)
			}
		}
	}
}

// step does one piece of work. It is false when there is none to do now.
func (a *Actor) step(ctx context.Context) bool {
	now := time.Now()
	switch phase(a.phase.Load()) {
	case phaseOff, phaseEnded:
		return false
	case phaseBroken:
		if now.Before(a.loop.retry) {
			return a.refuseAction()
		}
		a.reopen(ctx)
		return true
	}
	a.relapse(ctx)
	if reason, open := a.circuit.tripped(); open {
		a.breakOff(ctx, reason)
		return true
	}
	if a.keepHouse(ctx, now) {
		return true
	}
	for range kinds {
		if a.loop.turn = (a.loop.turn + 1) % kinds; a.take(ctx, a.loop.turn, now) {
			return true
		}
	}
	return false
}

// take does a piece of work of one kind, if there is one.
func (a *Actor) take(ctx context.Context, k kind, now time.Time) bool {
	paused := now.Before(a.loop.pauseTo)
	switch k {
	case kindEvents:
		if ready, _ := a.eventsReady(now); ready && !paused {
			a.doEvents(ctx)
			return true
		}
	case kindDurable:
		if a.loop.durable.ready() && !paused {
			return a.doDurable(ctx)
		}
	case kindTimer:
		if t, ok := a.sched.due(a.opt.Now()); ok && !paused {
			a.doTimer(ctx, t)
			return true
		}
	case kindClients:
		if ready, _ := a.clientsReady(now); ready && !paused {
			a.doClients(ctx)
			return true
		}
	case kindRequest:
		select {
		case j := <-a.reqs:
			a.doJob(ctx, j)
			return true
		default:
		}
	case kindAction:
		return a.doAction(ctx)
	}
	return false
}

// doAction runs one action for another plugin, if one waits.
func (a *Actor) doAction(ctx context.Context) bool {
	select {
	case j := <-a.acts:
		a.doJob(ctx, j)
		return true
	default:
		return false
	}
}

// rest waits until there may be work again; an order that comes is given back.
func (a *Actor) rest(ctx context.Context, alarm *time.Timer) *order {
	alarm.Reset(max(0, a.next(time.Now())))
	reqs, acts := a.reqs, a.acts
	if !a.is(phaseActive) && !a.is(phaseIdle) {
		reqs, acts = nil, nil
	}
	if a.is(phaseBroken) {
		acts = a.acts
	}
	select {
	case o := <-a.orders:
		return o
	case j := <-reqs:
		a.doJob(ctx, j)
	case j := <-acts:
		a.doJob(ctx, j)
	case <-a.wake:
	case <-a.loop.durable.news:
		a.loop.durable.more = true
	case i := <-a.loop.spare.made:
		a.loop.spare.got(a, ctx, i)
	case <-alarm.C:
	}
	return nil
}

// next gives how long nothing is to be done if nothing happens.
func (a *Actor) next(now time.Time) time.Duration {
	d := time.Hour
	until := func(t time.Time) {
		if !t.IsZero() {
			d = min(d, t.Sub(now))
		}
	}
	switch phase(a.phase.Load()) {
	case phaseOff, phaseEnded:
		return d
	case phaseBroken:
		return min(d, a.loop.retry.Sub(now))
	}
	l := &a.loop
	if now.Before(l.pauseTo) {
		until(l.pauseTo)
	} else {
		if due, ok := a.sched.next(); ok {
			d = min(d, due.Sub(a.opt.Now()), clockLook)
		}
		if _, at := a.eventsReady(now); !at.IsZero() {
			until(at)
		}
		if _, at := a.clientsReady(now); !at.IsZero() {
			until(at)
		}
	}
	if l.main != nil {
		until(l.healthAt)
		if a.canUnload() {
			until(time.Unix(0, a.used.Load()).Add(a.idleAfter()))
		}
	}
	if l.probation != nil {
		until(l.probation.until)
	}
	until(l.spare.until)
	until(a.pool.sweepAt())
	return d
}

// keepHouse does what is due beside the work.
func (a *Actor) keepHouse(ctx context.Context, now time.Time) bool {
	l := &a.loop
	a.measure(now)
	if before, wall, back := l.clock.look(now, a.opt.Now()); back {
		a.sched.rewind(before, wall)
	}
	a.pool.sweep(ctx, now)
	l.spare.keep(a, ctx, now)
	if f := a.filters.Load(); f != nil {
		f.keepFresh(ctx)
	}
	if p := l.probation; p != nil && !now.Before(p.until) {
		a.endProbation(ctx, "")
	}
	if l.main == nil {
		// A plugin that crashed is made ready before anybody waits for it.
		if a.is(phaseActive) && !now.Before(l.pauseTo) {
			a.ensure(ctx)
			return true
		}
		return false
	}
	idleAt := time.Unix(0, a.used.Load()).Add(a.idleAfter())
	switch {
	case l.main.stale():
		a.renew(ctx)
		return true
	case !now.Before(idleAt) && a.canUnload() && a.quiet():
		a.unload(ctx, "")
		return true
	case !now.Before(l.healthAt):
		a.checkHealth(ctx)
		return true
	case now.After(l.recycleAt) && l.main.worn(now):
		a.recycle(ctx)
		return true
	}
	return false
}
