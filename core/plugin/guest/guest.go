// Package guest is the border between the plugin host and what runs a plugin's
// code. core/plugin drives guests by these interfaces; core/plugin/wasm and
// core/plugin/process implement them. All meaning (capabilities, staging,
// limits, life cycle) lies above this border and exists once; below it there is
// nothing but (operation, bytes) → (status, bytes), in both directions.
//
// An Instance serves one call at a time and is not re-entrant: a Host never
// calls back into the instance that calls it. Different instances of a Module
// may be used at once.
package guest

import (
	"context"
	"errors"
	"log/slog"

	"github.com/takhost/takhost/hostapi"
)

// Code is what a runtime needs of one version of a plugin.
type Code struct {
	Name    string // name under which it is installed
	Version string
	Digest  string // SHA-256 of Module, or of the file Program, in hexadecimal digits

	Module      []byte // of a WASM plugin
	Termination string // of a WASM plugin: check, fuel or empty (as the runtime thinks best)

	Program string   // of a process plugin: its executable
	Args    []string // of a process plugin

	Memory int64 // bytes that an instance may use: linear memory, or the process's resident memory

	// Log takes what the guest itself prints, line by line. It is rate-limited by
	// whoever made it.
	Log *slog.Logger
}

// Runtime makes guests out of code. Load of different plugins may run at once;
// a runtime that compiles does so for one at a time.
type Runtime interface {
	// Load checks and prepares the code, which may take seconds. The error says
	// in an author's words what is wrong with it.
	Load(ctx context.Context, c Code) (Module, error)

	// Close ends the runtime. All modules have been closed before.
	Close(ctx context.Context) error
}

// Module is code that is ready to run. Its methods may be called at once.
type Module interface {
	// New makes an instance whose operations of the host go to h. The instance
	// has answered nothing yet: describe and init are the caller's to ask.
	New(ctx context.Context, h Host) (Instance, error)

	// Size is how many bytes the prepared code takes in memory, about.
	Size() int64

	// Close frees the code. Its instances have been closed before.
	Close(ctx context.Context) error
}

// Instance is one running guest.
type Instance interface {
	// Call asks an operation of the guest, with ctx's deadline. The payload of
	// the answer is appended to dst. An error means that the instance is dead
	// and must be closed: it crashed, ran past the deadline, or answered what
	// no guest may answer. It is a *Crash. A status other than OK is no error.
	Call(ctx context.Context, op hostapi.GuestOp, in, dst []byte) (out []byte, s hostapi.Status, err error)

	// Memory is how many bytes it takes at the moment: linear memory, or the
	// process's resident memory.
	Memory() int64

	// Close ends the instance, at once. It may be called during a Call, which
	// then fails.
	Close(ctx context.Context) error
}

// Host serves the operations of one instance. The runtime calls it during a
// Call only, from one goroutine at a time, with a context that ends with that
// call. The payload of the answer, or of the error, is appended to dst. in is
// good until Serve returns.
type Host interface {
	Serve(ctx context.Context, op hostapi.HostOp, in, dst []byte) (out []byte, s hostapi.Status)
}

// Reason says in a word how an instance died.
type Reason string

// The reasons.
const (
	Trapped  Reason = "trap"     // unreachable, a bad memory access, a panic of the language
	Deadline Reason = "deadline" // ran longer than it may
	Memory   Reason = "memory"   // used more memory than it may
	Exited   Reason = "exit"     // ended by itself, or the process is gone
	Broken   Reason = "answer"   // answered garbage: a pointer outside of its memory, no answer
	Closed   Reason = "closed"   // was closed during the call
)

// Crash is why an instance is dead.
type Crash struct {
	Op     hostapi.GuestOp
	Reason Reason
	Err    error  // details, such as the runtime's own error
	Output string // the last of what the guest printed, 16 KiB at most: a panic's stack
}

func (c *Crash) Error() string {
	msg := c.Op.String() + ": " + string(c.Reason)
	if c.Err != nil {
		msg += ": " + c.Err.Error()
	}
	return msg
}

func (c *Crash) Unwrap() error { return c.Err }

// ReasonOf gives why the instance died, empty when err is no Crash.
func ReasonOf(err error) Reason {
	var c *Crash
	if errors.As(err, &c) {
		return c.Reason
	}
	return ""
}
