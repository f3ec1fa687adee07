package plugintest

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/sdk"
)

// guest runs the plugin's code: in this process, or by a runner.
type guest interface {
	// serve makes one call. errCrashed, maybe wrapped, means that the instance is
	// dead; the payload is then empty.
	serve(h sdk.Host, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status, error)

	// renew throws the instance away and makes another one.
	renew() error

	close() error
}

// errCrashed says that an instance is dead.
var errCrashed = errors.New("the instance crashed")

// hostGone is panicked with by a host that kills its instance during a call.
type hostGone struct{ reason string }

// callLimit is how long one call may really take before the test is given up. It is
// far above all deadlines of the server: slow machines are no faults of a plugin.
const callLimit = 30 * time.Second

// inProcess runs the plugin as Go code. Its calls have a goroutine of their own each, so
// that an instance can die in the middle of one.
type inProcess struct {
	plugin func() *sdk.Plugin
	inst   *sdk.Instance
}

func (g *inProcess) renew() error {
	if g.plugin != nil {
		g.inst = sdk.InstanceOf(g.plugin())
		return nil
	}
	if g.inst = sdk.NewInstance(); g.inst == nil {
		return errors.New("no plugin is registered: call sdk.Register in an init function of the test's package")
	}
	return nil
}

func (g *inProcess) close() error { return nil }

func (g *inProcess) serve(h sdk.Host, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status, error) {
	type answer struct {
		out []byte
		s   hostapi.Status
	}
	answers := make(chan answer, 1)
	go func() {
		defer close(answers) // without an answer if the goroutine was ended
		out, s := g.inst.Serve(killer{h}, op, in, nil)
		answers <- answer{out, s}
	}()
	limit := time.NewTimer(callLimit)
	defer limit.Stop()
	select {
	case a, ok := <-answers:
		if !ok {
			return nil, 0, errCrashed
		}
		return a.out, a.s, nil
	case <-limit.C:
		return nil, 0, fmt.Errorf("%v did not end within %v", op, callLimit)
	}
}

// killer ends the goroutine of a call where the host kills the instance. Goexit runs
// the plugin's deferred functions, as no real crash does, but cannot be recovered from.
type killer struct{ sdk.Host }

func (k killer) Call(op hostapi.HostOp, in, dst []byte) (out []byte, s hostapi.Status) {
	gone := false
	func() {
		defer func() {
			if p := recover(); p != nil {
				if _, gone = p.(hostGone); !gone {
					panic(p)
				}
			}
		}()
		out, s = k.Host.Call(op, in, dst)
	}()
	if gone {
		runtime.Goexit()
	}
	return out, s
}
