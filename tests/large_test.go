package tests

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/hostapi/takproto"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// large gives an event whose TAK protocol message has more than that many
// bytes, as a long drawing has.
func large(bytes int) (takclient.Event, takclient.Match) {
	e, is := takclient.NewMarker()
	e.Type, e.Time = "u-d-f", time.Now()
	const links = 1000
	e.Detail = strings.Repeat(`<link point="47.40000000000000,10.20000000000000"/>`, links)
	e.Detail += "<remarks>" + strings.Repeat("traced by hand ", max(0, bytes-len(e.Detail))/15) + "</remarks>"
	return e, is
}

// spec/tak-streaming.md 3: ATAK refuses longer frames, so the server does not
// send them, but says where to fetch the event.
func TestEventTooLongForAFrame(t *testing.T) {
	srv := taktest.Start(t, taktest.WithListeners("http"))
	for name, opts := range encodings {
		for _, size := range []int{takproto.MaxFrame + 1000, 7 << 20} {
			t.Run(fmt.Sprintf("from %s, %d bytes", name, size), func(t *testing.T) {
				a, xml, proto := srv.Client(t, opts...), srv.Client(t), srv.Client(t, takclient.WithProto())
				present(t, a, xml, proto)
				before := srv.Metric(t, "takhost_stream_noticed_total")
				e, is := large(size)
				takclient.Must(t, a.Send(e.XML()))
				got := xml.Expect(t, is)
				if !a.Proto() && got.XML != e.XML() {
					t.Errorf("relayed XML of %d bytes differs from what was sent (%d bytes)", len(got.XML), len(e.XML()))
				}
				sameMeaning(t, e.XML(), got.XML)
				if one := fetched(t, askAt(t, srv, "http"), notice(t, proto, e.UID)); one != got.XML {
					t.Errorf("fetched: %d bytes, want the %d that were relayed", len(one), len(got.XML))
				}
				proto.Never(t, is, a)
				if n := srv.Metric(t, "takhost_stream_noticed_total") - before; n != 1 {
					t.Errorf("counted %v notices, want 1", n)
				}
				stored := srv.Archived(t, 1, url.Values{"uid": {e.UID}})
				if stored[0].XML != got.XML {
					t.Errorf("archived: %d bytes, want the %d that were relayed", len(stored[0].XML), len(got.XML))
				}
			})
		}
	}
	if n := srv.Metric(t, "takhost_stream_too_long_total"); n != 0 {
		t.Errorf("counted %v deliveries as left out, want none", n)
	}
}

// Without a listener to fetch it by the event is left out, as there is no other
// way. It is in the archive.
func TestEventTooLongForAFrameAndNothingToFetchItBy(t *testing.T) {
	srv := taktest.Start(t)
	a, xml, proto := srv.Client(t), srv.Client(t), srv.Client(t, takclient.WithProto())
	present(t, a, xml, proto)
	e, is := large(takproto.MaxFrame + 1000)
	takclient.Must(t, a.Send(e.XML()))
	xml.Expect(t, is)
	proto.Never(t, is.Or(takclient.Type("b-f-t-r")), a)
	if n := srv.Metric(t, "takhost_stream_too_long_total"); n != 1 {
		t.Errorf("counted %v deliveries as too long, want 1", n)
	}
	stored := srv.Archived(t, 1, url.Values{"uid": {e.UID}})
	srv.Logged(t, "event too large for a TAK protocol client", stored[0].ID.String(), "listen.http is closed")
}

// The longest frame that is allowed arrives in both encodings.
func TestLongestFrameArrives(t *testing.T) {
	srv := taktest.Start(t)
	e, is := large(takproto.MaxFrame - 5000)
	e.Detail += "<x>" + strings.Repeat("a", takproto.MaxFrame-messageSize(t, e.XML())-len("<x></x>")) + "</x>"
	if n := messageSize(t, e.XML()); n != takproto.MaxFrame {
		t.Fatalf("message of the test: got %d bytes, want %d", n, takproto.MaxFrame)
	}
	eachPair(t, func(t *testing.T, from, to []takclient.Option) {
		a, b := srv.Client(t, from...), srv.Client(t, to...)
		takclient.Must(t, a.Send(e.XML()))
		sameMeaning(t, e.XML(), b.Expect(t, is).XML)
	})
}

// messageSize is that of the TakMessage of an event.
func messageSize(t *testing.T, xml string) int {
	t.Helper()
	return len(takproto.Split(frame(t, xml), 1<<30).Message)
}

func TestEventOfEightMiBIsAcceptedAndALongerOneDropped(t *testing.T) {
	srv := taktest.Start(t)
	limit := int(srv.Config.Limits.Event)
	pad := func(e takclient.Event, size int) string {
		xml := e.XML()
		return strings.Replace(xml, "</detail>", "<x>"+strings.Repeat("a", size-len(xml)-len("<x></x>"))+"</x></detail>", 1)
	}
	a, b := srv.Client(t), srv.Client(t)
	e, is := takclient.NewMarker()
	xml := pad(e, limit)
	takclient.Must(t, a.Send(xml))
	if got := b.Expect(t, is); got.XML != xml {
		t.Errorf("event of %d bytes: got %d bytes, which differ", len(xml), len(got.XML))
	}
	longer, isLonger := takclient.NewMarker()
	takclient.Must(t, a.Send(pad(longer, limit+1)))
	endless, _ := takclient.NewMarker()
	takclient.Must(t, a.SendRaw([]byte(strings.TrimSuffix(pad(endless, 3*limit), "</x></detail></event>"))))
	b.Never(t, isLonger.Or(takclient.UID(endless.UID)), a)
	srv.Logged(t, "bad input dropped, the connection goes on", a.LocalAddr().String(), "longer than 8388608")
}

// What all connections together may leave unfinished is bounded.
func TestUnfinishedEventsShareABudget(t *testing.T) {
	srv := taktest.Start(t, limits(func(l *config.Limits) {
		l.Event, l.QueueBytes, l.ArchiveQueueBytes, l.Unfinished = 1<<20, 1<<20, 1<<20, 2<<20
	}))
	b := srv.Client(t)
	half := []byte(`<event uid="half" type="b-x" how="m-g"><detail>` + strings.Repeat("a", 900<<10))
	var last *takclient.Client
	for range 3 {
		last = srv.Client(t)
		takclient.Must(t, last.SendRaw(half))
	}
	srv.Logged(t, "bad input dropped", "too many bytes of unfinished events on all connections")
	e, is := takclient.NewMarker()
	takclient.Must(t, last.Send(e.XML()))
	if b.Expect(t, is); srv.Metric(t, "takhost_stream_unfinished_bytes") > 2<<20 {
		t.Error("unfinished bytes are above the budget")
	}
}
