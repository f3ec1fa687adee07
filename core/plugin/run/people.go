package run

import (
	"context"
	"sync"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// How many changes of clients wait at most, and how many go into one call.
const (
	maxChanges   = 4096
	changesACall = 256
)

// pendingChange is a change of a client, and whether the plugin failed on it.
type pendingChange struct {
	wire.ClientChange
	failed bool
}

// people holds changes of clients until the plugin is told: a moment after the
// first of them, so that a crowd that joins costs a few calls and not one each.
// When there are too many, only the latest of each connection is kept, and at
// last the oldest go. Safe for concurrent use.
type people struct {
	mu    sync.Mutex
	list  []wire.ClientChange
	first time.Time // when the list was last empty and got its first
	most  int       // length at which they are coalesced; 0: maxChanges
}

// put appends those changes that v may see. It gives how many were lost, and
// whether the list was empty before, so that nobody looks at it yet.
func (p *people) put(changes []wire.ClientChange, v *Version) (lost int, begun bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := len(p.list)
	defer func() {
		if begun = before == 0 && len(p.list) > 0; begun {
			p.first = time.Now()
		}
	}()
	for _, c := range changes {
		if c.Client != nil && (v.people == nil || v.people.match(hostapi.SetID(c.Client.InSet)) || v.people.match(hostapi.SetID(c.Client.OutSet))) {
			p.list = append(p.list, c)
		}
	}
	if len(p.list) <= max(p.most, maxChanges) {
		return 0, false
	}
	p.coalesce()
	if lost = max(0, len(p.list)-maxChanges); lost > 0 {
		p.list = append([]wire.ClientChange(nil), p.list[lost:]...)
	}
	// Not with every change, as this runs under the router's lock.
	p.most = max(maxChanges, len(p.list)+maxChanges/4)
	return lost, false
}

func (p *people) coalesce() {
	latest := map[uint64]int{}
	for i, c := range p.list {
		latest[c.Client.Connection] = i
	}
	kept := p.list[:0]
	for i, c := range p.list {
		if latest[c.Client.Connection] == i {
			kept = append(kept, c)
		}
	}
	clear(p.list[len(kept):])
	p.list = kept
}

func (p *people) take(most int) []pendingChange {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(most, len(p.list))
	out := make([]pendingChange, n)
	for i := range out {
		out[i].ClientChange = p.list[i]
	}
	p.list = p.list[n:]
	if len(p.list) == 0 {
		p.list = nil
	}
	return out
}

func (p *people) waits() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.list) > 0
}

// begun is when the first of those that wait came; zero when none waits.
func (p *people) begun() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.list) == 0 {
		return time.Time{}
	}
	return p.first
}

// clientsReady says whether the plugin is to be told of clients now; if not, at is
// when, zero for never.
func (a *Actor) clientsReady(now time.Time) (ready bool, at time.Time) {
	if len(a.loop.changes) > 0 {
		return true, time.Time{}
	}
	first := a.people.begun()
	if first.IsZero() {
		return false, time.Time{}
	}
	at = first.Add(a.opt.Tuning.Gather)
	return !now.Before(at), at
}

// doClients tells the plugin of changes. Those of a call that failed are told
// once more one by one, then they are dead letters.
func (a *Actor) doClients(ctx context.Context) {
	l := &a.loop
	if len(l.changes) == 0 {
		l.changes = a.people.take(changesACall)
	}
	i, ok := a.ensure(ctx)
	if !ok {
		return
	}
	given := l.changes
	if given[0].failed {
		given = given[:1]
	}
	msg := wire.ClientChanges{Changes: make([]wire.ClientChange, len(given))}
	for n := range given {
		msg.Changes[n] = given[n].ClientChange
	}
	err := i.do(ctx, &work{op: hostapi.OpClients, in: msg.Append(nil), limit: i.v.Limits.Events})
	switch {
	case err == nil:
		l.pause = 0
	case isAway(err):
		a.holdOff(err)
		return
	default:
		if isCrash(err) {
			a.lose(ctx, err)
		}
		if isUnknown(err) {
			for n := range given {
				a.bury(ctx, deadChange(i.v, &given[n].ClientChange, err))
			}
			break
		}
		if !given[0].failed {
			for n := range given {
				given[n].failed = true
			}
			return
		}
		if !a.bury(ctx, deadChange(i.v, &given[0].ClientChange, err)) {
			return
		}
	}
	if l.changes = l.changes[len(given):]; len(l.changes) == 0 {
		l.changes = nil
	}
}
