package tests

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

func TestPongBeforeAnySA(t *testing.T) {
	srv := taktest.Start(t)
	for name, opts := range encodings {
		t.Run(name, func(t *testing.T) {
			a, b := srv.Client(t, opts...), srv.Client(t)
			takclient.Must(t, a.Ping())
			pong := a.ExpectType(t, "t-x-c-t-r")
			if pong.Proto != a.Proto() {
				t.Errorf("pong in protobuf: got %t, want %t", pong.Proto, a.Proto())
			}
			if h := pong.Header; h.UID != "takPong" || h.How != "h-g-i-g-o" || h.Stale-h.Time != (20*time.Second).Microseconds() {
				t.Errorf("pong: got uid %q, how %q, stale %d µs after time", h.UID, h.How, h.Stale-h.Time)
			}
			b.Never(t, takclient.Type("t-x-c-t*"), a)
		})
	}
}

func TestEveryPingIsAnswered(t *testing.T) {
	srv := taktest.Start(t)
	a := srv.Client(t)
	for range 100 {
		takclient.Must(t, a.Ping())
	}
	a.Sync(t)
	if n := a.Counts().Pongs; n != 101 {
		t.Errorf("pongs: got %d, want 101", n)
	}
}

// spec/tak-streaming.md 7.
func TestControlMessagesAreNeitherRelayedNorArchived(t *testing.T) {
	srv := taktest.Start(t)
	controls := map[string]string{
		"t-x-c-t": "", "t-x-c-t-r": "", "t-x-takp-v": "", "t-x-takp-q": "", "t-x-takp-r": "",
		"t-x-c-f": `<subscription><geospatialFilter filterTAKClients="true"/></subscription>`,
		"t-x-c-m": `<stats battery="50"/>`, "t-x-c-i-e": "", "t-x-c-i-d": "",
		"t-b": `<subscription publish="stcp:10.0.0.1:1"><tests xpath="*"/></subscription>`, "t-b-a": "", "t-b-c": "", "t-b-q": "",
	}
	for name, opts := range encodings {
		t.Run(name, func(t *testing.T) {
			for typ, detail := range controls {
				a, b := srv.Client(t, opts...), srv.Client(t)
				takclient.Must(t, a.Send(takclient.Event{UID: "control-" + typ, Type: typ, How: "m-g", Detail: detail}.XML()))
				a.Sync(t) // an incognito client's marker would not come
				takclient.Fence(t, srv.Client(t), b)
				if n := b.CountUID("control-" + typ); n != 0 {
					t.Errorf("%s: got it %d times, want never", typ, n)
				}
			}
			marker, _ := takclient.NewMarker()
			takclient.Must(t, srv.Client(t).Send(marker.XML()))
			srv.Archived(t, 1, url.Values{"uid": {marker.UID}})
			for _, e := range srv.Events(t, nil) {
				if _, control := controls[e.Type]; control || strings.HasPrefix(e.UID, "control-") {
					t.Errorf("archived: %s of type %s", e.UID, e.Type)
				}
			}
		})
	}
}

