package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/sdk/plugintest"
)

// kit starts a process plugin with the server of plugintest around it: the test
// program is the runner, see runnerMain.
func kit(t *testing.T, manifest string, c guest.Code, opts ...plugintest.Option) *plugintest.Kit {
	t.Helper()
	path, _ := self()
	t.Setenv(plugintest.Env, strings.Join([]string{path, "runner", c.Program, c.Digest}, "\n"))
	return plugintest.Start(t, manifest, opts...)
}

// runnerMain runs a plugin as a process, for a test that speaks plugintest's
// protocol of frames.
func runnerMain(program, sum string) error {
	rt, err := New(Options{})
	if err != nil {
		return err
	}
	m, err := rt.Load(context.Background(), guest.Code{Name: "plugin", Program: program, Digest: sum})
	if err != nil {
		return err
	}
	r := &runnerEnd{module: m, answers: map[uint64]chan *wire.Frame{}}
	for {
		f, err := plugintest.ReadFrame(os.Stdin)
		if errors.Is(err, io.EOF) {
			if r.instance != nil {
				err = r.instance.Close(context.Background())
			} else {
				err = nil
			}
			return errors.Join(err, rt.Close(context.Background()))
		}
		if err != nil {
			return err
		}
		switch {
		case f.Answer:
			r.answered(f)
		case f.Op == plugintest.NewInstance:
			r.renew(f.Call)
		default:
			go r.call(f, r.instance)
		}
	}
}

// runnerEnd is the plugin's end of a runner. Calls of the host go to the test.
type runnerEnd struct {
	module   guest.Module
	instance guest.Instance

	writing sync.Mutex

	mu      sync.Mutex
	within  uint64 // the call under way
	calls   uint64
	answers map[uint64]chan *wire.Frame
}

func (r *runnerEnd) write(f *wire.Frame) {
	r.writing.Lock()
	defer r.writing.Unlock()
	if err := plugintest.WriteFrame(os.Stdout, f); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func (r *runnerEnd) fail(call uint64, status uint32, code string, err error) {
	m := wire.Error{Code: code, Message: err.Error()}
	r.write(&wire.Frame{Call: call, Answer: true, Status: status, Payload: m.Append(nil)})
}

func (r *runnerEnd) renew(call uint64) {
	if r.instance != nil {
		if err := r.instance.Close(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	i, err := r.module.New(context.Background(), r)
	if err != nil {
		r.fail(call, uint32(hostapi.Failed), "start", err)
		return
	}
	r.instance = i
	r.write(&wire.Frame{Call: call, Answer: true})
}

func (r *runnerEnd) call(f *wire.Frame, i guest.Instance) {
	r.mu.Lock()
	r.within = f.Call
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(f.Deadline)*time.Microsecond)
	defer cancel()
	out, s, err := i.Call(ctx, hostapi.GuestOp(f.Op), f.Payload, nil)
	switch {
	case guest.ReasonOf(err) == guest.Closed: // thrown away meanwhile: nobody waits
	case err != nil:
		r.fail(f.Call, plugintest.Crashed, string(guest.ReasonOf(err)), err)
	default:
		r.write(&wire.Frame{Call: f.Call, Answer: true, Status: uint32(s), Payload: out})
	}
}

func (r *runnerEnd) answered(f *wire.Frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ch := r.answers[f.Call]; ch != nil {
		ch <- f
		delete(r.answers, f.Call)
	}
}

// Serve asks the test.
func (r *runnerEnd) Serve(ctx context.Context, op hostapi.HostOp, in, dst []byte) ([]byte, hostapi.Status) {
	ch := make(chan *wire.Frame, 1)
	r.mu.Lock()
	r.calls++
	id, within := r.calls, r.within
	r.answers[id] = ch
	r.mu.Unlock()
	r.write(&wire.Frame{Call: id, Op: uint32(op), Payload: in, Within: within})
	select {
	case f := <-ch:
		return append(dst, f.Payload...), hostapi.Status(f.Status)
	case <-ctx.Done():
		return dst, hostapi.Retry
	}
}
