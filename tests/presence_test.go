package tests

import (
	"testing"
	"time"

	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

func TestNewcomerGetsTheLatestPositionOfEachOnce(t *testing.T) {
	srv := taktest.Start(t, taktest.WithTLS())
	a, b, c := srv.Client(t), srv.Client(t, takclient.WithProto()), srv.TLSClient(t, "charlie")
	for i := range 5 {
		for _, s := range []*takclient.Client{a, b, c} {
			takclient.Must(t, s.SA(float64(i), float64(i)))
		}
	}
	for _, s := range []*takclient.Client{a, b, c} {
		s.Sync(t)
	}
	for name, opts := range encodings {
		t.Run(name, func(t *testing.T) {
			late := srv.Client(t, opts...)
			takclient.Fence(t, a, late)
			for _, s := range []*takclient.Client{a, b, c} {
				if got := late.ExpectUID(t, s.UID()); got.Header.Lat != 4 || late.CountUID(s.UID()) != 1 {
					t.Errorf("%s: got latitude %v, %d times; want 4, once", s.Callsign(), got.Header.Lat, late.CountUID(s.UID()))
				}
			}
		})
	}
}

// A position whose sender's clock is wrong is kept as long as the sender meant
// it to hold; one that has ended is not shown.
func TestLatestPositionWithAWrongClock(t *testing.T) {
	srv := taktest.Start(t)
	for name, at := range map[string]time.Time{
		"years ago": time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), "years ahead": time.Now().AddDate(5, 0, 0),
	} {
		t.Run(name, func(t *testing.T) {
			a := srv.Client(t)
			sa := a.Presence(1, 2)
			sa.Time = at
			takclient.Must(t, a.Send(sa.XML()))
			a.Sync(t)
			if got := srv.Client(t).ExpectUID(t, a.UID()).XML; got != sa.XML() {
				t.Errorf("latest position\n got %s\nwant %s", got, sa.XML())
			}
		})
	}
}

func TestOnlyItsOwnPositionIsAClientsLatest(t *testing.T) {
	srv := taktest.Start(t)
	a, b := srv.Client(t), srv.Client(t)
	present(t, a, b)
	other := a.Presence(9, 9)
	other.UID = "SOMEBODY-ELSE"
	takclient.Must(t, a.Send(other.XML()))
	marker, _ := takclient.NewMarker()
	takclient.Must(t, a.Send(marker.XML()))
	b.ExpectUID(t, marker.UID)
	late := srv.Client(t)
	late.ExpectUID(t, a.UID())
	late.Never(t, takclient.UID(other.UID).Or(takclient.UID(marker.UID)), b)
}

func TestCallsignChange(t *testing.T) {
	srv := taktest.Start(t)
	a, b := srv.Client(t), srv.Client(t, takclient.WithCallsign("OLD"))
	present(t, a, b)
	sa := b.Presence(1, 1)
	sa.Detail = `<contact endpoint="*:-1:stcp" callsign="NEW"/>`
	takclient.Must(t, b.Send(sa.XML()))
	a.Expect(t, takclient.Callsign("NEW"))
	if c := srv.ClientOf(t, b.UID()); c.Callsign != "NEW" {
		t.Errorf("list of clients: got %q, want NEW", c.Callsign)
	}
	chat := a.GeoChat("hi", takclient.Peer{UID: b.UID(), Callsign: "NEW"})
	takclient.Must(t, a.Send(chat.XML()))
	b.ExpectUID(t, chat.UID)
	stale := a.GeoChat("hi", takclient.Peer{UID: b.UID(), Callsign: "OLD"})
	takclient.Must(t, a.Send(stale.XML()))
	a.Expect(t, takclient.UID(stale.UID).Both(takclient.Type("b-t-f-s")))
	b.Never(t, takclient.UID(stale.UID), a)
}

// leaveOf matches the notice that the client with that uid has left.
func leaveOf(uid string) takclient.Match {
	return takclient.Type("t-x-d-d").Both(takclient.Contains(`uid="` + uid + `"`))
}

