package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/wire"
)

// Plan is one change of version.
type Plan struct {
	Next   *Version         // prepared; its code need not be loaded
	Sample []*hostapi.Event // recorded events on which it is tried first, with all effects thrown away

	// Prepare does what may fail and must be done while nothing else of the
	// plugin runs. It runs inside the barrier, more than once if there are
	// conflicts; an error leaves everything as it was. May be nil.
	Prepare func(ctx context.Context) error

	// Commit puts in force what else belongs to the version, such as its routes.
	// It runs inside the barrier, when the newcomer is ready and what its init
	// staged is committed, with what is left of the barrier's time: an error
	// leaves the old version in force, so what may well fail belongs into
	// Prepare. May be nil.
	Commit func(ctx context.Context) error

	// One of these is called once after a swap that worked: Back when the old
	// version comes back in probation, to undo Commit; Done when it never will,
	// and nothing uses it any more but requests in flight. They run on goroutines
	// of the actor and may be nil.
	Back func(reason string)
	Done func()

	NoProbation bool // the old version does not stay warm
}

// swapTries is how often the newcomer is made anew because of a conflict in the
// commit of what its init staged.
const swapTries = 3

// Swap replaces the version in force while events flow. The newcomer is made and
// tried beside the old one; then the actor stops between two calls, the state is
// handed over, and the newcomer is in force. Whatever fails on the way leaves the
// old version in force; the error says what it was.
func (a *Actor) Swap(ctx context.Context, p Plan) error {
	if a.is(phaseOff) || a.is(phaseEnded) {
		return errors.New("the plugin is not active")
	}
	v := p.Next
	if _, err := v.Code.Acquire(ctx); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	defer a.release(ctx, v)
	from := a.cur.Load().Manifest.Version
	if err := a.tryOut(ctx, v, from, p.Sample); err != nil {
		return fmt.Errorf("trial: %w", err)
	}
	f, err := a.newFilters(ctx, v)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		if err = a.swapOnce(ctx, p, from, f); err == nil {
			return nil
		}
		if !isConflict(err) || n == swapTries {
			break
		}
	}
	if f != nil {
		f.close(ctx)
	}
	return err
}

func (a *Actor) swapOnce(ctx context.Context, p Plan, from string, f *filters) error {
	i, err := a.newInstance(ctx, p.Next, a.lane)
	if err != nil {
		return err
	}
	// What init stages is committed in the barrier, so that a newcomer that does
	// not take over has changed nothing.
	c, err := i.init(ctx, wire.RoleMain, from, false)
	if err == nil {
		wait, cancel := context.WithTimeout(ctx, a.opt.Tuning.SwapWait)
		err = a.order(wait, func(ctx context.Context) error { return a.flip(ctx, p, i, c, f) })
		cancel()
		c.Discard()
	}
	if err != nil {
		i.close(ctx)
	}
	return err
}

// tryOut runs an instance of v of which nothing stays.
func (a *Actor) tryOut(ctx context.Context, v *Version, from string, sample []*hostapi.Event) error {
	i, err := a.newInstance(ctx, v, &lane{})
	if err != nil {
		return err
	}
	defer i.close(ctx)
	c, err := i.init(ctx, wire.RoleTrial, from, true)
	if err != nil {
		return err
	}
	c.Discard()
	if err := i.health(ctx, true); err != nil {
		return err
	}
	for len(sample) > 0 {
		n := min(len(sample), v.Limits.BatchEvents)
		if err := i.rehearse(ctx, sample[:n]); err != nil {
			return err
		}
		sample = sample[n:]
	}
	return nil
}

// rehearse gives events to a trial instance. That it cannot handle one of them
// is no reason to refuse it, as they may be about things that a trial does not
// have; that it dies is.
func (i *instance) rehearse(ctx context.Context, sample []*hostapi.Event) error {
	s := i.v.subs
	var w hostapi.BatchWriter
	var given []*hostapi.Event
	for _, e := range sample {
		if bits := s.match(e, i.a.opt.Name, s.live|s.durable); bits != 0 {
			w.Add(e, s.want(bits), bits)
			given = append(given, e)
		}
	}
	if len(given) == 0 {
		return nil
	}
	c := i.v.Calls.Begin(call.Options{Op: hostapi.OpEvents, Trial: true, Events: given, Lane: i.lane})
	defer c.Discard()
	out, st, err := i.call(ctx, c, hostapi.OpEvents, w.Bytes(0, 0, 0), i.v.Limits.Events)
	if err != nil || st != hostapi.OK {
		return err
	}
	var r wire.BatchResult
	if err := r.Decode(out); err != nil {
		return &guest.Crash{Op: hostapi.OpEvents, Reason: guest.Broken, Err: err}
	}
	return nil
}

