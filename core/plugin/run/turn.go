package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/takhost/takhost/hostapi"
)

// A swap may turn a live subscription into a durable one, or back: then events come
// on another way, and those that are under way must neither be lost nor come on both.
// What decides is an event's id. One up to the turn's bound comes on the way on which
// the version before got its like: out of the queue, or out of the archive. Later ones
// come as the version in force has it.

// turn is such a swap.
type turn struct {
	bound hostapi.ID
	prev  *subscriptions
}

// turnAhead is how far the bound lies after the swap: every event that anybody has
// begun to offer by then has a lower id, whatever the scheduler does.
const turnAhead = time.Second

// turnLate is how long after its bound a turn is settled, once the archive has been
// read to its end: what it commits later than that has a higher id.
const turnLate = 5 * time.Second

// maxTurns bounds the turns that are remembered. Those before are long settled, if
// the archive is there at all.
const maxTurns = 16

// before gives what the version that was in force had when e was on its way; nil: the
// version in force had it.
func (a *Actor) before(e *hostapi.Event) *subscriptions {
	turns := a.turns.Load()
	if turns == nil {
		return nil
	}
	for i := range *turns {
		if t := &(*turns)[i]; e.ID <= t.bound {
			return t.prev
		}
	}
	return nil
}

// fromMemory gives the subscriptions of s that e serves on its way out of the queue.
// prev is what counted when it came, or nil.
func (a *Actor) fromMemory(e *hostapi.Event, prev, s *subscriptions) uint32 {
	among := s.live
	if prev != nil && prev.durable|s.durable != 0 {
		switch {
		case prev.match(e, a.opt.Name, prev.durable) == 0:
			among |= s.durable
		case prev.match(e, a.opt.Name, prev.live) == 0:
			return 0 // it comes out of the archive
		}
	}
	return s.match(e, a.opt.Name, among)
}

// fromArchive gives those that it serves on its way out of the archive.
func (a *Actor) fromArchive(e *hostapi.Event, prev, s *subscriptions) uint32 {
	among := s.durable
	if prev != nil {
		switch {
		case prev.match(e, a.opt.Name, prev.durable) == 0:
			return 0 // it came out of the queue, if at all
		case prev.match(e, a.opt.Name, prev.live) == 0:
			among |= s.live
		}
	}
	return s.match(e, a.opt.Name, among)
}

// beginHere makes the reading of the archive begin at its end, for a version whose
// subscription turns durable. It must be called before the turn: what the archive
// commits behind its end is the same as what comes after the bound, or is known by its
// id.
func (a *Actor) beginHere(ctx context.Context, from, v *Version) error {
	d := &a.loop.durable
	if v.subs.durable == 0 || from.subs.durable != 0 || d.stop != nil || a.opt.Archive == nil {
		return nil
	}
	at, err := a.opt.Archive.End(ctx)
	if err != nil {
		return fmt.Errorf("find the archive's end: %w", err)
	}
	before, known := d.cursor, d.known
	d.cursor = at
	if err := a.commitCursor(ctx, v, nil); err != nil {
		d.cursor, d.known = before, known
		return err
	}
	d.known = true
	return nil
}

// turnTo notes that v takes over, if that changes the way on which events come.
func (a *Actor) turnTo(v *Version) {
	from := a.cur.Load()
	if from.Manifest == v.Manifest || from.subs.durable|v.subs.durable == 0 || a.opt.Archive == nil {
		return
	}
	at := a.opt.Now()
	if newest := hostapi.ID(a.newest.Load()).Time(); newest.After(at) {
		at = newest // the clock was set back: ids go on from where they were
	}
	turns := []turn{{hostapi.NewID(at.Add(turnAhead+time.Millisecond), 0, 0) - 1, from.subs}}
	if old := a.turns.Load(); old != nil {
		turns = append(slices.Clone(*old), turns...)
	}
	turns = turns[max(0, len(turns)-maxTurns):]
	a.turns.Store(&turns)
}

// settleTurns forgets turns when the archive has been read to its end.
func (a *Actor) settleTurns() {
	turns := a.turns.Load()
	if turns == nil {
		return
	}
	last := (*turns)[len(*turns)-1].bound.Time()
	if a.opt.Now().Before(last.Add(turnLate)) {
		return
	}
	a.turns.Store(nil)
	a.loop.durable.begin(a, a.cur.Load())
}
