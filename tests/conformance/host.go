package conformance

import (
	"context"
	"slices"
	"sync"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/index"
	"github.com/takhost/takhost/hostapi/wire"
)

// Host is a host with a store in memory, which keeps what it was asked. Writes
// count at once: it is for one guest and one call at a time. Its fields are set
// between calls.
type Host struct {
	// Page bounds the documents of one answer; 0: 100.
	Page int
	// Config is the plugin's section: a hostapi.Tree.
	Config []byte
	// Now is what the clock says: µs since 1970 UTC.
	Now int64
	// Clients are connected.
	Clients []wire.Client
	// Identities are those that can be asked for.
	Identities map[wire.IdentityQuery]wire.Identity
	// Files serves the operations on files; nil: there are none.
	Files guest.Host
	// Fail answers an operation with a status instead of serving it.
	Fail map[hostapi.HostOp]hostapi.Status

	mu sync.Mutex
	seen
}

// seen is what a guest did.
type seen struct {
	docs     map[string]map[string]*document // by collection and id
	counters map[string]int64
	logs     []wire.Log
	sent     []wire.Emission
	timers   []wire.TimerSet // one that was cancelled has a name alone
	calls    []wire.Action
	asked    []hostapi.HostOp
}

var _ guest.Host = (*Host)(nil)

// message is one of hostapi/wire.
type message interface {
	Append([]byte) []byte
	Decode([]byte) error
}

// Reset makes the host a new one.
func (h *Host) Reset() {
	h.Page, h.Config, h.Now, h.Clients, h.Identities, h.Files, h.Fail = 0, nil, 0, nil, nil, nil, nil
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = seen{}
}

// Logs gives the messages that the guest logged.
func (h *Host) Logs() (messages []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.logs {
		messages = append(messages, l.Message)
	}
	return messages
}

// did gives a copy of what the guest did so far.
func (h *Host) did() seen {
	h.mu.Lock()
	defer h.mu.Unlock()
	return seen{logs: slices.Clone(h.logs), sent: slices.Clone(h.sent), timers: slices.Clone(h.timers),
		calls: slices.Clone(h.calls), asked: slices.Clone(h.asked)}
}

// refusal is an answer other than OK.
func refusal(dst []byte, s hostapi.Status, why string) ([]byte, hostapi.Status) {
	return (&wire.Error{Code: "refused", Message: why}).Append(dst), s
}

// Serve serves guest.Host.
func (h *Host) Serve(ctx context.Context, op hostapi.HostOp, in, dst []byte) ([]byte, hostapi.Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, op)
	if s, ok := h.Fail[op]; ok {
		return refusal(dst, s, "the test wants it so")
	}
	if c, ok := op.Capability(); ok && c == hostapi.CapBlobs && h.Files != nil {
		return h.Files.Serve(ctx, op, in, dst)
	}
	in = slices.Clone(in) // what messages have of bytes is kept
	switch op {
	case hostapi.HostLog:
		return add(&h.logs, in, dst)
	case hostapi.HostConfig:
		return append(dst, h.Config...), hostapi.OK
	case hostapi.HostClock:
		return (&wire.Clock{Now: h.Now, Monotonic: 1}).Append(dst), hostapi.OK
	case hostapi.HostRandom:
		return random(in, dst)
	case hostapi.HostEmit:
		var m wire.Emit
		if err := m.Decode(in); err != nil {
			return refusal(dst, hostapi.Invalid, err.Error())
		}
		h.sent = append(h.sent, m.Events...)
		return dst, hostapi.OK
	case hostapi.HostTimerSet, hostapi.HostTimerCancel: // the name is field 1 of both
		return add(&h.timers, in, dst)
	case hostapi.HostCall:
		out, s := add(&h.calls, in, dst)
		if s != hostapi.OK {
			return out, s
		}
		return (&wire.ActionResult{Body: append([]byte("answer to "), h.calls[len(h.calls)-1].Body...)}).Append(dst), hostapi.OK
	case hostapi.HostClients:
		return h.clients(in, dst)
	case hostapi.HostIdentity:
		return h.identity(in, dst)
	}
	return h.store(op, in, dst)
}

// add keeps a message.
func add[M any, P interface {
	*M
	message
}](to *[]M, in, dst []byte) ([]byte, hostapi.Status) {
	var m M
	if err := P(&m).Decode(in); err != nil {
		return refusal(dst, hostapi.Invalid, err.Error())
	}
	*to = append(*to, m)
	return dst, hostapi.OK
}

// random gives bytes that a case can foresee.
func random(in, dst []byte) ([]byte, hostapi.Status) {
	var m wire.RandomRequest
	if err := m.Decode(in); err != nil || m.N > hostapi.MaxRandom {
		return refusal(dst, hostapi.Limit, "too many bytes")
	}
	for i := range m.N {
		dst = append(dst, byte(i*7+1))
	}
	return dst, hostapi.OK
}

func (h *Host) clients(in, dst []byte) ([]byte, hostapi.Status) {
	var m wire.ClientQuery
	if err := m.Decode(in); err != nil {
		return refusal(dst, hostapi.Invalid, err.Error())
	}
	var found wire.Clients
	for _, c := range h.Clients {
		if len(m.Callsigns) == 0 || slices.Contains(m.Callsigns, c.Callsign) {
			found.Clients = append(found.Clients, c)
		}
	}
	return found.Append(dst), hostapi.OK
}

// identity answers from the table of identities.
func (h *Host) identity(in, dst []byte) ([]byte, hostapi.Status) {
	var m wire.IdentityQuery
	if err := m.Decode(in); err != nil {
		return refusal(dst, hostapi.Invalid, err.Error())
	}
	is, ok := h.Identities[m]
	if !ok {
		return refusal(dst, hostapi.NotFound, "nobody has that")
	}
	return is.Append(dst), hostapi.OK
}

// checkKeys says what is wrong with the keys of a document.
func checkKeys(keys []wire.IndexKey) error {
	for _, k := range keys {
		if _, err := index.Tuple(k.Key); err != nil {
			return err
		}
	}
	return nil
}
