package run

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// ErrClosed says that the actor has been closed.
var ErrClosed = errors.New("the plugin has been stopped")

// How many requests, and how many actions, may wait for the main instance.
// Further ones wait to wait, as long as they may.
const waiting = 1024

// phase is what an actor's goroutine does with work.
type phase int32

const (
	phaseOff    phase = iota // not active yet: work waits
	phaseActive              // there is an instance, or one is made at once
	phaseIdle                // instance and code are made when work comes
	phaseBroken              // work is refused, or waits, until the circuit closes
	phaseEnded               // closed
)

// Actor runs one plugin.
type Actor struct {
	opt    Options
	log    *slog.Logger
	lane   *lane // of the main instance
	met    *meter
	tracer trace.Tracer

	cur     atomic.Pointer[Version] // in force
	turns   atomic.Pointer[[]turn]  // oldest first, by bound; nil: none
	newest  atomic.Int64            // highest id of an event that was queued
	phase   atomic.Int32
	retryAt atomic.Int64 // of phaseBroken: about when it is tried again, ns since 1970
	q       *queue
	sched   *schedule
	people  people
	reqs    chan *job
	acts    chan *job
	orders  chan *order
	wake    chan struct{} // holds a value when there may be work of another kind
	pool    *pool
	filters atomic.Pointer[filters]
	circuit circuit

	cancel context.CancelFunc // ends whatever the goroutine is doing
	done   chan struct{}      // closed when the goroutine has ended
	helps  sync.WaitGroup     // goroutines beside it

	instances atomic.Int64
	known     sync.Map // *instance → struct{}, for their memory
	used      atomic.Int64
	lagged    atomic.Int64 // when the queue was last full, ns since 1970
	inCalls   atomic.Int64 // ns spent in calls
	effects   atomic.Int64 // calls that may have changed something, since the version came into force

	loop loop // of the goroutine alone
}

