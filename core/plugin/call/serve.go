package call

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

var _ guest.Host = (*Call)(nil)

// Serve does one operation for the guest, see guest.Host. No input makes it
// panic: a panic in an operation is logged with its stack, and the guest gets
// Failed.
func (c *Call) Serve(ctx context.Context, op hostapi.HostOp, in, dst []byte) (out []byte, s hostapi.Status) {
	n := len(dst)
	defer func() {
		if r := recover(); r != nil {
			c.p.log.Error("a host operation panicked",
				slog.String("op", op.String()), slog.Any("panic", r), slog.String("stack", string(debug.Stack())))
			out, s = appendError(dst[:n], &StatusError{Status: hostapi.Failed, Message: op.String() + ": internal error of the server"})
		}
	}()
	if c.ops++; c.ops > c.p.hostCalls || c.ended || c.root.ended || op >= numOps || c.p.grants[op] == nil || c.opt.Pure && op > hostapi.HostMetric {
		return c.refuse(op, dst)
	}
	out, err := c.serve(ctx, op, in, dst)
	if err != nil {
		return c.failed(op, err, dst[:n])
	}
	return out, hostapi.OK
}

// refuse says why an operation is not even tried.
func (c *Call) refuse(op hostapi.HostOp, dst []byte) ([]byte, hostapi.Status) {
	capability, known := op.Capability()
	switch {
	case c.ended || c.root.ended:
		return appendError(dst, &StatusError{Status: hostapi.Failed, Message: op.String() + ": the call has ended"})
	case c.ops > c.p.hostCalls:
		return appendError(dst, &StatusError{Status: hostapi.Limit,
			Message: "more than " + strconv.Itoa(c.p.hostCalls) + " operations of the host in one call"})
	case !known:
		return appendError(dst, &StatusError{Status: hostapi.Unsupported, Message: op.String() + " is not known to this server"})
	case c.p.grants[op] == nil:
		c.p.acct.refused(c.p, op, "is not granted")
		return append(dst, c.p.denied[op]...), hostapi.Forbidden
	}
	c.p.acct.refused(c.p, op, "not in a filter")
	return appendError(dst, &StatusError{Status: hostapi.Forbidden, Code: "pure",
		Message: op.String() + ": a filter decides by the event and its config alone; " + string(capability) + " is for other calls"})
}

// failed turns an operation's error into an answer.
func (c *Call) failed(op hostapi.HostOp, err error, dst []byte) ([]byte, hostapi.Status) {
	e := StatusOf(err)
	switch e.Status {
	case hostapi.Forbidden:
		c.p.acct.refused(c.p, op, e.Message)
	case hostapi.Failed:
		if op != hostapi.HostCall { // a callee's failure is told by whoever runs it
			c.p.log.Error("a host operation failed", slog.String("op", op.String()), slog.Any("err", err))
		}
	}
	return appendError(dst, e)
}

func appendError(dst []byte, e *StatusError) ([]byte, hostapi.Status) {
	w := e.Wire()
	return w.Append(dst), e.Status
}

