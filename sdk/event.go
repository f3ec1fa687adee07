package sdk

import (
	"iter"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/wire"
)

// EventBuilder writes a CoT event; the first thing done wrong comes out of Emit.
type EventBuilder = cot.Builder

// Unknown stands for an unknown height or error of a point, in metres.
const Unknown = cot.Unknown

// NewEvent begins an event that holds from t on for the time of stale.
func NewEvent(uid, typ, how string, t time.Time, stale time.Duration) *EventBuilder {
	return cot.NewEvent(uid, typ, how, t, stale)
}

// NewEvent begins an event that holds from now on.
func (c *Call) NewEvent(uid, typ, how string, stale time.Duration) *EventBuilder {
	return cot.NewEvent(uid, typ, how, c.Now(), stale)
}

// Emission is one event to be sent.
type Emission = wire.Emission

// Emit sends an event when the call is committed.
func (c *Call) Emit(b *EventBuilder, to Audience) error {
	xml, err := b.String()
	if err != nil {
		return &Error{Status: Invalid, Message: err.Error(), cause: err}
	}
	return c.EmitXML(xml, to)
}

// EmitXML is Emit for an event that is there as XML.
func (c *Call) EmitXML(xml string, to Audience) error {
	return c.EmitAll(Emission{XML: xml, Audience: to})
}

// EmitAll sends several, in their order; Fleeting ones are not archived.
func (c *Call) EmitAll(events ...Emission) error {
	m := wire.Emit{Events: events}
	return c.tell(hostapi.HostEmit, m.Append)
}

// EventQuery asks the archive.
type EventQuery = wire.EventQuery

// Area is an area in degrees.
type Area = wire.Box

// EventPage is some events of the archive. It may have fewer than the query's limit,
// even none, and yet others follow: Next alone tells. It ends at 4 MiB of XML.
type EventPage struct {
	Events Batch
	Next   string // for EventQuery.After; empty: there are no more
}

// QueryEvents reads one page of the archive, newest first unless the query says.
func (c *Call) QueryEvents(q *EventQuery) (EventPage, error) {
	answer, err := c.ask(hostapi.HostQueryEvents, q.Append)
	if err != nil {
		return EventPage{}, err
	}
	var m wire.EventPage
	err = badAnswer(hostapi.HostQueryEvents, m.Decode(answer))
	return EventPage{Batch(m.Views), m.Next}, err
}

// AllEvents goes over all events that a query finds, page by page. An error is the
// last that it gives.
func (c *Call) AllEvents(q EventQuery) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			p, err := c.QueryEvents(&q)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, e := range p.Events.All() {
				if !yield(e, nil) {
					return
				}
			}
			if p.Next == "" {
				return
			}
			q.After = p.Next
		}
	}
}

// Verdict is what a filter decides: Pass, Drop or Replace.
type Verdict = wire.FilterVerdict

// Pass lets the event go on as it is.
func Pass() Verdict { return Verdict{Verdict: wire.VerdictPass} }

// Drop ends the event. The reason is for the log and the metric: a few words that
// do not differ from event to event.
func Drop(reason string) Verdict { return Verdict{Verdict: wire.VerdictDrop, Reason: reason} }

// Replace lets another event of the same uid go on instead.
func Replace(xml, reason string) Verdict {
	return Verdict{Verdict: wire.VerdictReplace, XML: xml, Reason: reason}
}

// ClientQuery asks who is connected.
type ClientQuery = wire.ClientQuery

// Identity is what identity.read tells of a user, a set of groups or a certificate.
type Identity = wire.Identity

// User says who a user is: his name, roles and sets of groups. Of one that is not
// there the error is NotFound.
func (c *Call) User(user string) (Identity, error) {
	return c.identity(&wire.IdentityQuery{User: user})
}

// GroupsOf gives the names of the groups of a set: of an event, a document or a caller.
func (c *Call) GroupsOf(set int32) ([]string, error) {
	is, err := c.identity(&wire.IdentityQuery{Set: set})
	return is.Groups, err
}

// Certificate gives a client certificate by its serial number, such as a caller's: DER,
// whether it is revoked, and whose it is.
func (c *Call) Certificate(serial string) (Identity, error) {
	return c.identity(&wire.IdentityQuery{CertificateSerial: serial})
}

func (c *Call) identity(q *wire.IdentityQuery) (is Identity, err error) {
	answer, err := c.ask(hostapi.HostIdentity, q.Append)
	if err != nil {
		return is, err
	}
	return is, badAnswer(hostapi.HostIdentity, is.Decode(append([]byte(nil), answer...)))
}

// Clients says who is connected: all whom the grant allows to see, or those of the
// query.
func (c *Call) Clients(q ClientQuery) ([]Client, error) {
	answer, err := c.ask(hostapi.HostClients, q.Append)
	if err != nil {
		return nil, err
	}
	var m wire.Clients
	err = badAnswer(hostapi.HostClients, m.Decode(answer))
	return m.Clients, err
}
