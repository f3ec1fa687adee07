package tests

import (
	"testing"

	"github.com/takhost/takhost/tests/pytak"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// positionOf leaves out PyTAK's hello, a t-x-d-d with the client's uid.
func positionOf(uid string) takclient.Match { return takclient.UID(uid).Both(takclient.Type("a-*")) }

func TestTwoPyTAKClientsSeeEachOther(t *testing.T) {
	srv := taktest.Start(t)
	a := pytak.Start(t, srv.Addr("tcp"), "PYTAK-A", "ALPHA")
	b := pytak.Start(t, srv.Addr("tcp"), "PYTAK-B", "BRAVO")
	waitForConnections(t, srv.Admin, 2)
	takclient.Must(t, a.SA(52.5, 13.4))
	if got := b.Expect(t, positionOf("PYTAK-A")); got.Header.Lat != 52.5 || got.Header.Callsign != "ALPHA" {
		t.Errorf("position of ALPHA: got %q at latitude %v", got.Header.Callsign, got.Header.Lat)
	}
	takclient.Must(t, b.SA(48.1, 11.6))
	if got := a.Expect(t, positionOf("PYTAK-B")); got.Header.Lat != 48.1 || got.Header.Callsign != "BRAVO" {
		t.Errorf("position of BRAVO: got %q at latitude %v", got.Header.Callsign, got.Header.Lat)
	}
	marker, is := takclient.NewMarker()
	xml := marker.XML()
	takclient.Must(t, a.Send(xml))
	if got := b.Expect(t, is).XML; got != xml {
		t.Errorf("relayed\n got %s\nwant %s", got, xml)
	}
	if got := b.CountUID("PYTAK-B"); got != 0 {
		t.Errorf("echo of its own position: got it %d times, want none", got)
	}
}

func TestPyTAKAndAProtobufClientSeeEachOther(t *testing.T) {
	srv := taktest.Start(t)
	ours := srv.Client(t, takclient.WithProto(), takclient.WithCallsign("OURS"))
	takclient.Must(t, ours.SA(1, 2))
	ours.Sync(t)
	py := pytak.Start(t, srv.Addr("tcp"), "PYTAK", "THEIRS")
	if got := py.Expect(t, positionOf(ours.UID())); got.Header.Callsign != "OURS" || got.Header.Lon != 2 {
		t.Errorf("our latest position: got %q at longitude %v", got.Header.Callsign, got.Header.Lon)
	}
	takclient.Must(t, py.SA(3, 4))
	if got := ours.Expect(t, positionOf("PYTAK")); got.Header.Callsign != "THEIRS" || !got.Proto {
		t.Errorf("their position: got %q, in protobuf %t", got.Header.Callsign, got.Proto)
	}
	chat := ours.GeoChat("hello", takclient.Peer{UID: "PYTAK", Callsign: "THEIRS"})
	takclient.Must(t, ours.Send(chat.XML()))
	sameMeaning(t, chat.XML(), py.ExpectUID(t, chat.UID).XML)
	takclient.Must(t, py.Close())
	ours.Expect(t, leaveOf("PYTAK"))
}