// New makes an actor of a prepared version and starts its goroutine. Events
// queue and requests wait until Activate.
func New(opt Options, v *Version) *Actor {
	opt.Tuning.setDefaults()
	if opt.Report == nil {
		opt.Report = func(Change) {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	a := &Actor{
		opt: opt, log: opt.Log, lane: &lane{}, tracer: tracerOf(opt.Tracer),
		q: newQueue(v.Limits.QueueEvents, v.Limits.QueueBytes), sched: newSchedule(),
		reqs: make(chan *job, waiting), acts: make(chan *job, waiting),
		orders: make(chan *order), wake: make(chan struct{}, 1),
		cancel: cancel, done: make(chan struct{}),
	}
	a.circuit.tune = &a.opt.Tuning
	a.cur.Store(v)
	a.pool = newPool(a)
	a.touch()
	opt.Metrics.add(a) // last: a scrape may come at once
	a.loop.number = uint64(opt.Now().UnixMicro())
	go func() {
		defer close(a.done)
		a.run(ctx)
	}()
	return a
}

// Version gives the version in force.
func (a *Actor) Version() *Version { return a.cur.Load() }

// Activate makes the version's first instance and starts the deliveries. timers
// are the plugin's rows of the store. After an error the actor is as before.
func (a *Actor) Activate(ctx context.Context, timers []store.Timer) error {
	v := a.cur.Load()
	// The code is loaded here, so that the goroutine need not wait for it.
	if _, err := v.Code.Acquire(ctx); err != nil {
		return err
	}
	defer a.release(ctx, v)
	return a.order(ctx, func(own context.Context) error {
		// The end of either cuts the guest's start, which may take as long as its
		// limits say.
		own, cancel := context.WithCancel(own)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		return a.activate(own, v, timers)
	})
}

func (a *Actor) activate(ctx context.Context, v *Version, timers []store.Timer) error {
	if a.is(phaseActive) || a.is(phaseIdle) {
		return errors.New("the plugin is active already")
	}
	a.report(Compiled, "", time.Time{})
	i, err := a.startInstance(ctx, v, wire.RoleMain, "", a.lane)
	if err != nil {
		return err
	}
	if err := i.health(ctx, false); err != nil {
		i.close(ctx)
		return err
	}
	f, err := a.newFilters(ctx, v)
	if err != nil {
		i.close(ctx)
		return err
	}
	a.filters.Store(f)
	a.loop.main = i
	a.report(Warm, "", time.Time{})
	for _, t := range timers {
		a.sched.set(timer{Timer: t})
	}
	a.sched.setFixed(v.Manifest.Timers, a.opt.Now())
	a.loop.healthAt = time.Now().Add(a.opt.Tuning.HealthEvery)
	a.loop.durable.begin(a, v)
	a.touch()
	a.set(phaseActive)
	a.report(Active, "", time.Time{})
	return nil
}

func (a *Actor) release(ctx context.Context, v *Version) {
	if err := v.Code.Release(context.WithoutCancel(ctx)); err != nil {
		a.log.Warn("plugin code was not given up", "error", err)
	}
}

// Offer shows the actor events that were routed: those that a subscription
// chooses are queued. It never waits. The slice is the caller's; the events must
// not change any more.
func (a *Actor) Offer(evs []*hostapi.Event) {
	v := a.cur.Load()
	s := v.subs
	turned := a.turns.Load() != nil
	if s.live == 0 && !turned || a.is(phaseEnded) {
		return
	}
	var buf [32]entry
	list := buf[:0]
	newest := int64(0)
	for _, e := range evs {
		var prev *subscriptions
		if turned {
			prev = a.before(e)
		}
		if bits := a.fromMemory(e, prev, s); bits != 0 {
			list = append(list, entry{e, s, bits})
			newest = max(newest, int64(e.ID))
		}
	}
	if len(list) == 0 {
		return
	}
	for old := a.newest.Load(); newest > old && !a.newest.CompareAndSwap(old, newest); old = a.newest.Load() {
	}
	dropped := 0
	if s.limit != nil {
		if n := s.allowed(len(list)); n < len(list) {
			dropped, list = len(list)-n, list[:n]
			a.q.giveBack(uint64(dropped))
		}
	}
	if a.is(phaseBroken) && !v.hold() {
		a.met.missed.Add(uint64(dropped + len(list)))
		a.q.giveBack(uint64(len(list)))
		return
	}
	if full := a.q.put(list); full > 0 {
		dropped += full
		a.lagged.Store(a.opt.Now().UnixNano())
	}
	a.met.missed.Add(uint64(dropped))
	a.signal()
}

// TimersChanged tells of timers that a commit set or cancelled.
func (a *Actor) TimersChanged(timers []store.Timer) {
	for _, t := range timers {
		if t.Cancelled {
			a.sched.drop(t.Name, t.Revision)
		} else {
			a.sched.set(timer{Timer: t})
		}
	}
	a.signal()
}

// ClientsChanged tells of clients that came, changed or went. It does nothing
// when the plugin does not want to know.
func (a *Actor) ClientsChanged(changes []wire.ClientChange) {
	v := a.cur.Load()
	if !v.Manifest.Clients || a.is(phaseEnded) {
		return
	}
	lost, begun := a.people.put(changes, v)
	if lost > 0 {
		a.log.Warn("plugin lost changes of clients", "changes", lost)
	}
	if begun {
		a.signal()
	}
}

// GroupsChanged says that groups have other names: which sets a pattern means
// is looked up anew.
func (a *Actor) GroupsChanged() {
	v := a.cur.Load()
	v.subs.forget()
	for i := range v.gates {
		v.gates[i].forget()
	}
	v.people.forget()
}

// Close ends the plugin: the call at hand ends, those that wait are answered
// with Retry, the guest is told to stop. When ctx ends first, the call at hand is
// cut. Close returns when everything of the actor has ended; later calls do
// nothing.
func (a *Actor) Close(ctx context.Context) error {
	stop := context.AfterFunc(ctx, a.cancel)
	defer stop()
	select {
	case a.orders <- &order{end: true}:
	case <-a.done:
	}
	<-a.done
	a.helps.Wait()
	return nil
}

// Unload makes the plugin give up instance and code if that loses nothing and
// it has nothing to do. It says whether that was so.
func (a *Actor) Unload(ctx context.Context) bool {
	err := a.order(ctx, func(ctx context.Context) error {
		if !a.canUnload() || !a.quiet() {
			return errors.New("busy")
		}
		a.unload(ctx, "its code was needed less than that of others")
		return nil
	})
	return err == nil
}

// order is something that the actor's goroutine is to do between two calls.
type order struct {
	do   func(ctx context.Context) error
	end  bool
	done chan error
}

var errNoTurn = errors.New("the plugin did not come to the end of a call in time")

// order has the goroutine do something, before any other work.
func (a *Actor) order(ctx context.Context, do func(ctx context.Context) error) error {
	o := &order{do: do, done: make(chan error, 1)}
	select {
	case a.orders <- o:
	case <-a.done:
		return ErrClosed
	case <-ctx.Done():
		return errNoTurn
	}
	return <-o.done
}

func (a *Actor) signal() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *Actor) is(p phase) bool { return phase(a.phase.Load()) == p }
func (a *Actor) set(p phase)     { a.phase.Store(int32(p)) }
func (a *Actor) touch()          { a.used.Store(time.Now().UnixNano()) }

func (a *Actor) report(s State, reason string, retry time.Time) {
	a.opt.Report(Change{At: a.opt.Now(), State: s, Version: a.cur.Load().Manifest.Version, Reason: reason, Retry: retry})
}
