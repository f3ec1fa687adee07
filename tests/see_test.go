package tests

import (
	"testing"

	"github.com/takhost/takhost/tests/meaning"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// encodings are the two that a client may speak.
var encodings = map[string][]takclient.Option{
	"XML":      nil,
	"protobuf": {takclient.WithProto()},
}

// eachPair runs do for every pair of encodings of a sender and a receiver.
func eachPair(t *testing.T, do func(t *testing.T, from, to []takclient.Option)) {
	for _, pair := range [][2]string{{"XML", "XML"}, {"XML", "protobuf"}, {"protobuf", "XML"}, {"protobuf", "protobuf"}} {
		t.Run(pair[0]+" to "+pair[1], func(t *testing.T) { do(t, encodings[pair[0]], encodings[pair[1]]) })
	}
}

// sameMeaning compares an event with what became of it on its way.
func sameMeaning(t *testing.T, sent, got string) {
	t.Helper()
	diff, err := meaning.Diff(sent, got)
	if err != nil {
		t.Fatal(err)
	}
	if diff != "" {
		t.Errorf("meaning (-sent +got):\n%s\nsent %s\ngot  %s", diff, sent, got)
	}
}

func TestTwoClientsSeeEachOther(t *testing.T) {
	srv := taktest.Start(t)
	eachPair(t, func(t *testing.T, first, second []takclient.Option) {
		a, b := srv.Client(t, first...), srv.Client(t, second...)
		for _, c := range []struct{ from, to *takclient.Client }{{a, b}, {b, a}} {
			sa := c.from.Presence(52.5, 13.4).XML()
			takclient.Must(t, c.from.Send(sa))
			got := c.to.ExpectUID(t, c.from.UID())
			if !c.from.Proto() && !c.to.Proto() && got.XML != sa {
				t.Errorf("relayed XML\n got %s\nwant %s", got.XML, sa)
			}
			sameMeaning(t, sa, got.XML)
			c.from.Never(t, takclient.UID(c.from.UID()), c.to) // no echo
		}
		if n := a.CountUID(b.UID()) + b.CountUID(a.UID()); n != 2 {
			t.Errorf("got %d positions on both sides, want one each", n)
		}
	})
}

func TestClientsOfDifferentListenersSeeEachOther(t *testing.T) {
	srv := taktest.Start(t, taktest.WithTLS())
	eachPair(t, func(t *testing.T, first, second []takclient.Option) {
		a, b := srv.Client(t, first...), srv.TLSClient(t, "bravo", second...)
		takclient.Must(t, a.SA(1, 2))
		b.ExpectUID(t, a.UID())
		takclient.Must(t, b.SA(3, 4))
		a.ExpectUID(t, b.UID())
		c := srv.ClientOf(t, b.UID())
		if c.User != "bravo" || c.Listener != "tls" {
			t.Errorf("client over TLS: got user %q on listener %q, want bravo on tls", c.User, c.Listener)
		}
	})
}

func TestSecondConnectionOfOneClientGetsWhatTheFirstSends(t *testing.T) {
	srv := taktest.Start(t)
	a := srv.Client(t)
	again := srv.Client(t, takclient.WithUID(a.UID()), takclient.WithCallsign(a.Callsign()))
	takclient.Must(t, a.SA(1, 2))
	again.ExpectUID(t, a.UID())
}

func TestEventsOfOneSenderKeepTheirOrder(t *testing.T) {
	srv := taktest.Start(t)
	eachPair(t, func(t *testing.T, from, to []takclient.Option) {
		a, b := srv.Client(t, from...), srv.Client(t, to...)
		const n = 2000
		var uids []string
		for i := range n {
			e, _ := takclient.NewMarker()
			uids = append(uids, e.UID)
			if i%3 == 0 { // a message to one among those to all
				e.Detail += takclient.Marti(takclient.Dest{Kind: "uid", Value: b.UID()})
			}
			if i == 0 {
				takclient.Must(t, b.SA(0, 0))
				a.ExpectUID(t, b.UID())
			}
			takclient.Must(t, a.Send(e.XML()))
		}
		b.ExpectUID(t, uids[n-1])
		next := 0
		for _, r := range b.All() {
			if next < n && r.Header.UID == uids[next] {
				next++
			}
		}
		if next != n || b.CountUID(uids[0]) != 1 {
			t.Errorf("got %d of %d events in order", next, n)
		}
	})
}
