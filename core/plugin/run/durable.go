package run

import (
	"context"
	"fmt"
	"time"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// How far the reading of the archive may be ahead of the stored cursor when no
// event of it concerns the plugin.
const (
	cursorPages = 50
	cursorSpan  = 10 * time.Second
)

// durable feeds the durable subscriptions out of the archive. The place up to
// which the plugin has handled events is committed together with the effects of
// handling them. It belongs to the actor's goroutine.
type durable struct {
	wanted bool
	more   bool // there may be events behind the cursor
	known  bool // cursor has been read
	cursor store.Cursor
	loose  int // pages read since the cursor was stored
	stored time.Time
	steps  int    // events that are still read one by one, as the plugin failed on their batch
	number uint64 // of the delivery

	news <-chan struct{}
	stop func()
}

// begin starts or stops the reading for a version. After a turn it goes on for the
// events that the version before has not had yet.
func (d *durable) begin(a *Actor, v *Version) {
	d.wanted = v.subs.durable != 0 && a.opt.Archive != nil || d.stop != nil && a.turns.Load() != nil
	switch {
	case d.wanted && d.stop == nil:
		d.news, d.stop = a.opt.Archive.Committed()
		d.more = true
	case !d.wanted && d.stop != nil:
		d.end()
	}
}

func (d *durable) end() {
	if d.stop != nil {
		d.stop()
	}
	d.news, d.stop, d.more = nil, nil, false
}

func (d *durable) ready() bool {
	if !d.wanted {
		return false
	}
	if !d.more {
		select {
		case <-d.news:
			d.more = true
		default:
		}
	}
	return d.more
}

// doDurable gives the plugin what is next in the archive. It is false when there
// was nothing.
func (a *Actor) doDurable(ctx context.Context) bool {
	d, v := &a.loop.durable, a.cur.Load()
	if err := a.seek(ctx); err != nil {
		a.holdOff(err)
		return true
	}
	limit := v.Limits.BatchEvents
	if d.steps > 0 {
		limit = 1
	}
	page, next, err := a.opt.Archive.After(ctx, d.cursor, limit)
	if err != nil {
		a.holdOff(fmt.Errorf("read the archive: %w", err))
		return true
	}
	if len(page) == 0 {
		d.more, d.steps = false, 0
		a.settleTurns()
		return a.saveCursor(ctx, v)
	}
	var list []entry
	for i := range page {
		e, err := eventOf(&page[i])
		if err != nil {
			a.log.Warn("an event of the archive cannot be read and is passed over", "event", page[i].ID.String(), "error", err)
			continue
		}
		if bits := a.fromArchive(e, a.before(e), v.subs); bits != 0 {
			list = append(list, entry{e, v.subs, bits})
		}
	}
	if len(list) == 0 {
		a.passOver(next, len(page))
		a.saveCursor(ctx, v)
		return true
	}
	a.giveDurable(ctx, v, list, next, len(page))
	return true
}

// seek finds where the plugin is: at the first activation at the archive's end,
// which is stored at once, so that a server that dies starts from there.
func (a *Actor) seek(ctx context.Context) error {
	d := &a.loop.durable
	if d.known {
		return nil
	}
	at, err := a.opt.Store.Cursor(ctx, a.opt.Name)
	if store.CodeOf(err) == store.NotFound {
		if at, err = a.opt.Archive.End(ctx); err != nil {
			return fmt.Errorf("find the archive's end: %w", err)
		}
		d.cursor = at
		if err := a.commitCursor(ctx, a.cur.Load(), nil); err != nil {
			return err
		}
		d.known = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the cursor: %w", err)
	}
	d.cursor, d.known, d.stored = at, true, time.Now()
	return nil
}

// passOver goes on without the plugin.
func (a *Actor) passOver(next store.Cursor, events int) {
	d := &a.loop.durable
	d.cursor = next
	d.loose++
	d.steps = max(0, d.steps-events)
}

// saveCursor stores the cursor when it has moved far or long ago. It says
// whether it tried.
func (a *Actor) saveCursor(ctx context.Context, v *Version) bool {
	d := &a.loop.durable
	if d.loose == 0 || d.loose < cursorPages && time.Since(d.stored) < cursorSpan {
		return false
	}
	if err := a.commitCursor(ctx, v, nil); err != nil {
		a.holdOff(err)
	}
	return true
}

// commitCursor stores the place, and with it what the plugin failed on there.
func (a *Actor) commitCursor(ctx context.Context, v *Version, dead *store.DeadLetter) error {
	d := &a.loop.durable
	c := v.Calls.Begin(optionsOf(hostapi.OpEvents, a.lane))
	defer c.Discard()
	if err := c.SetCursor(d.cursor); err != nil {
		return err
	}
	if dead != nil {
		if err := c.AddDeadLetter(*dead); err != nil {
			return err
		}
	}
	if err := c.Commit(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("store the cursor: %w", err)
	}
	d.loose, d.stored = 0, time.Now()
	if dead != nil {
		a.buried(dead)
	}
	return nil
}

// giveDurable calls the plugin with events of one page and moves the cursor
// behind the page in the same commit. When the plugin fails, the events of the
// page are read once more one by one.
func (a *Actor) giveDurable(ctx context.Context, v *Version, list []entry, next store.Cursor, page int) {
	d := &a.loop.durable
	i, ok := a.ensure(ctx)
	if !ok {
		return
	}
	attempt := 1
	if d.steps == 0 {
		attempt = 0
		a.loop.number++
		d.number = a.loop.number
	}
	_, err := a.callEvents(ctx, i, batch{
		list: list, number: d.number, attempt: attempt, whole: true,
		stage: func(c Call) error { return c.SetCursor(next) },
	})
	if isAway(err) {
		a.holdOff(err)
		return
	}
	if isUnknown(err) {
		// The stored cursor tells whether it was committed.
		d.known = false
		a.holdOff(err)
		return
	}
	if isCrash(err) {
		a.lose(ctx, err)
	}
	switch {
	case err == nil:
		a.loop.pause = 0
		a.passOver(next, page)
		d.loose, d.stored = 0, time.Now()
	case attempt == 0:
		d.steps = page
	default:
		before := d.cursor
		a.passOver(next, page)
		dead := a.dead(deadEvent(v, list[0].e, err))
		if err := a.commitCursor(ctx, v, &dead); err != nil {
			// The event is given once more when the database is back, unless the
			// cursor has been stored.
			d.cursor, d.steps, d.known = before, d.steps+page, !isUnknown(err)
			a.holdOff(err)
		}
	}
}

// eventOf makes an event out of a stored one.
func eventOf(s *store.Stored) (*hostapi.Event, error) {
	e := &hostapi.Event{
		XML: s.XML, ID: s.ID, Recv: int64(s.Recv), Conn: s.Conn, User: s.User, Client: s.Client, Groups: s.Groups, Hops: s.Hops, Via: s.Via,
	}
	for o := hostapi.FromClient; o <= hostapi.FromPeer; o++ {
		if o.String() == s.Origin {
			e.Origin = o
		}
	}
	if err := cot.Scan(s.XML, &e.Header); err != nil {
		return nil, err
	}
	return e, nil
}
