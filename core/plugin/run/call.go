package run

import (
	"context"
	"errors"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
)

// Calls makes the calls of one version's guest: each serves the operations that
// the guest asks of the host and holds their effects until they are committed.
// FromPlugin makes one out of a *call.Plugin. Begin is called from several
// goroutines at once.
type Calls interface {
	Begin(o call.Options) Call
}

// Call is one call of a guest. It belongs to one goroutine at a time.
type Call interface {
	guest.Host

	// SetTimer and DropTimer stage a timer's row, SetCursor the place up to which
	// the plugin has read the archive, AddDeadLetter what it failed on. They go
	// with the call's own effects.
	SetTimer(t store.Timer) error
	DropTimer(name string) error
	SetCursor(c store.Cursor) error
	AddDeadLetter(d store.DeadLetter) error

	// Commit makes all effects so. A store.Error of code Conflict says that
	// somebody else was faster: the whole call is to be made again. With any
	// other error nothing has been committed.
	Commit(ctx context.Context) error

	// Discard throws the effects away. It does nothing after Commit.
	Discard()
}

// refusal gives a guest's answer as an error, nil when it is OK.
func refusal(s hostapi.Status, out []byte) error {
	if e := call.Answered(s, out); e != nil {
		return e
	}
	return nil
}

func isConflict(err error) bool { return store.CodeOf(err) == store.Conflict }

// isCrash says whether err means that an instance is dead.
func isCrash(err error) bool {
	var c *guest.Crash
	return errors.As(err, &c)
}

// outputOf gives what the guest printed last, when err is a crash.
func outputOf(err error) string {
	var c *guest.Crash
	if errors.As(err, &c) {
		return c.Output
	}
	return ""
}

func optionsOf(op hostapi.GuestOp, l *lane) call.Options { return call.Options{Op: op, Lane: l} }
