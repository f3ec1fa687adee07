package route

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
)

func (b *bed) got(u *user, want ...string) {
	b.Helper()
	if d := cmp.Diff(want, u.take()); d != "" {
		b.Errorf("%s got (-want +got):\n%s", u.callsign, d)
	}
}

// quiet forgets what came so far.
func quiet(us ...*user) {
	for _, u := range us {
		u.take()
	}
}

func TestBroadcastGoesToAllButTheSender(t *testing.T) {
	b := newBed(t)
	x, y, z := b.client("X", "XRAY", Who{}), b.client("Y", "YANKEE", Who{}), b.client("Z", "ZULU", Who{})
	quiet(x, y, z)
	x.send("u-d-f", "shape", "")
	b.got(x)
	b.got(y, "u-d-f shape")
	b.got(z, "u-d-f shape")
}

func TestDestinations(t *testing.T) {
	for _, c := range []struct {
		name   string
		dests  []string
		y, z   int
		w      int
		back   bool
		hidden bool
	}{
		{"callsign", []string{`callsign="YANKEE"`}, 1, 0, 0, false, false},
		{"uid", []string{`uid="Z"`}, 0, 1, 0, false, false},
		{"union", []string{`callsign="YANKEE"`, `uid="Z"`}, 1, 1, 0, false, false},
		{"named twice comes once", []string{`callsign="YANKEE"`, `uid="Y"`}, 1, 0, 0, false, false},
		{"many", []string{`callsign="A"`, `callsign="B"`, `callsign="C"`, `callsign="YANKEE"`, `callsign="ZULU"`}, 1, 1, 0, false, false},
		{"group", []string{`group="__ANON__"`}, 1, 1, 1, false, false},
		{"group and uid", []string{`group="__ANON__"`, `uid="Z"`}, 1, 1, 1, false, false},
		{"a group that the sender is not in", []string{`group="secret"`}, 0, 0, 0, true, false},
		{"unknown callsign", []string{`callsign="NOBODY"`}, 0, 0, 0, true, false},
		{"oneself", []string{`callsign="XRAY"`}, 0, 0, 0, true, false},
		{"All Streaming", []string{`callsign="All Streaming"`}, 1, 1, 1, false, false},
		{"empty dest is none", []string{``}, 1, 1, 1, false, false},
		{"publish reaches nobody", []string{`publish="stcp:host:1"`}, 0, 0, 0, true, false},
		{"unknown mission", []string{`mission="op"`}, 0, 0, 0, true, false},
		{"the first attribute of the official order counts", []string{`uid="Z" callsign="YANKEE"`}, 1, 0, 0, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			b.opt.Groups.SetNames(map[string]hostapi.GroupID{"secret": 7})
			x, y, z := b.client("X", "XRAY", Who{}), b.client("Y", "YANKEE", Who{}), b.client("Z", "ZULU", Who{})
			w := b.join(Who{}) // a display that never reports a position
			quiet(x, y, z, w)
			x.dest("msg", c.dests...)
			for _, r := range []struct {
				u *user
				n int
			}{{y, c.y}, {z, c.z}, {w, c.w}} {
				if got := len(r.u.take()); got != r.n {
					t.Errorf("%s got %d events, want %d", r.u.callsign, got, r.n)
				}
			}
			want := []string(nil)
			if c.back {
				want = []string{"b-t-f-s msg"}
			}
			b.got(x, want...)
		})
	}
}

func TestOnlyUndeliverableChatComesBack(t *testing.T) {
	b := newBed(t)
	x := b.client("X", "XRAY", Who{})
	for _, typ := range []string{"b-t-f-s", "b-t-f-d", "b-f-t-r", "u-d-f"} {
		x.send(typ, "u", `<marti><dest callsign="NOBODY"/></marti>`)
	}
	b.got(x)
	x.dest("msg", `callsign="NOBODY"`)
	e := x.takeEvents()
	if len(e) != 1 || e[0].Type != "b-t-f-s" || e[0].UID != "msg" || e[0].NumDests() != 1 {
		t.Errorf("got %+v, want the same event as b-t-f-s", e)
	}
}

func TestCallsignChange(t *testing.T) {
	b := newBed(t)
	x, y := b.client("X", "XRAY", Who{}), b.client("Y", "YANKEE", Who{})
	y.callsign = "YOKE"
	y.sa()
	quiet(x, y)
	x.dest("old", `callsign="YANKEE"`)
	b.got(y)
	b.got(x, "b-t-f-s old")
	x.dest("new", `callsign="YOKE"`)
	b.got(y, "b-t-f new")
}

