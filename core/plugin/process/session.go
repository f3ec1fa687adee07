package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// call is one call of the host that is under way.
type call struct {
	id     uint64
	came   chan *packet // calls of the plugin that belong to it, and then its answer
	done   chan struct{}
	cancel context.CancelCauseFunc
}

// waitingCalls is how many calls of the plugin wait here before the stream is
// left unread.
const waitingCalls = 16

// Call asks an operation of the process. The plugin's calls that belong to it are
// served on this goroutine, one at a time, in the order in which they came.
func (i *instance) Call(ctx context.Context, op hostapi.GuestOp, in, dst []byte) ([]byte, hostapi.Status, error) {
	i.turn.Lock()
	defer i.turn.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	i.calls++
	c := &call{id: i.calls, came: make(chan *packet, waitingCalls), done: make(chan struct{}), cancel: cancel}
	if !i.begin(c) {
		return dst, 0, i.crash(op)
	}
	defer i.end(c)
	// The process cannot be asked to stop, so it ends when the time is over.
	stop := context.AfterFunc(ctx, func() { i.die(overdue(ctx)) })
	defer stop()

	f := wire.Frame{Call: c.id, Op: uint32(op), Payload: in, Deadline: remaining(ctx)}
	if len(in) > maxPayload {
		return appendError(dst, "too_large", fmt.Sprintf("%s: %d bytes do not go into one message", op, len(in))), hostapi.Limit, nil
	}
	i.send(&f)
	for {
		select {
		case <-i.dead:
			return dst, 0, i.crash(op)
		case p := <-c.came:
			if !p.Answer {
				i.serve(ctx, p)
				continue
			}
			if !stop() && ctx.Err() != nil {
				// It was too late by a hair, and the process is being killed.
				p.free()
				<-i.dead
				return dst, 0, i.crash(op)
			}
			dst = append(dst, p.Payload...)
			s := statusOf(p.Status)
			p.free()
			return dst, s, nil
		}
	}
}

// begin makes c the call under way, unless the instance is dead.
func (i *instance) begin(c *call) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.reason != "" {
		return false
	}
	i.now = c
	return true
}

// end refuses what came too late for the call.
func (i *instance) end(c *call) {
	i.mu.Lock()
	i.now = nil
	i.mu.Unlock()
	close(c.done)
	i.refuseWaiting(c)
}

func (i *instance) refuseWaiting(c *call) {
	for {
		select {
		case p := <-c.came:
			i.refuse(p)
		default:
			return
		}
	}
}

// current gives the call under way.
func (i *instance) current() *call {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.now
}

// read takes the stream's frames until it ends.
func (i *instance) read() {
	for {
		p := new(packet)
		if err := i.stream.RecvMsg(p); err != nil {
			i.broken(err)
			return
		}
		if err := i.take(p); err != nil {
			i.die(guest.Broken, err)
			return
		}
	}
}

// take hands a frame to whom it is for. An error is what no plugin may do.
func (i *instance) take(p *packet) error {
	if p.err != nil {
		return fmt.Errorf("sent something that is no frame: %w", p.err)
	}
	c := i.current()
	if p.Answer {
		if c == nil || c.id != p.Call {
			return fmt.Errorf("answered call %d, which is not under way", p.Call)
		}
		if p.Status > math.MaxUint8 {
			return fmt.Errorf("answered with status %d", p.Status)
		}
	} else if c == nil || c.id != p.Within {
		i.refuse(p)
		return nil
	}
	select {
	case c.came <- p:
	case <-c.done:
		i.refuse(p)
		return nil
	case <-i.dead:
		return nil
	}
	// The call may have ended between the two, and would not look again.
	select {
	case <-c.done:
		i.refuseWaiting(c)
	default:
	}
	return nil
}

// serve answers a call of the plugin that belongs to the call under way.
func (i *instance) serve(ctx context.Context, p *packet) {
	out, s := i.host.Serve(ctx, hostapi.HostOp(p.Op), p.Payload, i.out[:0])
	p.free()
	i.answer(p.Call, s, out)
	if cap(out) <= keptAnswer {
		i.out = out
	}
}

// keptAnswer is how large the memory for the host's answers may be to be kept.
const keptAnswer = 1 << 20

// refuse answers a call of the plugin that belongs to no call under way: what it
// asks for could be part of no transaction.
func (i *instance) refuse(p *packet) {
	if p.Answer {
		p.free()
		return
	}
	op, id := hostapi.HostOp(p.Op), p.Call
	p.free()
	i.answer(id, hostapi.Gone, appendError(nil, "late", op.String()+": the call that this belongs to has been answered"))
}

func (i *instance) answer(id uint64, s hostapi.Status, payload []byte) {
	if len(payload) > maxPayload {
		s, payload = hostapi.Limit, appendError(nil, "too_large", "the answer does not go into one message")
	}
	i.send(&wire.Frame{Call: id, Answer: true, Status: uint32(s), Payload: payload})
}

func appendError(dst []byte, code, message string) []byte {
	m := wire.Error{Code: code, Message: message}
	return m.Append(dst)
}

// send sends a frame. Of a stream that has ended, the goroutine that reads learns
// why, and ends the instance.
func (i *instance) send(f *wire.Frame) {
	i.sending.Lock()
	defer i.sending.Unlock()
	if err := i.stream.SendMsg(f); err != nil && !errors.Is(err, io.EOF) {
		i.broken(err)
	}
}

// exitGrace is how long a process whose stream ended has to be gone by itself: a
// crash is first seen here, and then as the end of the process, which says more.
const exitGrace = 2 * time.Second

// broken ends an instance whose stream does not work any more.
func (i *instance) broken(err error) {
	t := time.NewTimer(exitGrace)
	defer t.Stop()
	select {
	case <-i.dead:
		return
	case <-i.child.exited:
		i.die(guest.Exited, errors.New(i.child.how()))
		return
	case <-t.C:
	}
	switch {
	case errors.Is(err, io.EOF):
		err = errors.New("ended the stream")
	case status.Code(err) == codes.Unimplemented:
		err = fmt.Errorf("does not serve %s", sessionMethod)
	case status.Code(err) == codes.ResourceExhausted:
		err = fmt.Errorf("sent more than %d MiB in one message", maxFrame>>20)
	default:
		err = fmt.Errorf("broke the stream: %s", status.Convert(err).Message())
	}
	i.die(guest.Broken, err)
}

// crash says why the instance died.
func (i *instance) crash(op hostapi.GuestOp) error {
	<-i.dead
	// Its last words are still on their way.
	<-i.child.drained
	i.mu.Lock()
	defer i.mu.Unlock()
	return &guest.Crash{Op: op, Reason: i.reason, Err: i.err, Output: i.child.out.text()}
}

// overdue says why a call whose context has ended is over.
func overdue(ctx context.Context) (guest.Reason, error) {
	if err := ctx.Err(); errors.Is(err, context.DeadlineExceeded) {
		return guest.Deadline, err
	}
	return guest.Closed, context.Cause(ctx)
}

// remaining is how long ctx has, in microseconds; 0: for ever.
func remaining(ctx context.Context) int64 {
	at, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(1, time.Until(at).Microseconds())
}

// statusOf reads a status: one that is not known counts as Failed.
func statusOf(v uint32) hostapi.Status {
	if v > uint32(hostapi.Gone) {
		return hostapi.Failed
	}
	return hostapi.Status(v)
}
