package plugin

import (
	"cmp"
	"context"
	"runtime/debug"
	"slices"
	"time"

	"github.com/takhost/takhost/core/plugin/run"
)

// keep is the keeper: it starts plugins that are on and do not run, one at a time,
// notes versions that came back, and holds the memory of prepared code within its
// budget.
func (h *Host) keep(ctx context.Context) {
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	begun := false
	var back giveBack
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		case <-alarm.C:
		}
		h.settleBack(ctx)
		for ctx.Err() == nil && h.startNext(ctx) {
		}
		if !begun {
			// To compile all plugins, or to read their code, takes several times the
			// memory of the code. A server that idles would keep it for long.
			begun = true
			back.last = time.Now()
			debug.FreeOSMemory()
		}
		h.holdBudget(ctx)
		alarm.Reset(min(h.untilNext(), back.look(h.gaveUp.Swap(false), time.Now())))
	}
}

// giveBack returns the memory of plugins that gave up their code to the system: a
// second later, for those that follow, and not more often than every ten.
type giveBack struct{ last, due time.Time }

// look gives it back if it is time, and says when to look again.
func (g *giveBack) look(gaveUp bool, now time.Time) time.Duration {
	if gaveUp && g.due.IsZero() {
		g.due = now.Add(time.Second)
		if next := g.last.Add(10 * time.Second); next.After(g.due) {
			g.due = next
		}
	}
	switch {
	case g.due.IsZero():
		return time.Hour
	case now.Before(g.due):
		return g.due.Sub(now)
	}
	g.last, g.due = now, time.Time{}
	debug.FreeOSMemory()
	return time.Hour
}

// startNext starts the first plugin that is due, and says whether there was one.
// The turn is given up between two of them, so that an operator waits for one
// start at most.
func (h *Host) startNext(ctx context.Context) bool {
	if h.take(ctx) != nil {
		return false
	}
	defer h.release()
	e := h.due()
	if e == nil {
		return false
	}
	// The error is the plugin's state.
	if err := h.start(ctx, e, e.want); err == nil {
		e.setTried()
	}
	h.gates.update(h.list())
	return true
}

// due gives a plugin that is to be started now; those that others need come first.
func (h *Host) due() *entry {
	now := h.opt.Now()
	there := h.inForce()
	for _, name := range h.order() {
		e := h.find(name)
		switch {
		case e == nil || e.running != nil && e.waiting == nil || !e.want.set.enabled || e.want.err != nil:
		case !e.tried,
			e.lacking && len(there.lacks(e.want.pkg.Manifest)) == 0,
			!e.again.IsZero() && !now.Before(e.again):
			return e
		}
	}
	return nil
}

// setTried notes a success: nothing is to be tried again.
func (e *entry) setTried() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tried, e.lacking, e.again, e.tries = true, false, time.Time{}, 0
}

// untilNext is when a failed plugin is tried again, or the budget looked at.
func (h *Host) untilNext() time.Duration {
	d := 30 * time.Second
	now := h.opt.Now()
	for _, e := range h.list() {
		e.mu.Lock()
		if e.running == nil && !e.again.IsZero() {
			d = min(d, max(e.again.Sub(now), 10*time.Millisecond))
		}
		e.mu.Unlock()
	}
	return d
}

// cameBack is told by the actor that the version before runs again. The rest is
// the keeper's, since the actor must not wait for the turn.
func (e *entry) cameBack(before *running, reason string) {
	e.mu.Lock()
	e.back = before
	e.mu.Unlock()
	e.h.log.Warn("the version before of a plugin is back", "plugin", e.name, "version", before.target.pkg.Manifest.Version, "reason", reason)
	e.h.poke()
}

// settleBack puts the routes and settings of versions that came back in force, and
// removes packages of those that will not.
func (h *Host) settleBack(ctx context.Context) {
	for _, e := range h.list() {
		e.mu.Lock()
		back, spent := e.back != nil, len(e.spent) > 0
		e.mu.Unlock()
		if !back && !spent || h.take(ctx) != nil {
			continue
		}
		if back {
			h.settleOne(ctx, e)
		}
		if spent {
			h.dropSpent(ctx, e)
		}
		h.release()
	}
}

func (h *Host) settleOne(ctx context.Context, e *entry) {
	e.mu.Lock()
	before, undo := e.back, e.undo
	e.back, e.undo = nil, nil
	e.mu.Unlock()
	if before == nil || e.running == nil || e.running.actor != before.actor {
		return // it was halted or replaced meanwhile
	}
	failed := e.running
	e.setRunning(before)
	failed.calls.Close()
	commit, err := h.generation(e.name, before.target)
	if err != nil {
		h.log.Error("cannot put the routes of the version before in force", "plugin", e.name, "err", err)
	} else {
		commit()
	}
	h.publish()
	if undo == nil {
		return // the operator's file says which version it is to be
	}
	if err := h.write(ctx, e.name, undo); err != nil {
		h.log.Error("cannot note that the version before is back", "plugin", e.name, "err", err)
		return
	}
	e.setWant(before.target)
	e.setTried()
	if failed.target.source == sourceInstalled {
		e.setSpent(failed.target.pkg.SHA256)
	}
}

// holdBudget lets plugins that were not used for the longest time give up their
// code until all together fit the budget. Those that are at work, or whose state
// lives in memory, keep theirs.
func (h *Host) holdBudget(ctx context.Context) {
	type use struct {
		actor *run.Actor
		code  int64
		used  time.Time
	}
	var list []use
	var sum int64
	for _, r := range h.view.Load().byName {
		c := r.actor.Counts()
		sum += c.Code
		if c.Code > 0 {
			list = append(list, use{r.actor, c.Code, c.Used})
		}
	}
	slices.SortFunc(list, func(a, b use) int { return cmp.Compare(a.used.UnixNano(), b.used.UnixNano()) })
	for _, u := range list {
		if sum <= h.opt.CodeBudget || ctx.Err() != nil {
			return
		}
		// Who does not come to it at once is at work.
		soon, cancel := context.WithTimeout(ctx, time.Second)
		if u.actor.Unload(soon) {
			sum -= u.code
		}
		cancel()
	}
}