func TestClientWithSeveralConnections(t *testing.T) {
	b := newBed(t)
	x := b.client("X", "XRAY", Who{})
	y1, y2 := b.client("Y", "YANKEE", Who{}), b.client("Y", "YANKEE", Who{})
	quiet(x, y1, y2)

	x.send("u-d-f", "all", "")
	b.got(y1, "u-d-f all")
	b.got(y2, "u-d-f all")

	x.dest("one", `callsign="YANKEE"`, `uid="Y"`)
	b.got(y1)
	b.got(y2, "b-t-f one")

	y2.Leave()
	x.dest("two", `uid="Y"`)
	b.got(y1, "b-t-f two")
	b.got(x) // the client is still there: no notice

	y1.Leave()
	e := x.takeEvents()
	if len(e) != 1 || e[0].Type != "t-x-d-d" {
		t.Fatalf("got %v, want one t-x-d-d", e)
	}
}

func TestLeaveIsToldOnceWithTheClientsOwnType(t *testing.T) {
	b := newBed(t)
	x := b.client("X", "XRAY", Who{})
	other := b.join(Who{In: b.set(5), Out: b.set(5)})
	y := b.join(Who{})
	y.uid, y.callsign = "Y", "YANKEE"
	y.send("a-f-G-E-V", "Y", `<contact callsign="YANKEE" endpoint="*:-1:stcp"/>`)
	quiet(x)
	y.Leave()
	evs := x.takeEvents()
	if len(evs) != 1 || evs[0].Type != "t-x-d-d" || evs[0].Origin != hostapi.FromServer {
		t.Fatalf("got %+v, want one t-x-d-d of the server", evs)
	}
	link := link(t, evs[0])
	if link["uid"] != "Y" || link["type"] != "a-f-G-E-V" || link["relation"] != "p-p" {
		t.Errorf("link is %v", link)
	}
	if got := other.take(); got != nil {
		t.Errorf("somebody of another group got %v", got)
	}
	z := b.join(Who{})
	z.Leave()
	b.got(x) // never reported: nobody saw it
}

func TestNewcomersGetTheLatestPositions(t *testing.T) {
	b := newBed(t)
	x := b.client("X", "XRAY", Who{})
	x.callsign = "XENON"
	x.sa()
	b.client("Y", "YANKEE", Who{})
	y2 := b.client("G", "GOLF", Who{In: b.set(5), Out: b.set(5)})
	gone := b.client("Q", "QUEBEC", Who{})
	gone.Leave()
	directed := b.join(Who{})
	directed.uid, directed.callsign = "D", "DELTA"
	directed.send("a-f-G", "D", `<contact callsign="DELTA" endpoint="e"/><marti><dest uid="X"/></marti>`)

	n := b.join(Who{})
	got := map[string]string{}
	for _, e := range n.takeEvents() {
		got[e.UID] = e.Callsign
	}
	if d := cmp.Diff(map[string]string{"X": "XENON", "Y": "YANKEE"}, got); d != "" {
		t.Errorf("newcomer (-want +got):\n%s", d)
	}
	b.got(b.join(Who{In: b.set(5), Out: b.set(5)}), "a-f-G-U-C "+y2.uid)
}

func TestExpiredPositionsAreNotReplayed(t *testing.T) {
	for _, c := range []struct {
		name  string
		stale int // seconds after the event's own time
		after int // seconds after its coming
		seen  bool
	}{
		{"still holds", 75, 74, true},
		{"is over", 75, 76, false},
		{"stale before time counts as short, not as never", -600, 30, true},
		{"and ends", -600, 61, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			x := b.join(Who{})
			// The sender's clock is ten years behind: only the span counts.
			then := b.clock().AddDate(-10, 0, 0)
			e := b.event("a-f-G", "X", `<contact callsign="X" endpoint="e"/>`)
			e.Time, e.Stale = then.UnixMicro(), then.UnixMicro()+int64(c.stale)*1e6
			x.Publish([]*hostapi.Event{e})
			b.advance(seconds(c.after))
			if seen := len(b.join(Who{}).take()) == 1; seen != c.seen {
				t.Errorf("seen %v, want %v", seen, c.seen)
			}
		})
	}
}

func TestIncognito(t *testing.T) {
	b := newBed(t)
	x, y := b.client("X", "XRAY", Who{}), b.client("Y", "YANKEE", Who{})
	x.send("t-x-c-i-e", "x", "")
	quiet(x, y)
	b.tap.take()
	x.sa()
	x.dest("uid", `uid="Y"`)
	b.got(y)
	x.dest("callsign", `callsign="YANKEE"`)
	b.got(y, "b-t-f callsign")
	b.got(b.join(Who{}), "a-f-G-U-C Y")
	if d := cmp.Diff([]string{"b-t-f callsign"}, b.tap.take()); d != "" {
		t.Errorf("archived (-want +got):\n%s", d)
	}
	x.send("t-x-c-i-d", "x", "")
	x.sa()
	b.got(y, "a-f-G-U-C X")
}

