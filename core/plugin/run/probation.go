package run

import (
	"context"
	"time"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// probation is the time after a swap in which the old version stays warm.
type probation struct {
	v       *Version
	main    *instance // nil: the old version had none
	filters *filters
	until   time.Time
	back    func(reason string)
	done    func()
}

// drop gives up what the old version has.
func (p *probation) drop(ctx context.Context) {
	if p.filters != nil {
		p.filters.close(ctx)
	}
	if p.main != nil {
		p.main.dismiss(ctx)
	}
	if p.done != nil {
		p.done()
	}
}

// endProbation gives the old version up; why is empty when its time is over.
func (a *Actor) endProbation(ctx context.Context, why string) {
	p := a.loop.probation
	if p == nil {
		return
	}
	a.loop.probation = nil
	a.helps.Go(func() { p.drop(context.WithoutCancel(ctx)) })
	a.log.Info("plugin's version before is given up", "before", p.v.Manifest.Version, "reason", why)
}

// relapse brings the old version back when the new one has crashed as often as
// is allowed in probation, be it in requests, filters or at its start.
func (a *Actor) relapse(ctx context.Context) {
	p := a.loop.probation
	if p == nil {
		return
	}
	n, cause := a.circuit.fallen()
	if n < a.opt.Tuning.Relapses {
		return
	}
	failed := a.cur.Load()
	if reason := a.cannotGoBack(ctx, p); reason != "" {
		a.endProbation(ctx, reason)
		if failed.memory() {
			// Its memory is gone with the instance, and the old one's is from
			// before: neither is right.
			a.circuit.trip(time.Now(), cause+"; the version before does not come back: "+reason)
		}
		return
	}
	a.loop.probation = nil
	bad := &probation{filters: a.filters.Load()}
	reason := "version " + failed.Manifest.Version + " crashed " + cause
	bad.main, a.loop.main = a.loop.main, nil
	main, stale := p.main, (*instance)(nil)
	if main != nil && !p.v.memory() && a.effects.Load() > 0 {
		// Its memory is a cache of what the store held before.
		main, stale = nil, main
	}
	if err := a.beginHere(ctx, failed, p.v); err != nil {
		// The cursor from before the swap serves too: what it leads to again is
		// known by its id.
		a.log.Warn("reading of the archive goes on where it was before the swap", "error", err)
	}
	a.enforce(p.v, main, p.filters)
	if stale != nil {
		a.ensure(ctx) // while its code is there
		stale.close(ctx)
	}
	a.helps.Go(func() { bad.drop(context.WithoutCancel(ctx)) })
	if p.back != nil {
		p.back(reason)
	}
	a.report(Active, "back after "+reason, time.Time{})
	a.log.Error("plugin's new version crashed too often: the one before is back", "version", failed.Manifest.Version, "before", p.v.Manifest.Version, "error", cause)
}

// cannotGoBack says why the old version does not come back, if it does not.
func (a *Actor) cannotGoBack(ctx context.Context, p *probation) string {
	if p.v.memory() {
		if a.effects.Load() > 0 {
			return "the state has changed since"
		}
		return ""
	}
	failed := a.cur.Load()
	if failed.Manifest.Data <= p.v.Manifest.Data {
		return ""
	}
	stored, err := a.opt.Store.DataVersion(ctx, a.opt.Name)
	if err != nil {
		return "the data version of its documents is not known: " + err.Error()
	}
	if int64(stored) > p.v.Manifest.Data {
		return "documents of a higher data version have been written"
	}
	return ""
}

// Reconfigure puts a version in force that differs in settings alone and has the
// same Code. A plugin that does not know how gets a new instance instead. After
// an error the settings before are in force.
func (a *Actor) Reconfigure(ctx context.Context, next *Version) error {
	done := false
	err := a.order(ctx, func(ctx context.Context) error {
		var err error
		done, err = a.reconfigure(ctx, next)
		return err
	})
	if err != nil || done {
		return err
	}
	return a.Swap(ctx, Plan{Next: next, NoProbation: true})
}

// reconfigure does so in place. It is not done when a new instance must be made.
func (a *Actor) reconfigure(ctx context.Context, next *Version) (done bool, err error) {
	i := a.loop.main
	// Filters and settings that instances are made with need new instances.
	if i == nil || len(next.gates) > 0 || i.v.Code != next.Code || i.v.Limits.Memory != next.Limits.Memory {
		return false, nil
	}
	c := next.Calls.Begin(call.Options{Op: hostapi.OpReconfigure, Lane: a.lane})
	defer c.Discard()
	told := i.reach
	out, s, err := i.call(ctx, c, hostapi.OpReconfigure, i.greet(next, wire.RoleMain, ""), next.Limits.Init)
	switch {
	case err != nil:
		a.lose(ctx, err)
		return true, err
	case s == hostapi.Unsupported:
		i.reach = told
		return false, nil
	case s != hostapi.OK:
		i.reach = told
		return true, refusal(s, out)
	}
	if err := c.Commit(context.WithoutCancel(ctx)); err != nil {
		a.resume(ctx, i)
		return true, err
	}
	a.endProbation(ctx, "its settings changed")
	i.v = next
	old := a.filters.Load()
	a.enforce(next, i, nil)
	a.helps.Go(func() {
		ctx := context.WithoutCancel(ctx)
		if old != nil {
			old.close(ctx)
		}
		a.pool.empty(ctx)
	})
	a.report(Active, "its settings changed", time.Time{})
	return true, nil
}

// resume gives an instance its old settings back. When that does not work either
// it is thrown away.
func (a *Actor) resume(ctx context.Context, i *instance) {
	err := i.do(ctx, &work{op: hostapi.OpReconfigure, in: i.greet(i.v, wire.RoleMain, ""), limit: i.v.Limits.Init})
	if err != nil {
		a.lose(ctx, err)
	}
}