// flip is the barrier: nothing else of the plugin runs meanwhile but requests on
// a pool, which end on their version.
func (a *Actor) flip(ctx context.Context, p Plan, i *instance, held Call, f *filters) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, a.opt.Tuning.SwapBudget)
	defer cancel()
	l := &a.loop
	old, from := l.main, a.cur.Load()
	if a.is(phaseOff) || a.is(phaseEnded) {
		return errors.New("the plugin is not active any more")
	}
	if i.v.memory() && from.memory() && old != nil && i.v.accepts(from.Manifest.Version) {
		// What is left lets the flip, or the old version again, come within the budget.
		ctx, cancel := context.WithTimeout(ctx, a.opt.Tuning.SwapBudget/10*9)
		err := handOver(ctx, old, i)
		cancel()
		if err != nil {
			if old.dead {
				a.lose(context.WithoutCancel(ctx), err)
			}
			return fmt.Errorf("hand over: %w", err)
		}
	}
	if p.Prepare != nil {
		if err := p.Prepare(ctx); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("the change took longer than %s", a.opt.Tuning.SwapBudget)
	}
	if err := a.beginHere(ctx, from, i.v); err != nil {
		return err
	}
	if err := held.Commit(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	if p.Commit != nil {
		if err := p.Commit(ctx); err != nil {
			return err
		}
	}
	ctx = context.WithoutCancel(ctx)
	a.endProbation(ctx, "another version came")
	kept := &probation{v: from, main: old, filters: a.filters.Load(), until: time.Now().Add(a.opt.Tuning.Probation), back: p.Back, done: p.Done}
	a.enforce(i.v, i, f)
	a.report(Active, "took over from "+from.Manifest.Version, time.Time{})
	a.met.swapped(time.Since(began))
	if p.NoProbation {
		a.helps.Go(func() { kept.drop(ctx) })
	} else {
		l.probation = kept
	}
	return nil
}

// enforce makes v the version in force, with these instances.
func (a *Actor) enforce(v *Version, main *instance, f *filters) {
	l := &a.loop
	l.main = main
	a.filters.Store(f)
	a.turnTo(v)
	a.cur.Store(v)
	a.q.setLimits(v.Limits.QueueEvents, v.Limits.QueueBytes)
	a.pool.resize(v.Limits.Instances)
	a.sched.setFixed(v.Manifest.Timers, a.opt.Now())
	l.durable.begin(a, v)
	l.healthAt = time.Now().Add(a.opt.Tuning.HealthEvery)
	a.circuit.reset(time.Now())
	a.effects.Store(0)
	a.touch()
	a.set(phaseActive)
}

// handOver takes the state out of one instance into another. When the old one
// dies of it, it is marked so.
func handOver(ctx context.Context, old, next *instance) error {
	limit := old.v.Limits.Restore
	c := old.v.Calls.Begin(call.Options{Op: hostapi.OpSnapshot, ReadOnly: true, Lane: old.lane})
	out, s, err := old.call(ctx, c, hostapi.OpSnapshot, nil, limit)
	c.Discard()
	if err == nil {
		err = refusal(s, out)
	}
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	if most := old.v.Limits.Snapshot; int64(len(out)) > most {
		return fmt.Errorf("snapshot: has %d bytes, allowed are %d", len(out), most)
	}
	var snap wire.Snapshot
	if err := snap.Decode(out); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	snap.Version = old.v.Manifest.Version
	c = next.v.Calls.Begin(call.Options{Op: hostapi.OpRestore, ReadOnly: true, Lane: next.lane})
	in := snap.Append(nil)
	out, s, err = next.call(ctx, c, hostapi.OpRestore, in, next.v.Limits.Restore)
	c.Discard()
	if err == nil {
		err = refusal(s, out)
	}
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}

// accepts says whether the version takes over the state of another one.
func (v *Version) accepts(old string) bool {
	if len(v.Manifest.Accepts) == 0 {
		return major(v.Manifest.Version) == major(old)
	}
	for _, pattern := range v.Manifest.Accepts {
		if cot.MatchGlob(pattern, old) {
			return true
		}
	}
	return false
}

func major(version string) string {
	m, _, _ := strings.Cut(version, ".")
	return m
}
