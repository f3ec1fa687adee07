package call

import (
	"testing"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// No input makes an operation panic, and none that fails leaves anything staged.
func FuzzServe(f *testing.F) {
	in := inputs()
	for _, op := range ops() {
		var bytes []byte
		if in[op] != nil {
			bytes = in[op].Append(nil)
		}
		f.Add(uint32(op), bytes)
	}
	f.Add(uint32(hostapi.HostQueryEvents), (&wire.EventQuery{UIDs: []string{"a", "b"}, Latest: true, After: "a.b", AsCaller: true}).Append(nil))
	b := newBed(f)
	b.join("A", "", b.set(red))
	b.flush()
	b.actions = actionTable{"other.act": act(nil)}
	g := all()
	g[hostapi.CapHTTPClient] = hostapi.Scope{Hosts: []string{"nothing.invalid"}} // nothing leaves this machine
	p := b.plugin("p", g)
	f.Fuzz(func(t *testing.T, op uint32, in []byte) {
		c := p.Begin(Options{Caller: &wire.Caller{User: "u", Client: "A", OutSet: int32(hostapi.AnonSet)}})
		out, s := c.Serve(t.Context(), hostapi.HostOp(op), in, nil)
		if s != hostapi.OK {
			if err := Answered(s, out); err.Err != nil || err.Message == "" {
				t.Errorf("%v: error without a message: %q", hostapi.HostOp(op), out)
			}
			if c.Staged() {
				t.Errorf("%v: %v, and something is staged", hostapi.HostOp(op), s)
			}
		}
		c.Discard()
		if lines := b.log.lines("panicked"); len(lines) > 0 {
			t.Error(lines[0])
		}
		b.log.reset()
	})
}