func TestControlMessagesAreConsumed(t *testing.T) {
	b := newBed(t)
	x, y := b.client("X", "XRAY", Who{}), b.client("Y", "YANKEE", Who{})
	quiet(x, y)
	b.tap.take()
	for _, typ := range []string{"t-x-c-t", "t-x-c-t-r", "t-x-takp-v", "t-x-takp-q", "t-x-takp-r", "t-x-c-f", "t-x-c-m", "t-b", "t-b-a", "t-b-c", "t-b-q"} {
		x.send(typ, "u", "")
	}
	b.got(y)
	if got := b.tap.take(); got != nil {
		t.Errorf("archived %v", got)
	}
	for _, typ := range []string{"t-x-d-d", "t-x-m-c", "t-k-d"} {
		x.send(typ, "u", "")
	}
	b.got(y, "t-x-d-d u", "t-x-m-c u", "t-k-d u")
}

func TestBoxFilter(t *testing.T) {
	box := func(clients, s, w, n, e string) string {
		return `<subscription><geospatialFilter filterTAKClients="` + clients + `"><boundingBox minLatitude="` + s +
			`" minLongitude="` + w + `" maxLatitude="` + n + `" maxLongitude="` + e + `"/></geospatialFilter></subscription>`
	}
	for _, c := range []struct {
		name, filter      string
		mark, sa, del, to bool
	}{
		{"inside", box("true", "49", "7", "51", "9"), true, true, true, true},
		{"outside", box("true", "0", "0", "1", "1"), false, false, true, true},
		{"outside, clients pass", box("false", "0", "0", "1", "1"), false, true, true, true},
		{"over the 180th meridian", box("true", "49", "170", "51", "9"), true, true, true, true},
		{"no box clears", `<subscription><geospatialFilter/></subscription>`, true, true, true, true},
		{"unreadable box changes nothing", box("true", "x", "0", "1", "1"), true, true, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			x, y := b.client("X", "XRAY", Who{}), b.client("Y", "YANKEE", Who{})
			y.send("t-x-c-f", "f", c.filter)
			quiet(y)
			x.send("b-m-p-s-m", "mark", "")
			x.sa()
			x.send("t-x-d-d", "del", "")
			x.dest("chat", `uid="Y"`)
			var want []string
			for _, w := range []struct {
				on bool
				e  string
			}{{c.mark, "b-m-p-s-m mark"}, {c.sa, "a-f-G-U-C X"}, {c.del, "t-x-d-d del"}, {c.to, "b-t-f chat"}} {
				if w.on {
					want = append(want, w.e)
				}
			}
			b.got(y, want...)
		})
	}
}

func TestTapSeesEachEventOnceWithItsSender(t *testing.T) {
	b := newBed(t)
	x := b.client("X", "XRAY", Who{User: "xavier"})
	b.client("Y", "YANKEE", Who{})
	b.tap.takeEvents()
	evs := []*hostapi.Event{b.event("u-d-f", "1", ""), b.event("t-x-c-t", "ping", ""), b.event("b-t-f", "2", `<marti><dest uid="Y"/></marti>`), b.event("u-d-f", "3", "")}
	x.Publish(evs)
	var got []string
	for _, e := range b.tap.takeEvents() {
		got = append(got, e.UID)
		if e.User != "xavier" || e.Client != "X" || e.Conn != 1 || e.Groups != hostapi.AnonSet {
			t.Errorf("event %s is of user %q, client %q, connection %d, groups %d", e.UID, e.User, e.Client, e.Conn, e.Groups)
		}
	}
	if d := cmp.Diff([]string{"1", "2", "3"}, got); d != "" {
		t.Errorf("tap (-want +got):\n%s", d)
	}
}

func TestFirstPositionOfAClientIsMarked(t *testing.T) {
	b := newBed(t)
	y := b.client("Y", "YANKEE", Who{})
	quiet(y)
	x := b.client("X", "XRAY", Who{})
	x.sa()
	again := b.client("X", "XRAY", Who{})
	x.Leave()
	again.Leave()
	b.client("X", "XRAY", Who{})
	var got []bool
	for _, e := range y.takeEvents() {
		if e.Type != "t-x-d-d" {
			got = append(got, e.First)
		}
	}
	if d := cmp.Diff([]bool{true, false, false, true}, got); d != "" {
		t.Errorf("first (-want +got):\n%s", d)
	}
}

func TestFeedIsNobody(t *testing.T) {
	b := newBed(t)
	y := b.client("Y", "YANKEE", Who{})
	feed := b.join(Who{Feed: true})
	feed.uid, feed.callsign = "Y", "YANKEE"
	feed.sa()
	quiet(y)
	b.join(Who{}).dest("m", `uid="Y"`)
	b.got(y, "b-t-f m")
	feed.Leave()
	b.got(y)
}
