package run

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// instance is a running guest with what the actor knows of it. One goroutine
// uses it at a time.
type instance struct {
	a     *Actor
	v     *Version
	guest guest.Instance
	port  port
	lane  *lane
	born  time.Time
	buf   []byte // of answers
	dead  bool   // a call failed

	memory  atomic.Int64 // bytes, as of the last look
	looked  time.Time
	isReady bool       // init has been answered
	reach   *[]BaseURL // of which it was told

	writer hostapi.BatchWriter // of a filter
}

// port leads the operations of an instance to the call at hand.
type port struct{ call atomic.Pointer[Call] }

func (p *port) Serve(ctx context.Context, op hostapi.HostOp, in, dst []byte) ([]byte, hostapi.Status) {
	c := p.call.Load()
	if c == nil {
		e := wire.Error{Message: "no call is in progress"}
		return e.Append(dst), hostapi.Failed
	}
	return (*c).Serve(ctx, op, in, dst)
}

// newInstance makes an instance that has answered nothing yet. It holds the code
// until it is closed.
func (a *Actor) newInstance(ctx context.Context, v *Version, l *lane) (*instance, error) {
	ctx, cancel := context.WithTimeout(ctx, v.Limits.Init)
	defer cancel()
	mod, err := v.Code.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	i := &instance{a: a, v: v, lane: l, born: a.opt.Now()}
	if i.guest, err = mod.New(ctx, &i.port); err != nil {
		return nil, errors.Join(fmt.Errorf("make an instance: %w", err), v.Code.Release(context.WithoutCancel(ctx)))
	}
	a.instances.Add(1)
	a.track(i, true)
	i.look()
	return i, nil
}

// init is the guest's start. What it stages stays in the call that is given
// back, for the caller to commit or discard.
func (i *instance) init(ctx context.Context, role wire.Role, from string, trial bool) (Call, error) {
	c := i.v.Calls.Begin(call.Options{Op: hostapi.OpInit, Trial: trial})
	out, s, err := i.call(ctx, c, hostapi.OpInit, i.greet(i.v, role, from), i.v.Limits.Init)
	if err == nil {
		err = refusal(s, out)
	}
	if err != nil {
		c.Discard()
		return nil, err
	}
	i.isReady = true
	return c, nil
}

// call asks one operation of the guest. An error means that the instance is
// dead; it is a *guest.Crash. The answer is good until the next call.
func (i *instance) call(ctx context.Context, c Call, op hostapi.GuestOp, in []byte, limit time.Duration) (out []byte, s hostapi.Status, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ctx, span := i.traceCall(ctx, op, in)
	i.port.call.Store(&c)
	began := time.Now()
	defer func() {
		i.port.call.Store(nil)
		if r := recover(); r != nil {
			err = &guest.Crash{Op: op, Reason: guest.Trapped, Err: fmt.Errorf("panic in the runtime: %v", r), Output: string(debug.Stack())}
		}
		endSpan(span, s, err)
		i.dead = i.dead || err != nil
		i.a.called(op, time.Since(began), err)
	}()
	out, s, err = i.guest.Call(ctx, op, in, i.buf[:0])
	if err != nil {
		var crash *guest.Crash
		if !errors.As(err, &crash) {
			err = &guest.Crash{Op: op, Reason: guest.Trapped, Err: err}
		}
		return nil, 0, err
	}
	if cap(out) <= 1<<20 {
		i.buf = out
	}
	if now := time.Now(); now.Sub(i.looked) > time.Second {
		i.looked = now
		i.look()
	}
	return out, s, nil
}

func (i *instance) look() { i.memory.Store(i.guest.Memory()) }

// worn says that the instance is to be replaced: its memory, which never
// shrinks, came near its limit, or it is old. One that needs that much from the
// start is left alone for a while.
func (i *instance) worn(now time.Time) bool {
	age := now.Sub(i.born)
	return age > time.Minute && i.memory.Load() > i.v.Limits.Memory/4*3 || age > i.a.opt.Tuning.Recycle
}

// stop tells the guest that it is not called again, and closes it.
func (i *instance) stop(ctx context.Context) { i.finish(ctx, false) }

// dismiss is stop for an instance in whose place another one has been at work:
// what it would store now is out of date, and is thrown away.
func (i *instance) dismiss(ctx context.Context) { i.finish(ctx, true) }

func (i *instance) finish(ctx context.Context, late bool) {
	if i.isReady && !i.dead {
		c := i.v.Calls.Begin(call.Options{Op: hostapi.OpStop, Trial: late})
		_, s, err := i.call(ctx, c, hostapi.OpStop, nil, i.v.Limits.Health)
		if err == nil && s == hostapi.OK {
			err = c.Commit(ctx)
		} else {
			c.Discard()
		}
		if err != nil {
			i.a.log.Warn("plugin did not stop by itself", "error", err)
		}
	}
	i.close(ctx)
}

// close ends the instance at once.
func (i *instance) close(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	if err := i.guest.Close(ctx); err != nil {
		i.a.log.Debug("plugin instance did not close cleanly", "error", err)
	}
	i.a.instances.Add(-1)
	i.a.track(i, false)
	if err := i.v.Code.Release(ctx); err != nil {
		i.a.log.Warn("plugin code was not given up", "error", err)
	}
}
