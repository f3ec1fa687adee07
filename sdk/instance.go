package sdk

import (
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Host is the other side of an instance: what runs it implements it. Call asks an
// operation of the host and appends the payload of its answer to dst, which often
// has room for it. in is the caller's again afterwards.
type Host interface {
	Call(op hostapi.HostOp, in, dst []byte) (out []byte, s hostapi.Status)
}

// Instance is one running plugin, for those that carry calls to it: the exports of
// a WASM module, sdk/native, plugintest. It serves one call at a time.
type Instance struct {
	plugin *Plugin
	start  Start
	began  bool // start holds what init said

	request []byte // memory of requests to the host
	answers []byte // memory of the host's answers of one call, see Call.room
}

// NewInstance makes an instance of the plugin that was registered, nil if none was.
func NewInstance() *Instance {
	if registered == nil {
		return nil
	}
	return InstanceOf(registered())
}

// InstanceOf makes an instance of a plugin that is at hand.
func InstanceOf(p *Plugin) *Instance { return &Instance{plugin: p} }

// Serve answers one operation of the host. The payload is appended to dst. Host
// operations that the plugin asks for meanwhile go to h. in must stay as it is until
// Serve returns. A panic of the plugin is answered as Failed, with code "panic" and
// the stack in the details.
func (i *Instance) Serve(h Host, op hostapi.GuestOp, in, dst []byte) (out []byte, s hostapi.Status) {
	c := &Call{inst: i, host: h, op: op}
	i.answers = i.answers[:0]
	start := len(dst)
	defer func() {
		c.host = nil
		if p := recover(); p != nil {
			out, s = appendPanic(dst[:start], p), hostapi.Failed
		}
	}()
	out, err := i.serve(c, op, in, dst)
	if err != nil {
		e := asError(err)
		m := wire.Error{Code: e.Code, Message: e.Message, Details: e.Details}
		return m.Append(dst[:start]), e.Status
	}
	return out, hostapi.OK
}

func (i *Instance) serve(c *Call, op hostapi.GuestOp, in, dst []byte) ([]byte, error) {
	p := i.plugin
	switch op {
	case hostapi.OpDescribe:
		return i.describe(dst), nil
	case hostapi.OpInit:
		return dst, i.init(c, in, p.Init)
	case hostapi.OpReconfigure:
		if p.Reconfigure == nil {
			return nil, unsupported(op)
		}
		return dst, i.init(c, in, p.Reconfigure)
	case hostapi.OpHealth:
		return dst, run(c, p.Health)
	case hostapi.OpStop:
		return dst, run(c, p.Stop)
	case hostapi.OpEvents:
		return i.events(c, Batch(in), dst)
	case hostapi.OpFilter:
		return i.filter(c, Batch(in), dst)
	case hostapi.OpHTTP:
		return i.http(c, in, dst)
	case hostapi.OpTimer:
		return dst, i.timer(c, in)
	case hostapi.OpAction:
		return i.action(c, in, dst)
	case hostapi.OpClients:
		return dst, i.clients(c, in)
	case hostapi.OpSnapshot:
		return i.snapshot(c, dst)
	case hostapi.OpRestore:
		return dst, i.restore(c, in)
	case hostapi.OpReindex:
		return i.reindex(c, in, dst)
	}
	return nil, unsupported(op)
}

// run calls a function that may be missing, which is as good as its success.
func run(c *Call, f func(*Call) error) error {
	if f == nil {
		return nil
	}
	return f(c)
}

func unsupported(op hostapi.GuestOp) error {
	return &Error{Status: hostapi.Unsupported, Message: "the plugin has no function for " + op.String()}
}

// badInput says that a message of the host could not be read, which is no fault of
// the plugin's author.
func badInput(op hostapi.GuestOp, err error) error {
	return &Error{Status: hostapi.Invalid, Message: "read " + op.String() + ": " + err.Error()}
}

func (i *Instance) describe(dst []byte) []byte {
	p := i.plugin
	d := wire.Description{Name: p.Name, Version: p.Version, ABI: hostapi.ABIVersion, SDK: "go sdk " + Version}
	for _, o := range [...]struct {
		op  hostapi.GuestOp
		has bool
	}{
		{hostapi.OpDescribe, true},
		{hostapi.OpInit, true},
		{hostapi.OpHealth, true},
		{hostapi.OpEvents, p.Events != nil || p.Batch != nil},
		{hostapi.OpHTTP, len(p.HTTP) > 0},
		{hostapi.OpTimer, len(p.Timers) > 0},
		{hostapi.OpSnapshot, p.Snapshot != nil},
		{hostapi.OpRestore, p.Restore != nil},
		{hostapi.OpReconfigure, p.Reconfigure != nil},
		{hostapi.OpStop, true},
		{hostapi.OpReindex, p.Reindex != nil},
		{hostapi.OpFilter, p.Filter != nil},
		{hostapi.OpAction, len(p.Actions) > 0},
		{hostapi.OpClients, p.Clients != nil},
	} {
		if o.has {
			d.Ops = append(d.Ops, uint32(o.op))
		}
	}
	return d.Append(dst)
}

// init also serves reconfigure. The message is kept, so its bytes are copied.
func (i *Instance) init(c *Call, in []byte, f func(*Call, *Start) error) error {
	var s Start
	if err := s.Decode(append([]byte(nil), in...)); err != nil {
		return badInput(c.op, err)
	}
	before, began := i.start, i.began
	i.start, i.began = s, true
	if f == nil {
		return nil
	}
	err := f(c, &s)
	if err != nil {
		i.start, i.began = before, began
	}
	return err
}

// Version is that of this package, for logs.
const Version = "1.0"