func TestLeaveIsToldOnceWithTheClientsOwnType(t *testing.T) {
	srv := taktest.Start(t, taktest.WithTLS())
	ways := map[string]func(t *testing.T, c *takclient.Client){
		"close":      func(_ *testing.T, c *takclient.Client) { c.Close() },
		"reset":      func(t *testing.T, c *takclient.Client) { takclient.Must(t, c.Abort()) },
		"half close": func(t *testing.T, c *takclient.Client) { takclient.Must(t, c.CloseWrite()) },
		"cut in the middle of an event": func(t *testing.T, c *takclient.Client) {
			takclient.Must(t, c.SendRaw([]byte(`<event uid="half" type="a-f-G`)))
			takclient.Must(t, c.Abort())
		},
	}
	for name, leave := range ways {
		for encoding, opts := range encodings {
			t.Run(name+" "+encoding, func(t *testing.T) {
				a, b, c := srv.Client(t, opts...), srv.Client(t, takclient.WithProto()), srv.TLSClient(t, "charlie")
				sa := a.Presence(1, 2)
				sa.Type = "a-f-A-M-F-Q"
				takclient.Must(t, a.Send(sa.XML()))
				for _, r := range []*takclient.Client{b, c} {
					r.ExpectUID(t, a.UID())
				}
				leave(t, a)
				for _, r := range []*takclient.Client{b, c} {
					got := r.Expect(t, leaveOf(a.UID()))
					checkLeave(t, got, a.UID(), sa.Type)
					r.Never(t, leaveOf(a.UID()), srv.Client(t))
				}
				srv.Client(t).Never(t, takclient.UID(a.UID()), b)
			})
		}
	}
}

// checkLeave holds a notice against spec/tak-streaming.md 10.
func checkLeave(t *testing.T, got *takclient.Received, uid, typ string) {
	t.Helper()
	if h := got.Header; h.How != "h-g-i-g-o" || h.UID == uid || h.Stale-h.Time != (20*time.Second).Microseconds() {
		t.Errorf("notice: got how %q, uid %q, stale %d µs after time", h.How, h.UID, h.Stale-h.Time)
	}
	tree, err := cot.ParseDetail(got.XML, &got.Header)
	takclient.Must(t, err)
	link, _ := tree.Root().Child("link")
	for name, want := range map[string]string{"uid": uid, "type": typ, "relation": "p-p"} {
		if v, _ := link.Attr(name); v != want {
			t.Errorf("link %s: got %q, want %q", name, v, want)
		}
	}
}

func TestLeaveIsToldWhenTheLastConnectionOfAClientEnds(t *testing.T) {
	srv := taktest.Start(t)
	a, b := srv.Client(t), srv.Client(t)
	again := srv.Client(t, takclient.WithUID(a.UID()), takclient.WithCallsign(a.Callsign()))
	takclient.Must(t, a.SA(1, 1))
	b.ExpectUID(t, a.UID())
	takclient.Must(t, again.SA(2, 2))
	b.ExpectUID(t, a.UID())
	again.Close()
	waitForConnections(t, srv.Admin, 2)
	b.Never(t, leaveOf(a.UID()), srv.Client(t))
	a.Close()
	b.Expect(t, leaveOf(a.UID()))
}

func TestNobodyIsToldOfAClientThatNeverReportedItsPosition(t *testing.T) {
	srv := taktest.Start(t)
	a, b := srv.Client(t), srv.Client(t)
	takclient.Fence(t, a, b)
	a.Close()
	waitForConnections(t, srv.Admin, 1)
	b.Never(t, takclient.Type("t-x-d-d"), srv.Client(t))
}

func TestStopTellsNothingOfClientsThatLeave(t *testing.T) {
	srv := taktest.Start(t)
	a, b := srv.Client(t), srv.Client(t)
	present(t, a, b)
	srv.Stop(t)
	for _, c := range []*takclient.Client{a, b} {
		c.WaitClosed(t)
		if n := c.Count(takclient.Type("t-x-d-d")); n != 0 {
			t.Errorf("notices of clients that left, from a server that stops: got %d, want none", n)
		}
	}
}
