package wasm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
)

// keepAnswer is how large a buffer for answers of the host stays with an
// instance between calls, in bytes.
const keepAnswer = 256 << 10

// instance is one guest with its memory.
type instance struct {
	module *module
	host   guest.Host
	born   time.Time
	memory linear
	held   atomic.Int64 // bytes of answer and kept, after the last call

	mu      sync.Mutex
	calling bool
	cancel  context.CancelFunc // of the call, while calling
	closed  bool
	death   *guest.Crash // of the call that killed it
	freed   bool

	// The rest belongs to the goroutine that calls.
	mod        api.Module
	call, more api.Function // tak_call and tak_buf
	at, room   uint32       // the guest's input buffer
	ctx        context.Context
	serving    bool   // inside tak_call
	answer     []byte // buffer for answers of the host
	kept       []byte // the last answer, if it did not fit; nil: none
	out        output
	slots      [2]uint64
}

var _ guest.Instance = (*instance)(nil)

// callContext is what wazero and the host functions get: the context of the
// call, with the instance that it is for. wazero asks for values at each call
// that are never there, so it is spared the way up the chain.
type callContext struct {
	context.Context
	instance *instance
	values   context.Context // nil: none
}

func (c *callContext) Value(key any) any {
	if c.values == nil {
		return nil
	}
	return c.values.Value(key)
}

var (
	errBusy   = errors.New("the instance serves a call, and calls inside one another are not possible")
	errClosed = errors.New("the instance is closed")
	errDead   = errors.New("the instance is dead since a call before")
)

// Call serves guest.Instance.
func (i *instance) Call(ctx context.Context, op hostapi.GuestOp, in, dst []byte) ([]byte, hostapi.Status, error) {
	i.mu.Lock()
	switch {
	case i.calling:
		i.mu.Unlock()
		return dst, hostapi.Failed, &guest.Crash{Op: op, Reason: guest.Broken, Err: errBusy}
	case i.closed:
		i.mu.Unlock()
		return dst, hostapi.Failed, &guest.Crash{Op: op, Reason: guest.Closed, Err: errClosed}
	case i.death != nil:
		i.mu.Unlock()
		return dst, hostapi.Failed, &guest.Crash{Op: op, Reason: i.death.Reason, Err: errDead, Output: i.death.Output}
	}
	ctx, cancel := context.WithCancel(ctx)
	i.calling, i.cancel = true, cancel
	i.mu.Unlock()
	defer cancel()

	i.ctx, i.memory.refused = ctx, false
	i.out.begin()
	// One for each call: wazero's watcher may look at it after the call.
	out, status, err := i.exchange(&callContext{Context: ctx, instance: i}, op, in, dst)
	if err := i.finish(op, ctx, err); err != nil {
		return dst, hostapi.Failed, err
	}
	return out, status, nil
}

// exchange puts the input into the guest's buffer, calls it and takes the answer.
func (i *instance) exchange(ctx *callContext, op hostapi.GuestOp, in, dst []byte) ([]byte, hostapi.Status, error) {
	if uint64(len(in)) > uint64(i.room) {
		if err := i.buffer(ctx, uint64(len(in))); err != nil {
			return nil, 0, err
		}
	}
	if !i.mod.Memory().Write(i.at, in) {
		return nil, 0, badGuest("its input buffer is outside of its memory")
	}
	i.slots = [2]uint64{uint64(op), uint64(len(in))}
	i.serving = true
	err := i.call.CallWithStack(ctx, i.slots[:])
	i.serving = false
	if err != nil {
		return nil, 0, err
	}
	ptr, n := hostapi.UnpackAnswer(int64(i.slots[0]))
	answer, ok := i.mod.Memory().Read(ptr, n)
	switch {
	case !ok:
		return nil, 0, badGuest(fmt.Sprintf("its answer, %d bytes at %d, is outside of its memory of %d", n, ptr, i.mod.Memory().Size()))
	case n == 0:
		return nil, 0, badGuest("it answered nothing: an answer has one byte for the status at least")
	}
	status := hostapi.Status(answer[0])
	if status > hostapi.Gone {
		status = hostapi.Failed // of a later minor version
	}
	return append(dst, answer[1:]...), status, nil
}

// buffer asks the guest for an input buffer of at least n bytes.
func (i *instance) buffer(ctx context.Context, n uint64) error {
	if n > firstBuffer {
		n += n / 4 // so that inputs that grow slowly do not ask each time
	}
	if n > math.MaxUint32 {
		return badGuest(fmt.Sprintf("an input of %d bytes does not fit into its memory", n))
	}
	i.slots[0] = n
	if err := i.more.CallWithStack(ctx, i.slots[:]); err != nil {
		return err
	}
	at := uint32(i.slots[0])
	if _, ok := i.mod.Memory().Read(at, uint32(n)); !ok || at%8 != 0 {
		return badGuest(fmt.Sprintf("its input buffer of %d bytes at %d is outside of its memory of %d, or not at a multiple of 8", n, at, i.mod.Memory().Size()))
	}
	i.at, i.room = at, uint32(n)
	return nil
}

// finish ends a call: it says how the guest died, if it did, and gives its
// memory back then.
func (i *instance) finish(op hostapi.GuestOp, ctx context.Context, err error) error {
	// wazero watches ctx from a goroutine of its own, which may have closed the
	// module just behind the end of the call.
	if err == nil {
		err = ctx.Err()
	}
	i.kept = nil
	if cap(i.answer) > keepAnswer {
		i.answer = nil
	}
	i.held.Store(int64(cap(i.answer)))
	i.out.end(err != nil)

	i.mu.Lock()
	defer i.mu.Unlock()
	i.calling, i.cancel = false, nil
	if err == nil {
		return nil
	}
	i.death = i.crash(op, ctx, err)
	i.free()
	return i.death
}

// Close serves guest.Instance.
func (i *instance) Close(context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = true
	if i.calling {
		i.cancel() // the call gives the memory back
	} else {
		i.free()
	}
	return nil
}

// free gives the memory back. It needs i.mu, and no call running.
func (i *instance) free() {
	if i.freed {
		return
	}
	i.freed = true
	if i.mod != nil {
		_ = i.mod.Close(context.Background()) // of a guest without files, it never fails
	}
	i.memory.Free() // wazero does not where the module could not be instantiated
	// Whoever still has the instance shall not keep what it was made of.
	i.mod, i.call, i.more, i.host = nil, nil, nil, nil
	i.answer, i.out = nil, output{}
	i.held.Store(0)
	i.module.forget(i)
}

// Memory is the linear memory, and what the host holds for the instance.
func (i *instance) Memory() int64 { return i.memory.size.Load() + i.held.Load() }