// serve finds the operation.
func (c *Call) serve(ctx context.Context, op hostapi.HostOp, in, dst []byte) ([]byte, error) {
	switch op {
	case hostapi.HostLog:
		return dst, c.logLine(ctx, in)
	case hostapi.HostConfig:
		return append(dst, c.p.spec.Config...), nil
	case hostapi.HostClock:
		return c.clock(dst), nil
	case hostapi.HostRandom:
		return c.random(in, dst)
	case hostapi.HostMetric:
		return dst, c.metric(in)

	case hostapi.HostEmit:
		return dst, c.emit(ctx, in)
	case hostapi.HostQueryEvents:
		return c.queryEvents(ctx, in, dst)

	case hostapi.HostGet:
		return c.get(ctx, in, dst)
	case hostapi.HostPut:
		return dst, c.put(ctx, in)
	case hostapi.HostDelete:
		return c.delete(ctx, in, dst)
	case hostapi.HostQuery:
		return c.query(ctx, in, dst)
	case hostapi.HostNextCounter:
		return c.next(ctx, in, dst)

	case hostapi.HostBlobPut, hostapi.HostBlobRead, hostapi.HostBlobStat, hostapi.HostBlobList, hostapi.HostBlobZipList,
		hostapi.HostBlobZipEntry, hostapi.HostBlobPack, hostapi.HostBlobKeep, hostapi.HostBlobRelease:
		return c.blob(ctx, op, in, dst)

	case hostapi.HostClients:
		return c.clients(in, dst)
	case hostapi.HostIdentity:
		return c.identity(in, dst)

	case hostapi.HostTopicSet, hostapi.HostTopicJoin, hostapi.HostTopicLeave:
		return dst, c.topicMembers(ctx, op, in)
	case hostapi.HostTopicDrop:
		return dst, c.topicDrop(ctx, in)
	case hostapi.HostTopicGet:
		return c.topicGet(ctx, in, dst)
	case hostapi.HostTopicAlias:
		return dst, c.topicAlias(ctx, in)

	case hostapi.HostTimerSet:
		return dst, c.timerSet(ctx, in)
	case hostapi.HostTimerCancel:
		return dst, c.timerCancel(ctx, in)

	case hostapi.HostPublish:
		return dst, c.publish(ctx, in)
	case hostapi.HostFetch:
		return c.fetch(ctx, in, dst)
	case hostapi.HostCall:
		return c.action(ctx, in, dst)
	}
	return dst, notYet(op)
}

// notYet answers operations of the contract that this server does not have.
func notYet(op hostapi.HostOp) error {
	why := "is not built into this server"
	switch c, _ := op.Capability(); c {
	case hostapi.CapIdentityRead:
		why = "comes with the users of this server, which it does not have yet"
	case hostapi.CapStreams:
		why = "comes with the federation of this server, which it does not have yet"
	}
	return &StatusError{Status: hostapi.Unsupported, Message: op.String() + " " + why}
}

// decode reads the message of an operation.
func decode(op hostapi.HostOp, in []byte, m interface{ Decode([]byte) error }) error {
	if err := m.Decode(in); err != nil {
		return &StatusError{Status: hostapi.Invalid, Message: fmt.Sprintf("%s: the input cannot be read: %v", op, err)}
	}
	return nil
}

// stages refuses what would write in a call that only reads.
func (c *Call) stages(op hostapi.HostOp) error {
	if !c.opt.ReadOnly {
		return nil
	}
	return &StatusError{Status: hostapi.Forbidden, Code: "read_only",
		Message: op.String() + ": this call only reads; a GET that changes something is marked writes in the manifest, and so is an action"}
}

func invalid(op hostapi.HostOp, format string, args ...any) error {
	return &StatusError{Status: hostapi.Invalid, Message: op.String() + ": " + fmt.Sprintf(format, args...)}
}

func beyond(op hostapi.HostOp, format string, args ...any) error {
	return &StatusError{Status: hostapi.Limit, Message: op.String() + ": " + fmt.Sprintf(format, args...)}
}

func notGranted(op hostapi.HostOp, c hostapi.Capability) *StatusError {
	return &StatusError{Status: hostapi.Forbidden, Code: "not_granted",
		Message: op.String() + ": the capability " + string(c) + " is not granted",
		Details: []wire.Pair{{Name: "capability", Value: string(c)}}}
}

// outside refuses what the scope of a grant does not cover: a value, by the key
// of the scope that it does not fit, and what is granted.
func outside(op hostapi.HostOp, key, value, granted string) error {
	c, _ := op.Capability()
	return &StatusError{Status: hostapi.Forbidden, Code: "outside_scope",
		Message: fmt.Sprintf("%s: %s is not within what is granted: %s of %s is %s", op, show(value), key, c, granted),
		Details: []wire.Pair{{Name: "capability", Value: string(c)}, {Name: "key", Value: key}, {Name: "value", Value: clip(value, 256)}}}
}

// show quotes a text of a guest for a message.
func show(s string) string { return strconv.Quote(clip(s, 64)) }

// clip cuts a text, between characters.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	n := most
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}
