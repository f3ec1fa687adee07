// Package takclient is the TAK client that takhost's tests speak to the server
// with: plain TCP or TLS, XML and TAK protocol version 1.
//
// It shares no framing, negotiation or queue code with the core, so that a fault
// there is not cancelled out by the same fault here: it cuts the stream itself
// and builds its own events. Only the check of a single event (hostapi/cot) and
// the conversion of one message (hostapi/takproto) are common. It is no client
// for people: it keeps no map, no contacts, and does not connect again.
//
// A test looks like this:
//
//	a := takclient.Dial(t, addr, takclient.WithCallsign("ALPHA"))
//	b := takclient.Dial(t, addr, takclient.WithCallsign("BRAVO"), takclient.WithProto())
//	takclient.Must(t, a.SA(52.5, 13.4))
//	b.Expect(t, takclient.UID(a.UID()))
//	a.Never(t, takclient.UID(a.UID()), b) // no echo; b sends the marker that ends the wait
//
// Everything that arrives goes into an ordered log, the Inbox. Expect takes an
// event from it, so that a second Expect wants a second event. That something
// does not arrive is proved by a fence, never by a pause: see Fence.
//
// A client from Dial or Attach fails its test when the server breaks the
// protocol: malformed events, bytes between the events, XML after the switch
// to protobuf, frames that a real client would refuse (see Client.Faults).
//
// Concurrency: each client has one goroutine, which reads; it ends with the
// connection, and Close waits for it. All methods are safe for concurrent use;
// what several goroutines send at once is never mixed within an event. Methods
// that take a testing.TB may end the test and so belong in its own goroutine.
package takclient
