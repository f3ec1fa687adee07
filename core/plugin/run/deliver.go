package run

import (
	"context"
	"errors"
	"time"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// careful is an event that the plugin failed on once. It is given once more,
// alone, before any event behind it.
type careful struct {
	entry
	number uint64 // of the delivery in which it failed
}

// eventsReady says whether events are to be given now; if not, at is when, zero
// for never.
func (a *Actor) eventsReady(now time.Time) (ready bool, at time.Time) {
	l := &a.loop
	if len(l.careful) > 0 || len(l.batch) > 0 {
		return true, time.Time{}
	}
	n, _ := a.q.size()
	if n == 0 {
		return false, time.Time{}
	}
	// Few events right after the last batch wait a moment for more; after a
	// pause they go at once.
	if at := l.lastEnd.Add(a.opt.Tuning.Linger); n < a.cur.Load().Limits.BatchEvents && now.Before(at) {
		return false, at
	}
	return true, time.Time{}
}

// doEvents gives the plugin the next batch, or the next event to be careful
// with.
func (a *Actor) doEvents(ctx context.Context) {
	l, v := &a.loop, a.cur.Load()
	if len(l.careful) > 0 {
		a.doCareful(ctx, v)
		return
	}
	// A batch that is still there has met a database that is away.
	if len(l.batch) == 0 {
		var missed uint64
		l.batch, missed = a.q.take(l.batch, v.Limits.BatchEvents)
		l.missed += missed
		l.number++
	}
	l.batch = a.rematch(l.batch, v)
	if len(l.batch) == 0 {
		return
	}
	i, ok := a.ensure(ctx)
	if !ok {
		return
	}
	err := a.give(ctx, i, l.batch, l.number, 0)
	l.lastEnd = time.Now()
	switch {
	case err == nil:
	case isAway(err):
		a.holdOff(err)
		return
	case isCrash(err):
		a.lose(ctx, err)
		fallthrough
	default:
		if len(l.batch) > 1 {
			a.log.Debug("plugin failed on a batch: its events are given one by one", "events", len(l.batch), "error", err)
		}
		for _, e := range l.batch {
			if isUnknown(err) {
				a.bury(ctx, deadEvent(v, e.e, err))
				continue
			}
			l.careful = append(l.careful, careful{e, l.number})
		}
	}
	clear(l.batch)
	l.batch = l.batch[:0]
}

// doCareful gives the first of the events that failed once more.
func (a *Actor) doCareful(ctx context.Context, v *Version) {
	l := &a.loop
	c := l.careful[0]
	one := a.rematch([]entry{c.entry}, v)
	if len(one) > 0 {
		i, ok := a.ensure(ctx)
		if !ok {
			return
		}
		err := a.give(ctx, i, one, c.number, 1)
		if isAway(err) {
			a.holdOff(err)
			return
		}
		if isCrash(err) {
			a.lose(ctx, err)
		}
		if err != nil && !a.bury(ctx, deadEvent(v, c.e, err)) {
			return
		}
	}
	l.careful[0] = careful{}
	if l.careful = l.careful[1:]; len(l.careful) == 0 {
		l.careful = nil
	}
}

// rematch makes entries refer to the subscriptions of v, and leaves out those
// that v does not want.
func (a *Actor) rematch(list []entry, v *Version) []entry {
	kept := list[:0]
	for _, e := range list {
		if e.subs != v.subs {
			prev := a.before(e.e)
			if prev == nil {
				prev = e.subs
			}
			e.bits, e.subs = a.fromMemory(e.e, prev, v.subs), v.subs
		}
		if e.bits != 0 {
			kept = append(kept, e)
		}
	}
	clear(list[len(kept):])
	return kept
}

// give makes the call for a live batch. Events that the plugin asks for once
// more are put among the careful ones.
func (a *Actor) give(ctx context.Context, i *instance, list []entry, number uint64, attempt int) error {
	l := &a.loop
	again, err := a.callEvents(ctx, i, batch{list: list, number: number, missed: l.missed, attempt: attempt})
	if err != nil {
		return err
	}
	l.missed, l.pause = 0, 0
	for _, n := range again {
		l.careful = append(l.careful, careful{list[n], number})
	}
	return nil
}

// batch is what one call of OpEvents is about.
type batch struct {
	list    []entry
	number  uint64
	missed  uint64
	attempt int

	stage  func(Call) error // the host's own rows; may be nil
	whole  bool             // an event to be given once more fails the batch
	strict bool             // any event left out fails the batch
}

// callEvents calls OpEvents and commits. Events that the answer leaves out for
// good become dead letters in the same commit; the numbers of those that the
// plugin wants once more are given back.
func (a *Actor) callEvents(ctx context.Context, i *instance, b batch) (again []int, err error) {
	l, v := &a.loop, i.v
	if l.wantsOf != v.subs {
		l.wantsOf, l.wants = v.subs, map[uint32]hostapi.DetailWant{}
	}
	l.writer.Reset()
	var hops uint8
	events := make([]*hostapi.Event, len(b.list))
	for n, e := range b.list {
		want, ok := l.wants[e.bits]
		if !ok {
			want = v.subs.want(e.bits)
			l.wants[e.bits] = want
		}
		l.writer.Add(e.e, want, e.bits)
		hops = max(hops, e.e.Hops)
		events[n] = e.e
	}
	var dead []store.DeadLetter
	err = i.do(ctx, &work{
		op: hostapi.OpEvents, in: l.writer.Bytes(b.number, b.missed, b.attempt), limit: v.Limits.Events,
		opt:   call.Options{Events: events, Hops: hops},
		stage: b.stage,
		read: func(c Call, out []byte) error {
			again, dead = again[:0], dead[:0]
			var result wire.BatchResult
			if err := result.Decode(out); err != nil {
				return err
			}
			if err := checkResults(&result, len(b.list)); err != nil {
				return err
			}
			for _, r := range result.Results {
				why := &call.StatusError{Status: hostapi.Status(r.Status), Message: r.Message}
				once := b.attempt == 0 && why.Status == hostapi.Retry
				switch {
				case b.strict, once && b.whole:
					return why
				case once:
					again = append(again, int(r.Event))
				default:
					d := a.dead(deadEvent(v, b.list[r.Event].e, why))
					if err := c.AddDeadLetter(d); err != nil {
						return call.StatusOf(err)
					}
					dead = append(dead, d)
				}
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	a.met.events.Add(uint64(len(b.list) - len(again) - len(dead)))
	for i := range dead {
		a.buried(&dead[i])
	}
	return again, nil
}

// checkResults refuses an answer about events that were not given, or about one
// twice, and drops those that it says are fine.
func checkResults(r *wire.BatchResult, n int) error {
	if len(r.Results) > n {
		return errors.New("has results for more events than were given")
	}
	seen := make(map[uint32]bool, len(r.Results))
	kept := r.Results[:0]
	for _, x := range r.Results {
		if int64(x.Event) >= int64(n) || seen[x.Event] {
			return errors.New("has a result for an event that was not given, or two for one")
		}
		seen[x.Event] = true
		if hostapi.Status(min(x.Status, 255)) != hostapi.OK {
			x.Status = min(x.Status, 255)
			kept = append(kept, x)
		}
	}
	r.Results = kept
	return nil
}
