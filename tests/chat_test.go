package tests

import (
	"testing"

	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// present has clients report their position, and waits until each sees the
// others.
func present(t *testing.T, cs ...*takclient.Client) {
	t.Helper()
	for i, c := range cs {
		takclient.Must(t, c.SA(float64(i), float64(i)))
	}
	for _, c := range cs {
		for _, other := range cs {
			if c != other {
				c.ExpectUID(t, other.UID())
			}
		}
	}
}

func TestChatToAllReachesEverybody(t *testing.T) {
	srv := taktest.Start(t)
	eachPair(t, func(t *testing.T, from, to []takclient.Option) {
		a, b, c := srv.Client(t, from...), srv.Client(t, to...), srv.Client(t)
		present(t, a, b, c)
		chat := a.GeoChat("to all: <ready> & able, 東京 🚒")
		takclient.Must(t, a.Send(chat.XML()))
		for _, r := range []*takclient.Client{b, c} {
			sameMeaning(t, chat.XML(), r.ExpectUID(t, chat.UID).XML)
		}
		a.Never(t, takclient.UID(chat.UID), b)
	})
}

func TestChatToOneReachesThatOneAlone(t *testing.T) {
	srv := taktest.Start(t)
	for name, peer := range map[string]func(takclient.Peer) takclient.Peer{
		"by callsign": func(p takclient.Peer) takclient.Peer { return p },
		"by uid":      func(p takclient.Peer) takclient.Peer { return takclient.Peer{UID: p.UID} },
	} {
		t.Run(name, func(t *testing.T) {
			eachPair(t, func(t *testing.T, from, to []takclient.Option) {
				a, b, c := srv.Client(t, from...), srv.Client(t, to...), srv.Client(t)
				present(t, a, b, c)
				chat := a.GeoChat("for you", peer(b.Peer()))
				takclient.Must(t, a.Send(chat.XML()))
				got := b.ExpectUID(t, chat.UID)
				sameMeaning(t, chat.XML(), got.XML)
				c.Never(t, takclient.UID(chat.UID), a)
				a.Never(t, takclient.Type("b-t-f*"), c)
			})
		})
	}
}

func TestSeveralDestinationsAreAUnion(t *testing.T) {
	srv := taktest.Start(t)
	a, b, c, d := srv.Client(t), srv.Client(t, takclient.WithProto()), srv.Client(t), srv.Client(t)
	present(t, a, b, c, d)
	e, is := takclient.NewMarker()
	e.Detail += takclient.Marti(
		takclient.Dest{Kind: "callsign", Value: b.Callsign()}, takclient.Dest{Kind: "uid", Value: b.UID()},
		takclient.Dest{Kind: "uid", Value: c.UID()}, takclient.Dest{Kind: "callsign", Value: "NOBODY"})
	takclient.Must(t, a.Send(e.XML()))
	b.Expect(t, is)
	c.Expect(t, is)
	takclient.Fence(t, a, b, c, d)
	for _, tt := range []struct {
		who  string
		c    *takclient.Client
		want int
	}{{"named twice", b, 1}, {"named once", c, 1}, {"not named", d, 0}, {"the sender", a, 0}} {
		if got := tt.c.CountUID(e.UID); got != tt.want {
			t.Errorf("%s: got it %d times, want %d", tt.who, got, tt.want)
		}
	}
}

func TestAllStreamingMeansEverybody(t *testing.T) {
	srv := taktest.Start(t)
	a, b, c := srv.Client(t), srv.Client(t), srv.Client(t, takclient.WithProto())
	present(t, a, b, c)
	e, is := takclient.NewMarker()
	e.Detail += takclient.Marti(takclient.Dest{Kind: "callsign", Value: "All Streaming"}, takclient.Dest{Kind: "callsign", Value: b.Callsign()})
	takclient.Must(t, a.Send(e.XML()))
	b.Expect(t, is)
	c.Expect(t, is)
}

func TestGroupDestination(t *testing.T) {
	srv := taktest.Start(t)
	a, b := srv.Client(t), srv.Client(t)
	present(t, a, b)
	for _, tt := range []struct {
		group string
		want  int
	}{{"__ANON__", 1}, {"a group that nobody made", 0}} {
		t.Run(tt.group, func(t *testing.T) {
			e, is := takclient.NewMarker()
			e.Detail += takclient.Marti(takclient.Dest{Kind: "group", Value: tt.group})
			takclient.Must(t, a.Send(e.XML()))
			takclient.Fence(t, a, b)
			if got := b.Count(is); got != tt.want {
				t.Errorf("got it %d times, want %d", got, tt.want)
			}
		})
	}
}

func TestMissionDestinationIsNeverBroadcast(t *testing.T) {
	srv := taktest.Start(t)
	a, b := srv.Client(t), srv.Client(t)
	present(t, a, b)
	for _, kind := range []string{"mission", "mission-guid"} {
		e, is := takclient.NewMarker()
		e.Detail += takclient.Marti(takclient.Dest{Kind: kind, Value: "no such mission"})
		takclient.Must(t, a.Send(e.XML()))
		b.Never(t, is, a)
	}
}

func TestUndeliverableChatComesBackAsBTFS(t *testing.T) {
	srv := taktest.Start(t)
	for name, opts := range encodings {
		t.Run(name, func(t *testing.T) {
			a, b := srv.Client(t, opts...), srv.Client(t)
			present(t, a, b)
			chat := a.GeoChat("anybody?", takclient.Peer{UID: "GONE", Callsign: "NOBODY"})
			takclient.Must(t, a.Send(chat.XML()))
			want := chat
			want.Type = "b-t-f-s"
			sameMeaning(t, want.XML(), a.ExpectUID(t, chat.UID).XML)
			b.Never(t, takclient.Type("b-t-f*"), a)

			// A failure notice that cannot be delivered is not returned, nor
			// is anything that is no chat.
			chat.Type = "b-t-f-s"
			takclient.Must(t, a.Send(chat.XML()))
			e, is := takclient.NewMarker()
			e.Detail += takclient.Marti(takclient.Dest{Kind: "callsign", Value: "NOBODY"})
			takclient.Must(t, a.Send(e.XML()))
			a.Never(t, takclient.UID(chat.UID).Or(is), b)
		})
	}
}

func TestChatReachesTheNewestConnectionOfAClient(t *testing.T) {
	srv := taktest.Start(t)
	a, b := srv.Client(t), srv.Client(t)
	present(t, a, b)
	again := srv.Client(t, takclient.WithUID(b.UID()), takclient.WithCallsign(b.Callsign()))
	takclient.Must(t, again.SA(1, 1))
	a.ExpectUID(t, b.UID())
	chat := a.GeoChat("to the new one", b.Peer())
	takclient.Must(t, a.Send(chat.XML()))
	again.ExpectUID(t, chat.UID)
	b.Never(t, takclient.UID(chat.UID), a)

	again.Close()
	// The old one counts again once the server has seen the end of the new one.
	waitForConnections(t, srv.Admin, 2)
	chat = a.GeoChat("to the old one", b.Peer())
	takclient.Must(t, a.Send(chat.XML()))
	b.ExpectUID(t, chat.UID)
}
