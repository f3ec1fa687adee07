package run

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// DetailRetryAfter names the detail of a Retry answer that says after how many
// seconds to come again.
const DetailRetryAfter = "retry_after"

// RetryAfter reads that detail; 0: there is none.
func RetryAfter(err error) time.Duration {
	var e *call.StatusError
	if errors.As(err, &e) {
		for _, d := range e.Details {
			if n, err := strconv.Atoi(d.Value); d.Name == DetailRetryAfter && err == nil {
				return time.Duration(n) * time.Second
			}
		}
	}
	return 0
}

// notNow is the answer while the plugin cannot take a call.
func (a *Actor) notNow() error {
	after, msg := time.Second, "the plugin "+a.opt.Name+" is busy or starting: try again"
	switch phase(a.phase.Load()) {
	case phaseBroken:
		after = max(after, time.Until(time.Unix(0, a.retryAt.Load())))
		msg = "the plugin " + a.opt.Name + " crashed too often and is left alone for a while"
	case phaseEnded:
		msg = "the plugin " + a.opt.Name + " has been stopped"
	}
	seconds := int64((after + time.Second - 1) / time.Second)
	return &call.StatusError{Status: hostapi.Retry, Message: msg, Details: []wire.Pair{{Name: DetailRetryAfter, Value: strconv.FormatInt(seconds, 10)}}}
}

// job is a call of the main instance that somebody waits for.
type job struct {
	do   func(ctx context.Context, i *instance) error
	ctx  context.Context // of whoever waits: bounds the call if cut
	cut  bool            // the call ends with ctx; otherwise it is completed
	stay bool            // whoever waits must know how the call ended, also when ctx has
	took atomic.Bool
	err  error
	done chan struct{}

	short bool // whoever asked had so little time left that running out of it is no fault
}

// claim says that the job is the caller's to finish: the goroutine's, or that of
// a waiter who gives up.
func (j *job) claim() bool { return j.took.CompareAndSwap(false, true) }

func (j *job) finish(err error) {
	j.err = err
	close(j.done)
}

