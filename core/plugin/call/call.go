package call

import (
	"context"
	"errors"
	"slices"

	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Options say what a call is for.
type Options struct {
	Op       hostapi.GuestOp
	Caller   *wire.Caller     // nil: the plugin itself, for a timer, an event …
	ReadOnly bool             // nothing may be staged
	Trial    bool             // reads work, all effects are thrown away, http.client is refused
	Pure     bool             // of a filter: no operations but those that are always granted
	Events   []*hostapi.Event // that the guest is given: what "as event" of an audience may name
	Hops     uint8            // of the event given that passed through the most plugins

	// Lane is for whoever runs the call and is handed on to the call's children.
	Lane any
}

// Call is one call of a guest. It implements guest.Host. It belongs to one
// goroutine at a time.
type Call struct {
	p      *Plugin
	opt    Options
	parent *Call // of an action of another plugin
	root   *Call // whose work and effects these are
	depth  int   // actions above this call

	ops       int // operations served
	emits     int // events staged
	emitBytes int
	lives     int // live updates staged
	liveBytes int
	ended     bool

	// Of the root.
	work    *store.Work
	effects effects
	hold    *store.Hold // of files that the call has written; nil: none
}

// effects wait for the commit.
type effects struct {
	events  []emission
	updates []Update
}

type emission struct {
	event *hostapi.Event
	to    route.Audience
	p     *Plugin
}

// Begin begins a call. It must end with Commit or Discard.
func (p *Plugin) Begin(o Options) *Call {
	c := &Call{p: p, opt: o}
	c.root = c
	return c
}

// Child begins the call of an action of p inside c. What is read-only, a trial or
// pure in c is so in the child too; without another caller, its own is that of c
// with c's plugin on the way. It is never committed; whoever made it discards it
// when the callee has answered, which only ends it.
func (c *Call) Child(p *Plugin, o Options) *Call {
	o.ReadOnly = o.ReadOnly || c.opt.ReadOnly
	o.Trial = o.Trial || c.opt.Trial
	o.Pure = o.Pure || c.opt.Pure
	o.Hops = max(o.Hops, c.opt.Hops)
	if o.Events == nil {
		o.Events = c.opt.Events
	}
	if o.Lane == nil {
		o.Lane = c.opt.Lane
	}
	if o.Caller == nil {
		o.Caller = c.handOn()
	}
	return &Call{p: p, opt: o, parent: c, root: c.root, depth: c.depth + 1}
}

// Plugin gives whose call it is.
func (c *Call) Plugin() *Plugin { return c.p }

// Options gives what the call was begun with.
func (c *Call) Options() Options { return c.opt }

// Work gives the transaction of the call, for rows of the host's own that belong
// into the same commit: a timer that fired, a cursor.
func (c *Call) Work() *store.Work {
	if c.root.work == nil {
		c.root.work = c.p.env.Store.Begin()
	}
	return c.root.work
}

// Staged says whether a commit would have an effect.
func (c *Call) Staged() bool {
	r := c.root
	return r.work != nil && r.work.Staged() || len(r.effects.events) > 0 || len(r.effects.updates) > 0
}

var errEnded = errors.New("the call has ended")

// Commit makes all effects so, see the package's comment. After a store.Error
// of code Conflict, somebody else was faster and the whole call is to be made
// again; after any error nothing has taken effect. Of a trial nothing does
// either, and the error is nil.
func (c *Call) Commit(ctx context.Context) error {
	if c.parent != nil {
		return errors.New("commit: an action is committed with the call that asked for it")
	}
	if c.ended {
		return errEnded
	}
	c.ended = true
	if c.opt.Trial {
		c.drop()
		return nil
	}
	if c.work != nil && c.work.Staged() {
		done, err := c.work.Commit(ctx)
		if err != nil {
			c.drop()
			return err
		}
		c.p.env.InForce(done)
	}
	if c.hold != nil {
		c.hold.End()
	}
	c.p.env.send(c.effects.events)
	if len(c.effects.updates) > 0 {
		c.p.env.Live.Publish(c.effects.updates)
	}
	c.drop()
	return nil
}

// Discard ends the call and throws the effects away. It does nothing after
// Commit. What a child has staged stays with its parent.
func (c *Call) Discard() {
	c.ended = true
	if c.parent == nil {
		c.drop()
	}
}

func (c *Call) drop() {
	c.work, c.effects = nil, effects{}
	c.dropFiles()
}

// send hands events to the router, in their order, in runs of the same
// audience.
func (e *Env) send(list []emission) {
	for len(list) > 0 {
		n := 1
		for n < len(list) && sameAudience(&list[n].to, &list[0].to) {
			n++
		}
		evs := make([]*hostapi.Event, n)
		for i := range evs {
			evs[i] = list[i].event
			list[i].p.acct.sent(1)
		}
		e.Router.Emit(evs, list[0].to)
		list = list[n:]
	}
}

func sameAudience(a, b *route.Audience) bool {
	return a.Groups == b.Groups && slices.Equal(a.UIDs, b.UIDs) && slices.Equal(a.Callsigns, b.Callsigns) &&
		slices.Equal(a.Topics, b.Topics) && slices.Equal(a.Except, b.Except)
}

// mark is a state of a call to which undo goes back.
type mark struct{ work, events, updates int }

func (c *Call) mark() mark {
	return mark{c.Work().Mark(), len(c.root.effects.events), len(c.root.effects.updates)}
}

func (c *Call) undo(m mark) {
	e := &c.root.effects
	c.root.work.Undo(m.work)
	clear(e.events[m.events:])
	clear(e.updates[m.updates:])
	e.events, e.updates = e.events[:m.events], e.updates[:m.updates]
}

// chain says whether a plugin is at work in this call or above it.
func (c *Call) chain(plugin string) bool {
	for ; c != nil; c = c.parent {
		if c.p.spec.Name == plugin {
			return true
		}
	}
	return false
}