func TestClientMetricsShowInTheListOfClients(t *testing.T) {
	srv := taktest.Start(t)
	a := srv.Client(t)
	takclient.Must(t, a.SA(1, 2))
	takclient.Must(t, a.Send(takclient.Event{UID: a.UID(), Type: "t-x-c-m", How: "m-g",
		Detail: `<stats app_framerate="30" battery="77" battery_status="Charging" heap_max_size="1000" ip_address="10.1.2.3" storage_total="64"/>`}.XML()))
	a.Sync(t)
	c := srv.ClientOf(t, a.UID())
	for name, want := range map[string]string{"battery": "77", "battery_status": "Charging", "ip_address": "10.1.2.3", "app_framerate": "30"} {
		if got := c.Stats[name]; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if c.Callsign != a.Callsign() || c.Team != "Cyan" || c.Role != "Team Member" || c.Platform != "ATAK-CIV" || c.Lat == nil || *c.Lat != 1 || c.Lon == nil || *c.Lon != 2 {
		t.Errorf("client: got %+v, want what its position says", c)
	}
}

func TestIncognito(t *testing.T) {
	srv := taktest.Start(t)
	a, b, c := srv.Client(t), srv.Client(t), srv.Client(t)
	present(t, a, b, c)
	mode := func(typ string) {
		takclient.Must(t, a.Send(takclient.Event{UID: a.UID(), Type: typ, How: "m-g"}.XML()))
	}
	mode("t-x-c-i-e")
	takclient.Must(t, a.SA(50, 50))
	open, isOpen := takclient.NewMarker()
	takclient.Must(t, a.Send(open.XML()))
	direct, isDirect := takclient.NewMarker()
	direct.Detail += takclient.Marti(takclient.Dest{Kind: "callsign", Value: b.Callsign()})
	takclient.Must(t, a.Send(direct.XML()))
	b.Expect(t, isDirect)
	a.Sync(t)
	b.Never(t, isOpen.Or(takclient.UID(a.UID())), c)
	c.Never(t, isOpen.Or(isDirect).Or(takclient.UID(a.UID())), b)
	late := srv.Client(t)
	late.ExpectUID(t, b.UID())
	late.ExpectUID(t, c.UID())
	late.Never(t, takclient.UID(a.UID()), b)
	takclient.Fence(t, b, a) // it sees the others all the same

	mode("t-x-c-i-d")
	takclient.Must(t, a.SA(51, 51))
	b.ExpectUID(t, a.UID())
	srv.Client(t).ExpectUID(t, a.UID())
}

func TestBoxFilter(t *testing.T) {
	const inside, outside = 10, 40
	box := func(clients, boxes string) string {
		return takclient.Event{UID: "f", Type: "t-x-c-f", How: "m-g",
			Detail: `<subscription><geospatialFilter filterTAKClients="` + clients + `">` + boxes + `</geospatialFilter></subscription>`}.XML()
	}
	const area = `<boundingBox minLongitude="5" minLatitude="5" maxLongitude="15" maxLatitude="15"/>`
	tests := []struct {
		name   string
		filter string
		lost   []string // of near marker, far marker, near client, far client
	}{
		{"none", "", nil},
		{"of objects", box("false", area), []string{"far marker"}},
		{"of clients too", box("true", area), []string{"far marker", "far client"}},
		{"two boxes", box("true", area+`<boundingBox minLongitude="35" minLatitude="35" maxLongitude="45" maxLatitude="45"/>`), nil},
		{"across the 180th meridian", box("true", `<boundingBox minLongitude="30" minLatitude="-90" maxLongitude="-170" maxLatitude="90"/>`), []string{"near marker", "near client"}},
		{"cleared", box("true", area) + box("true", ""), nil},
	}
	srv := taktest.Start(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			watch := srv.Client(t)
			if tt.filter != "" {
				takclient.Must(t, watch.SendRaw([]byte(tt.filter)))
			}
			watch.Sync(t)
			near, far := srv.Client(t), srv.Client(t)
			nearby, isNear := takclient.NewMarker()
			nearby.Lat, nearby.Lon = inside, inside
			remote, isFar := takclient.NewMarker()
			remote.Lat, remote.Lon = outside, outside
			takclient.Must(t, near.Send(nearby.XML()))
			takclient.Must(t, near.SA(inside, inside))
			takclient.Must(t, far.Send(remote.XML()))
			takclient.Must(t, far.SA(outside, outside))
			chat := near.GeoChat("chat has a point at 0, 0, and goes to one", watch.Peer())
			for _, c := range []*takclient.Client{near, far} { // a type without a place ends the wait
				end := takclient.Event{UID: "end-" + c.UID(), Type: "t-x-d-d", How: "m-g"}
				takclient.Must(t, c.Send(end.XML()))
				watch.ExpectUID(t, end.UID)
			}
			for name, is := range map[string]takclient.Match{
				"near marker": isNear, "far marker": isFar, "near client": takclient.UID(near.UID()), "far client": takclient.UID(far.UID()),
			} {
				want := 1
				for _, lost := range tt.lost {
					if lost == name {
						want = 0
					}
				}
				if got := watch.Count(is); got != want {
					t.Errorf("%s: got it %d times, want %d", name, got, want)
				}
			}
			// What is addressed to the client reaches it wherever it is.
			takclient.Must(t, watch.SA(inside, inside))
			near.ExpectUID(t, watch.UID())
			takclient.Must(t, near.Send(chat.XML()))
			watch.ExpectUID(t, chat.UID)
		})
	}
}