// submit puts a job into a queue and waits for its end: up to wait until the
// goroutine takes it, and from then on to its end, or to the end of ctx if the
// job does not need it.
func (a *Actor) submit(ctx context.Context, queue chan *job, wait time.Duration, j *job) error {
	if a.is(phaseBroken) || a.is(phaseEnded) {
		return a.notNow()
	}
	j.ctx, j.done = ctx, make(chan struct{})
	patience := time.NewTimer(wait)
	defer patience.Stop()
	select {
	case queue <- j:
	case <-patience.C:
		return a.notNow()
	case <-a.done:
		return a.notNow()
	case <-ctx.Done():
		return ctx.Err()
	}
	var err error
	select {
	case <-j.done:
		return j.err
	case <-patience.C:
		err = a.notNow()
	case <-a.done:
		err = a.notNow()
	case <-ctx.Done():
		err = ctx.Err()
	}
	if j.claim() {
		return err
	}
	if j.cut || j.stay { // what the job uses is the waiter's
		<-j.done
		return j.err
	}
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// doJob runs a job on the main instance.
func (a *Actor) doJob(ctx context.Context, j *job) {
	if j.took.Load() {
		return
	}
	var i *instance
	ok := a.is(phaseActive) || a.is(phaseIdle)
	if ok {
		// Whoever waits may give up while the plugin is made ready.
		i, ok = a.ensure(ctx)
	}
	if !j.claim() {
		return
	}
	if !ok {
		j.finish(a.notNow())
		return
	}
	ctx = spanOf(ctx, j.ctx)
	if j.cut {
		var stop context.CancelFunc
		ctx, stop = context.WithCancel(ctx)
		defer stop()
		defer context.AfterFunc(j.ctx, stop)()
	}
	err := j.do(ctx, i)
	if isCrash(err) {
		if j.cut && j.ctx.Err() != nil || j.short && guest.ReasonOf(err) == guest.Deadline {
			a.cutOff(ctx, err)
		} else {
			a.lose(context.WithoutCancel(ctx), err)
		}
		err = &call.StatusError{Status: hostapi.Failed, Message: "the plugin crashed", Err: err}
	}
	if isAway(err) {
		err = awayError(err)
	}
	j.finish(err)
}

// awayError is the answer to somebody whose call cannot be completed now.
func awayError(err error) error {
	return &call.StatusError{Status: hostapi.Retry, Message: "the database does not answer: try again", Err: err,
		Details: []wire.Pair{{Name: DetailRetryAfter, Value: "1"}}}
}

// cutOff throws the main instance away because whoever asked had no time left,
// which is not its fault.
func (a *Actor) cutOff(ctx context.Context, err error) {
	i := a.loop.main
	a.loop.main = nil
	i.close(ctx)
	a.log.Debug("plugin instance was cut off: its caller's time was over", "error", err)
}

// act runs an action of this plugin for another one. begin makes the child of
// the other's call; from is what runs that one.
func (a *Actor) act(ctx context.Context, from *lane, action *wire.Action, begin func(*Version) Call) (*wire.ActionResult, error) {
	if from != nil {
		if !a.opt.Waits.enter(from, a.lane) {
			from.lost.Store(true)
			return nil, waitsConflict()
		}
		defer a.opt.Waits.leave(from)
	}
	// The caller keeps a part of its time, to deal with an action that does not
	// come or does not end.
	wait := a.opt.Tuning.WaitHTTP
	end, bounded := ctx.Deadline()
	if bounded {
		left := time.Until(end)
		wait, end = min(wait, left/2), end.Add(-left/10)
	}
	var result wire.ActionResult
	j := &job{cut: true}
	j.do = func(ctx context.Context, i *instance) error {
		v := i.v
		limit := v.Limits.HTTP
		if bounded {
			limit = min(limit, time.Until(end))
			j.short = limit < v.Limits.Events/2
		}
		return i.do(ctx, actionWork(action, &result, limit, func() Call { return begin(v) }))
	}
	err := a.submit(ctx, a.acts, wait, j)
	if errors.Is(err, errLost) {
		if from != nil {
			from.lost.Store(true)
		}
		err = waitsConflict()
	}
	if err != nil {
		return nil, err
	}
	return &result, nil
}

func actionWork(action *wire.Action, result *wire.ActionResult, limit time.Duration, begin func() Call) *work {
	return &work{
		op: hostapi.OpAction, in: action.Append(nil), limit: limit, begin: begin, child: begin != nil,
		read: func(_ Call, out []byte) error {
			if len(out) > hostapi.DefaultBodyOut {
				return &call.StatusError{Status: hostapi.Limit, Message: "the answer of the action is too large"}
			}
			return result.Decode(append([]byte(nil), out...))
		},
	}
}

// Act runs an action of the plugin that was asked for from outside, in a
// transaction of its own. a has the action's name without the plugin. A guest's
// refusal is a *call.StatusError.
func (a *Actor) Act(ctx context.Context, action *wire.Action, readOnly bool) (*wire.ActionResult, error) {
	var result wire.ActionResult
	err := a.submit(ctx, a.reqs, a.opt.Tuning.WaitHTTP, &job{do: func(ctx context.Context, i *instance) error {
		w := actionWork(action, &result, i.v.Limits.HTTP, nil)
		w.opt = call.Options{Caller: action.Caller, ReadOnly: readOnly}
		return i.do(ctx, w)
	}})
	if err != nil {
		return nil, err
	}
	return &result, nil
}

// Redeliver gives the plugin an event that it failed on before, or a timer: what
// a dead letter holds. The error says why it failed again; it does not become a
// dead letter once more.
func (a *Actor) Redeliver(ctx context.Context, e *hostapi.Event) error {
	return a.submit(ctx, a.reqs, a.opt.Tuning.WaitHTTP, &job{do: func(ctx context.Context, i *instance) error {
		s := i.v.subs
		bits := s.match(e, a.opt.Name, s.live|s.durable)
		if bits == 0 {
			return &call.StatusError{Status: hostapi.NotFound, Message: "no subscription of the plugin chooses the event any more"}
		}
		a.loop.number++
		_, err := a.callEvents(ctx, i, batch{list: []entry{{e, s, bits}}, number: a.loop.number, attempt: 1, strict: true})
		return err
	}})
}

// RedeliverTimer calls the plugin for a timer that it failed on before.
func (a *Actor) RedeliverTimer(ctx context.Context, t store.Timer) error {
	return a.submit(ctx, a.reqs, a.opt.Tuning.WaitHTTP, &job{do: func(ctx context.Context, i *instance) error {
		msg := wire.Timer{Name: t.Name, Due: t.Due.UnixMicro(), Data: t.Data}
		return i.do(ctx, &work{op: hostapi.OpTimer, in: msg.Append(nil), limit: i.v.Limits.Events})
	}})
}
