package run

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// How often a whole call is repeated after a conflict of its commit, and after
// it was refused an action because two plugins waited for one another.
const (
	conflictRepeats = 3
	lostRepeats     = 10
	lostWait        = 5 * time.Millisecond // for the other plugin's action to come
)

// work is one call to be made, from the first operation to the commit.
type work struct {
	op    hostapi.GuestOp
	in    []byte
	limit time.Duration
	opt   call.Options

	begin func() Call                    // nil: of the instance's version
	child bool                           // the call is part of another one, which commits
	stage func(Call) error               // stages the host's own rows; may be nil
	read  func(c Call, out []byte) error // reads the answer before it is committed; may be nil
}

// errAway says that the call cannot be completed now, mostly because the
// database does not take the commit. Nothing is wrong with the call.
type errAway struct{ err error }

func (e *errAway) Error() string { return "not now: " + e.err.Error() }
func (e *errAway) Unwrap() error { return e.err }

// isUnknown says that a commit was begun and its outcome cannot be known: what
// was called for must not be called for again, as it may have been committed.
func isUnknown(err error) bool { return errors.Is(err, store.ErrOutcome) }

func isAway(err error) bool {
	var e *errAway
	return errors.As(err, &e)
}

// do makes a call and commits it. A crash means that the instance is dead; of
// any other error it knows nothing, and nothing is committed.
func (i *instance) do(ctx context.Context, w *work) error {
	w.opt.Op, w.opt.Lane = w.op, i.lane
	conflicts, lost := 0, 0
	for {
		err := i.attempt(ctx, w)
		switch {
		case err == nil:
			return nil
		case isCrash(err):
			i.lane.lost.Store(false)
			return err
		case i.lane.lost.Swap(false):
			// The other plugin waits for this one: it gets its turn. An action is
			// repeated with the call that asked for it.
			if w.child {
				return errLost
			}
			if lost++; lost > lostRepeats {
				return waitsConflict()
			}
			i.a.giveWay(ctx, i.lane)
			i.a.met.conflicts.Add(1)
			if i.dead { // of the other's action
				return &errAway{errors.New("the instance died in between")}
			}
		case isConflict(err) && !w.child && conflicts < conflictRepeats:
			conflicts++
			i.a.met.conflicts.Add(1)
			if conflicts > 1 {
				stepAside(ctx, conflicts)
			}
		case isConflict(err):
			return &call.StatusError{Status: hostapi.Conflict, Message: "others were faster each time", Err: err}
		default:
			return err
		}
	}
}

// attempt makes the call once.
func (i *instance) attempt(ctx context.Context, w *work) error {
	var c Call
	if w.begin != nil {
		c = w.begin()
	} else {
		c = i.v.Calls.Begin(w.opt)
	}
	if !w.child {
		defer c.Discard()
	}
	if w.stage != nil {
		if err := w.stage(c); err != nil {
			return fmt.Errorf("stage: %w", err)
		}
	}
	out, s, err := i.call(ctx, c, w.op, w.in, w.limit)
	if err != nil {
		return err
	}
	if i.lane.lost.Load() {
		return errLost
	}
	if err := refusal(s, out); err != nil {
		return err
	}
	if w.read != nil {
		if err := w.read(c, out); err != nil {
			var refused *call.StatusError
			if errors.As(err, &refused) {
				return err
			}
			i.dead = true // it is not asked again, not even to stop
			return &guest.Crash{Op: w.op, Reason: guest.Broken, Err: fmt.Errorf("answer: %w", err)}
		}
	}
	if w.child {
		i.a.effects.Add(1)
		return nil
	}
	if err := committed(c.Commit(context.WithoutCancel(ctx))); err != nil {
		return err
	}
	if !w.opt.ReadOnly {
		i.a.effects.Add(1)
	}
	return nil
}

// errLost says that a call was refused an action because the other plugin
// waits for this one.
var errLost = errors.New("two plugins wait for one another")

func waitsConflict() error {
	return &call.StatusError{Status: hostapi.Conflict, Message: errLost.Error()}
}

// committed sorts the errors of a commit.
func committed(err error) error {
	switch {
	case err == nil, isConflict(err):
		return err
	case errors.Is(err, store.ErrOutcome):
		return &call.StatusError{Status: hostapi.Failed, Message: "the database went away during the commit: whether it was made is not known", Err: err}
	case store.CodeOf(err) == store.Unavailable, store.CodeOf(err) == "":
		return &errAway{err}
	}
	return call.StatusOf(err)
}

// stepAside waits a moment of chance length, so that those who want the same
// documents do not meet again and again.
func stepAside(ctx context.Context, n int) {
	t := time.NewTimer(rand.N(time.Duration(n) * 2 * time.Millisecond))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// giveWay lets other plugins' actions run before a call is made again.
func (a *Actor) giveWay(ctx context.Context, l *lane) {
	wait := time.NewTimer(lostWait)
	defer wait.Stop()
	acts := a.acts
	if l != a.lane {
		acts = nil
	}
	select {
	case j := <-acts:
		a.doJob(ctx, j)
	case <-wait.C:
	case <-ctx.Done():
	}
}

// startInstance makes an instance and has it initialised.
func (a *Actor) startInstance(ctx context.Context, v *Version, role wire.Role, from string, l *lane) (*instance, error) {
	i, err := a.newInstance(ctx, v, l)
	if err != nil {
		return nil, err
	}
	if err := i.start(ctx, role, from); err != nil {
		i.close(ctx)
		return nil, err
	}
	return i, nil
}

// start has the guest initialise itself and commits what it staged.
func (i *instance) start(ctx context.Context, role wire.Role, from string) error {
	for n := 0; ; n++ {
		c, err := i.init(ctx, role, from, false)
		if err != nil {
			return err
		}
		err = committed(c.Commit(context.WithoutCancel(ctx)))
		switch {
		case err == nil:
			return nil
		case isConflict(err) && n < conflictRepeats:
			i.a.met.conflicts.Add(1)
		default:
			return fmt.Errorf("init: %w", err)
		}
	}
}
