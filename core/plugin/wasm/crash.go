package wasm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/sys"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
)

// noMemory are the words with which the runtimes of languages end when they get
// no more memory.
var noMemory = []string{"out of memory", "memory allocation of"}

// crash says how the call of an instance ended it. It needs i.mu.
func (i *instance) crash(op hostapi.GuestOp, ctx context.Context, err error) *guest.Crash {
	c := &guest.Crash{Op: op, Reason: guest.Trapped, Err: err, Output: i.out.text()}
	var exit *sys.ExitError
	var bad badGuest
	exited := errors.As(err, &exit)
	switch {
	case i.closed:
		c.Reason, c.Err = guest.Closed, errClosed
	case errors.As(err, &bad):
		c.Reason = guest.Broken
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		c.Reason, c.Err = guest.Deadline, fmt.Errorf("stopped at its deadline: %w", context.DeadlineExceeded)
	case ctx.Err() != nil:
		c.Reason, c.Err = guest.Closed, fmt.Errorf("the call was given up: %w", context.Cause(ctx))
	case i.ranOut(c.Output):
		c.Reason, c.Err = guest.Memory, fmt.Errorf("it may have %d KiB of memory: %w", i.memory.limit>>10, err)
	case exited:
		c.Reason, c.Err = guest.Exited, fmt.Errorf("it ended itself with exit code %d", exit.ExitCode())
	}
	return c
}

// ranOut says whether the guest died of its limit of memory.
func (i *instance) ranOut(output string) bool {
	if i.memory.refused {
		return true
	}
	for _, words := range noMemory {
		if strings.Contains(output, words) {
			return true
		}
	}
	return false
}
