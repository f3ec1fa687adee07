package run

import (
	"context"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// doTimer calls the plugin for a timer that is due. The timer's row moves on, or
// goes, in the same commit; what the plugin itself says about the timer in the
// call counts more.
func (a *Actor) doTimer(ctx context.Context, t timer) {
	i, ok := a.ensure(ctx)
	if !ok {
		return
	}
	now := a.opt.Now()
	next, missed, again := t.after(now)
	stage := func(c Call) error {
		switch {
		case t.fixed:
			return nil
		case again:
			row := t.Timer
			row.Due = next
			return c.SetTimer(row)
		}
		return c.DropTimer(t.Name)
	}
	msg := wire.Timer{Name: t.Name, Due: t.Due.UnixMicro(), Missed: missed, Data: t.Data}
	in := msg.Append(nil)
	w := &work{op: hostapi.OpTimer, in: in, limit: i.v.Limits.Events, stage: stage}
	err := i.do(ctx, w)
	key := timerKey{t.Name, t.fixed}
	switch {
	case err == nil:
		a.loop.pause = 0
	case isAway(err):
		a.holdOff(err)
		return
	default:
		if isCrash(err) {
			a.lose(ctx, err)
		}
		if a.loop.fired[key] == 0 && !isUnknown(err) {
			if a.loop.fired == nil {
				a.loop.fired = map[timerKey]int{}
			}
			a.loop.fired[key] = 1
			return // it is still due
		}
		if !a.giveUp(ctx, i.v, stage, deadTimer(i.v, &t, err)) {
			return
		}
	}
	delete(a.loop.fired, key)
	// A commit that changed the row was told to TimersChanged before it returned:
	// then this finds another time and leaves it.
	a.sched.fired(t, next, again)
}

// giveUp buries what the plugin failed on, and in the same commit stages the
// host's rows without the plugin's.
func (a *Actor) giveUp(ctx context.Context, v *Version, stage func(Call) error, d store.DeadLetter) bool {
	c := v.Calls.Begin(optionsOf(hostapi.OpTimer, a.lane))
	defer c.Discard()
	d = a.dead(d)
	err := stage(c)
	if err == nil {
		err = c.AddDeadLetter(d)
	}
	if err == nil {
		err = committed(c.Commit(context.WithoutCancel(ctx)))
	}
	if isAway(err) {
		a.holdOff(err)
		return false
	}
	if err == nil {
		a.buried(&d)
		return true
	}
	a.log.Error("row of a plugin was not moved on", "op", d.Op, "subject", d.Subject, "error", err)
	return a.bury(ctx, d)
}
