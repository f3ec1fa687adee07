package scaffold

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Serve is the other side of plugintest (see envRunner): it runs instances of a
// module and carries all that they ask of the host to the test, until in ends or ctx
// does, or a frame is wrong.
func Serve(ctx context.Context, m guest.Module, in io.Reader, out io.Writer) error {
	r := &runner{module: m, out: out, waiting: map[uint64]chan *wire.Frame{}}
	defer r.drop(context.WithoutCancel(ctx))
	for {
		f, err := readFrame(in)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case f.Answer:
			r.answered(f)
		case f.Op == newInstance:
			err = r.renew(ctx, f)
		default:
			err = r.begin(ctx, f)
		}
		if err != nil {
			return err
		}
	}
}

// runner serves one test.
type runner struct {
	module guest.Module
	inst   guest.Instance // nil: there is none
	call   sync.WaitGroup // the call at hand, in a goroutine of its own
	end    context.CancelFunc

	writing sync.Mutex // guards out
	out     io.Writer

	mu      sync.Mutex // guards the rest
	busy    bool
	number  uint64 // of the last operation of the host
	waiting map[uint64]chan *wire.Frame
}

func (r *runner) send(f *wire.Frame) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	return writeFrame(r.out, f)
}

// answered hands an answer of the test to the operation that waits for it. One that
// nobody waits for belongs to an instance that is gone.
func (r *runner) answered(f *wire.Frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.waiting[f.Call]; c != nil {
		delete(r.waiting, f.Call)
		c <- f // has room for it
	}
}

// drop ends the instance, in the middle of a call too.
func (r *runner) drop(ctx context.Context) {
	if r.inst == nil {
		return
	}
	if r.end != nil {
		r.end()
	}
	_ = r.inst.Close(ctx) // it is thrown away whatever it says
	r.call.Wait()
	r.inst, r.end = nil, nil
}

func (r *runner) renew(ctx context.Context, f *wire.Frame) error {
	r.drop(ctx)
	inst, err := r.module.New(ctx, host{r})
	answer := &wire.Frame{Call: f.Call, Answer: true}
	if err != nil {
		answer.Status = uint32(hostapi.Failed)
		answer.Payload = (&wire.Error{Message: err.Error()}).Append(nil)
	}
	r.inst = inst
	return r.send(answer)
}

// begin makes a call of the plugin, while the loop goes on to read answers.
func (r *runner) begin(ctx context.Context, f *wire.Frame) error {
	r.mu.Lock()
	busy := r.busy
	r.busy = true
	r.mu.Unlock()
	if busy {
		return errors.New("the test makes a call inside of another one")
	}
	if r.inst == nil {
		return errors.New("the test makes a call without an instance")
	}
	var callCtx context.Context
	callCtx, r.end = context.WithTimeout(context.WithValue(ctx, callKey{}, f.Call), time.Duration(f.Deadline)*time.Microsecond)
	inst, end := r.inst, r.end
	r.call.Go(func() {
		defer end()
		out, s, err := inst.Call(callCtx, hostapi.GuestOp(f.Op), f.Payload, nil)
		answer := &wire.Frame{Call: f.Call, Answer: true, Status: min(uint32(s), crashed-1), Payload: out}
		if err != nil {
			answer.Status, answer.Payload = crashed, crash(err).Append(nil)
		}
		r.mu.Lock()
		r.busy = false
		r.mu.Unlock()
		// A test that is gone ends the loop too.
		_ = r.send(answer)
	})
	return nil
}

// callKey finds the number of a call in its context.
type callKey struct{}

func crash(err error) *wire.Error {
	m := &wire.Error{Code: string(guest.ReasonOf(err)), Message: err.Error()}
	var c *guest.Crash
	if errors.As(err, &c) && c.Output != "" {
		m.Details = []wire.Pair{{Name: "output", Value: c.Output}}
		m.Message += "\n" + c.Output
	}
	return m
}

// host carries the operations of the host to the test.
type host struct{ r *runner }

var _ guest.Host = host{}

func (h host) Serve(ctx context.Context, op hostapi.HostOp, in, dst []byte) ([]byte, hostapi.Status) {
	within, _ := ctx.Value(callKey{}).(uint64)
	answer := make(chan *wire.Frame, 1)
	h.r.mu.Lock()
	h.r.number++
	number := h.r.number
	h.r.waiting[number] = answer
	h.r.mu.Unlock()
	if err := h.r.send(&wire.Frame{Call: number, Op: uint32(op), Payload: in, Within: within}); err != nil {
		return h.failed(number, dst, fmt.Errorf("speak to the test: %w", err))
	}
	select {
	case f := <-answer:
		return append(dst, f.Payload...), hostapi.Status(min(f.Status, 255))
	case <-ctx.Done():
		return h.failed(number, dst, context.Cause(ctx))
	}
}

func (h host) failed(number uint64, dst []byte, err error) ([]byte, hostapi.Status) {
	h.r.mu.Lock()
	delete(h.r.waiting, number)
	h.r.mu.Unlock()
	return (&wire.Error{Message: err.Error()}).Append(dst), hostapi.Failed
}
