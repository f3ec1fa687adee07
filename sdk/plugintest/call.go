package plugintest

import (
	"errors"
	"fmt"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/sdk"
)

// how says what a call may do and what belongs to it.
type how struct {
	caller   *sdk.Caller
	readOnly bool
	pure     bool         // a filter: nothing but what is always granted
	hops     uint8        // of the event that is handled
	stage    func(*state) // what the server itself writes in the same commit
}

// conflicts is how often a call is made again when somebody else was faster.
const conflicts = 3

// call makes one call of the plugin with all that belongs to it: the transaction, the
// repeats after conflicts, and a new instance after a crash, which gives an error that
// is errCrashed. Any other error is an *sdk.Error of the plugin's, or the end of the test.
func (k *Kit) call(op hostapi.GuestOp, in []byte, h how) ([]byte, error) {
	for try := 0; ; try++ {
		w := &work{k: k, how: h, state: k.state.clone()}
		if mayFail(op) {
			w.fault, k.fault = k.fault, nil
		}
		out, err := k.once(w, op, in)
		if err != nil {
			return nil, err
		}
		if h.stage != nil {
			h.stage(w.state)
		}
		if w.staged && k.conflict > 0 {
			k.conflict--
			if try == conflicts {
				return nil, &sdk.Error{Status: hostapi.Conflict, Message: "others were faster, four times"}
			}
			continue
		}
		k.state = w.state
		k.emitted = append(k.emitted, w.emitted...)
		k.updates = append(k.updates, w.updates...)
		return out, nil
	}
}

// mayFail says whether the faults of Trap and Deadline hit an operation.
func mayFail(op hostapi.GuestOp) bool {
	switch op {
	case hostapi.OpEvents, hostapi.OpHTTP, hostapi.OpTimer, hostapi.OpAction, hostapi.OpClients, hostapi.OpFilter:
		return true
	}
	return false
}

// once runs the guest. What it staged is in w.
func (k *Kit) once(w *work, op hostapi.GuestOp, in []byte) ([]byte, error) {
	k.calls++
	memory := append([]byte(nil), in...)
	out, s, err := k.guest.serve(w, op, memory)
	// What a real host would use again: a text that was kept without a copy shows.
	spoil(memory)
	for _, answer := range w.answers {
		spoil(answer)
	}
	if err == nil && w.fault != nil {
		err = fmt.Errorf("%w: %s", errCrashed, w.fault.reason)
		w.fault = nil
	}
	switch {
	case err == nil && s == hostapi.OK:
		return append([]byte(nil), out...), nil
	case err == nil:
		var e wire.Error
		if bad := e.Decode(out); bad != nil {
			return nil, fmt.Errorf("%v: read the plugin's error: %w", op, bad)
		}
		return nil, &sdk.Error{Status: s, Code: e.Code, Message: e.Message, Details: e.Details}
	case !errors.Is(err, errCrashed):
		k.t.Fatalf("%v: %v", op, err)
	}
	if op == hostapi.OpInit {
		return nil, err
	}
	if again := k.renew(k.version); again != nil {
		k.t.Fatalf("%v: %v; and no new instance: %v", op, err, again)
	}
	return nil, err
}

// renew puts a new instance in the place of the one that is there.
func (k *Kit) renew(from string) error {
	if err := k.guest.renew(); err != nil {
		return err
	}
	return k.init(from, hostapi.OpInit)
}

func spoil(b []byte) {
	for i := range b {
		b[i] = 0xaa
	}
}

// work is one transaction and the host of the call that it belongs to.
type work struct {
	how
	k       *Kit
	fault   *fault
	state   *state
	staged  bool
	calls   int
	emitted []Emission
	emits   int
	bytes   int
	updates []sdk.Update
	answers [][]byte
}

// Call is sdk.Host.
func (w *work) Call(op hostapi.HostOp, in, dst []byte) ([]byte, hostapi.Status) {
	w.calls++
	if w.fault != nil && w.fault.after > 0 && w.calls == w.fault.after {
		reason := w.fault.reason
		w.fault = nil
		panic(hostGone{reason})
	}
	start := len(dst)
	out, err := w.serve(op, in, dst)
	if err != nil {
		s, m := errorOf(err)
		return m.Append(dst[:start]), s
	}
	w.answers = append(w.answers, out[start:])
	return out, hostapi.OK
}

func errorOf(err error) (hostapi.Status, *wire.Error) {
	var e *sdk.Error
	if errors.As(err, &e) {
		return e.Status, &wire.Error{Code: e.Code, Message: e.Message, Details: e.Details}
	}
	return hostapi.Failed, &wire.Error{Message: err.Error()}
}

// errf makes an error of the host.
func errf(s hostapi.Status, format string, args ...any) error {
	return &sdk.Error{Status: s, Message: fmt.Sprintf(format, args...)}
}

// decode reads the message of an operation.
func decode(op hostapi.HostOp, in []byte, m interface{ Decode([]byte) error }) error {
	if err := m.Decode(in); err != nil {
		return errf(hostapi.Invalid, "%v: %v", op, err)
	}
	return nil
}

// stage is asked before anything is staged.
func (w *work) stage(op hostapi.HostOp) error {
	if w.readOnly {
		return errf(hostapi.Forbidden, "%v: the request is read-only: a GET or HEAD stages nothing unless its route says \"writes\": true", op)
	}
	w.staged = true
	return nil
}

// serve checks the grant and does one operation.
func (w *work) serve(op hostapi.HostOp, in, dst []byte) ([]byte, error) {
	c, known := op.Capability()
	if !known {
		return nil, errf(hostapi.Unsupported, "%v is not known", op)
	}
	if most := w.hostCalls(); w.calls > most {
		return nil, errf(hostapi.Limit, "%v: more than %d operations of the host in one call", op, most)
	}
	if c != hostapi.CapAlways {
		if w.pure {
			return nil, errf(hostapi.Forbidden, "%v: a filter may not", op)
		}
		if _, ok := w.k.grants[c]; !ok {
			return nil, errf(hostapi.Forbidden, "%v: %s is not granted: ask for it in the manifest's capabilities", op, c)
		}
	}
	switch c {
	case hostapi.CapAlways:
		return w.always(op, in, dst)
	case hostapi.CapStore:
		return w.store(op, in, dst)
	case hostapi.CapBlobs:
		return w.blobs(op, in, dst)
	case hostapi.CapEventsEmit:
		return dst, w.emit(in)
	case hostapi.CapEventsQuery:
		return w.queryEvents(in, dst)
	case hostapi.CapClients:
		return w.listClients(in, dst)
	case hostapi.CapIdentityRead:
		return w.identity(in, dst)
	case hostapi.CapTopics:
		return w.topics(op, in, dst)
	case hostapi.CapTimers:
		return dst, w.timers(op, in)
	case hostapi.CapLivePublish:
		return dst, w.publish(in)
	case hostapi.CapHTTPClient:
		return w.fetch(in, dst)
	case hostapi.CapCall:
		return w.action(in, dst)
	}
	return nil, errf(hostapi.Unsupported, "%v is not played by plugintest", op)
}

func (w *work) hostCalls() int {
	if n := w.k.manifest.Limits.HostCalls; n > 0 {
		return int(n)
	}
	return hostapi.DefaultHostCalls
}
