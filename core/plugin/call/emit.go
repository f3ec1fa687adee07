package call

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/wire"
)

// defaultStale is how long an event counts that does not say it itself.
const defaultStale = time.Minute

// emitScope is the grant of events.emit, ready for use.
type emitScope struct {
	types cot.TypeSet
	rate  int64 // a second; 0: no bound
}

// emit stages events: all of the message or, when one of them is refused, none.
func (c *Call) emit(ctx context.Context, in []byte) error {
	const op = hostapi.HostEmit
	if err := c.stages(op); err != nil {
		return err
	}
	var m wire.Emit
	if err := decode(op, in, &m); err != nil {
		return err
	}
	staged := make([]emission, len(m.Events))
	emits, size := c.emits, c.emitBytes
	for i := range m.Events {
		e := &m.Events[i]
		if emits++; emits > c.p.emits {
			return beyond(op, "more than %d events in one call", c.p.emits)
		}
		if size += len(e.XML); size > hostapi.DefaultEmitBytes {
			return beyond(op, "more than %d bytes of events in one call", hostapi.DefaultEmitBytes)
		}
		if !c.p.acct.emit.enough(c.p.env.now(), emits) {
			return beyond(op, "more than %d events a second", c.p.emit.rate)
		}
		ev, err := c.newEvent(e)
		if err != nil {
			return err
		}
		to, err := c.audience(ctx, op, e.Audience, reach{c.p.grants[op].Groups, c.p.grants[op].Missions})
		if err != nil {
			return err
		}
		staged[i] = emission{ev, to, c.p}
	}
	c.emits, c.emitBytes = emits, size
	c.root.effects.events = append(c.root.effects.events, staged...)
	return nil
}

// newEvent checks an event of the guest. The router gives it id, time of coming
// and groups when it is sent.
func (c *Call) newEvent(m *wire.Emission) (*hostapi.Event, error) {
	const op = hostapi.HostEmit
	e := &hostapi.Event{XML: m.XML, Origin: hostapi.FromPlugin, Via: c.p.spec.Name, Hops: c.opt.Hops + 1, Fleeting: m.Fleeting}
	if c.opt.Hops >= hostapi.MaxHops {
		return nil, &StatusError{Status: hostapi.Limit, Code: "hops",
			Message: op.String() + ": what is answered has passed through plugins 8 times already: plugins answer one another"}
	}
	if c.opt.Caller != nil {
		e.User = c.opt.Caller.User
	}
	if err := scan(e, c.p.env.now()); err != nil {
		status := hostapi.Invalid
		if errors.Is(err, cot.ErrLimit) {
			status = hostapi.Limit
		}
		return nil, &StatusError{Status: status, Message: op.String() + ": " + err.Error()}
	}
	if !c.p.emit.types.Match(e.Type) {
		return nil, outside(op, "types", e.Type, strings.Join(c.p.grants[op].Types, ", "))
	}
	if !c.p.grants[op].Missions {
		for i := range e.NumDests() {
			if d := e.Dest(i); isMission(d.Kind) {
				return nil, outside(op, "missions", d.Value, "no")
			}
		}
	}
	return e, nil
}

func isMission(k cot.DestKind) bool { return k == cot.DestMission || k == cot.DestMissionGUID }

// scan reads the header of the event and completes it: clients do not take an
// event that does not say when it was, from when and how long it counts.
func scan(e *hostapi.Event, now time.Time) error {
	if err := cot.Scan(e.XML, &e.Header); err != nil {
		return err
	}
	if e.Time != 0 && e.Start != 0 && e.Stale != 0 {
		return nil
	}
	at := e.Time
	if at == 0 {
		at = now.UnixMicro()
	}
	const begin = "<event"
	b := append(make([]byte, 0, len(e.XML)+128), begin...)
	for _, a := range []struct {
		name     string
		has, set int64
	}{{"time", e.Time, at}, {"start", e.Start, at}, {"stale", e.Stale, max(e.Start, at) + defaultStale.Microseconds()}} {
		if a.has == 0 {
			b = append(append(append(b, ' '), a.name...), `="`...)
			b = append(cot.AppendTime(b, a.set), '"')
		}
	}
	e.XML = string(append(b, e.XML[len(begin):]...))
	return cot.Scan(e.XML, &e.Header)
}
