package takclient

import (
	"crypto/rand"
	"testing"
)

// Sender is whoever can send an event to the server.
type Sender interface {
	// Send sends one event element in the connection's encoding.
	Send(xml string) error
}

// Expecter is whoever can wait for an event: a Client, an Inbox.
type Expecter interface {
	Expect(testing.TB, Match) *Received
}

// NewMarker gives an event that no other is like, and the match for it. It is
// a point on the map, for everyone. A test that needs another audience or
// place changes the event before it sends it.
func NewMarker() (Event, Match) {
	uid := "fence-" + rand.Text()
	return Event{UID: uid, Type: "b-m-p-s-m", How: "m-g", Detail: `<contact callsign="fence"/>`}, UID(uid)
}

// Fence has from send a marker and waits until each of to has it. The server
// keeps the order from one sender to one receiver, so everything that from
// sent earlier and that is meant for those has arrived then. What is not in
// the log after a fence will not come any more.
//
// When the receiver may not see the sender at all (groups, incognito), one
// fence is not enough: the marker would not come either. Then let the sender
// wait until the server has dealt with all it sent (Client.Sync), and fence
// from a third client that the receiver does see: the server queues for a
// receiver in the order in which it deals with events.
func Fence(t testing.TB, from Sender, to ...Expecter) {
	t.Helper()
	marker, is := NewMarker()
	if err := from.Send(marker.XML()); err != nil {
		t.Fatalf("send the marker of a fence: %v", err)
	}
	for _, b := range to {
		b.Expect(t, is)
	}
}

// Never proves by a fence that nothing that matches has come to this client,
// other than what an Expect has taken.
func (b *Inbox) Never(t testing.TB, m Match, from Sender) {
	t.Helper()
	Fence(t, from, b)
	if wrong := b.untaken(m); len(wrong) > 0 {
		t.Fatalf("%s: got %d events with %s, want none:\n%s%s", b.name, len(wrong), m, lines(wrong), b.Report())
	}
}

// Quiet proves by a fence that nothing has come to this client that no Expect
// has taken and none of the matches allows.
func (b *Inbox) Quiet(t testing.TB, from Sender, allowed ...Match) {
	t.Helper()
	marker, is := NewMarker()
	if err := from.Send(marker.XML()); err != nil {
		t.Fatalf("send the marker of a fence: %v", err)
	}
	b.ExpectOnlyUntil(t, is, allowed...)
}

func (b *Inbox) untaken(m Match) []*Received {
	b.mu.Lock()
	defer b.mu.Unlock()
	var rs []*Received
	for i, r := range b.log {
		if !b.taken[i] && m.matches(r) {
			rs = append(rs, r)
		}
	}
	return rs
}
