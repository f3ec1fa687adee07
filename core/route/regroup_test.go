package route

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
)

// regroup puts the sessions of a user into groups.
func (b *bed) regroup(name string, in, out hostapi.SetID, notice bool) int {
	return b.Regroup(func(who Who, _ string) (hostapi.SetID, hostapi.SetID, bool) { return in, out, who.User == name }, notice)
}

// seen gives what a user got, with the uid that a t-x-d-d is about and without
// the random uids of notices.
func (u *user) seen() (out []string) {
	u.b.Helper()
	for _, e := range u.takeEvents() {
		switch e.Type {
		case "t-x-d-d":
			out = append(out, "gone "+link(u.b.T, e)["uid"])
		case "t-x-g-c":
			out = append(out, "notice")
		default:
			out = append(out, e.Type+" "+e.UID)
		}
	}
	return out
}

func TestRegroup(t *testing.T) {
	const red, blue = hostapi.GroupID(2), hostapi.GroupID(3)
	type sets struct{ in, out []hostapi.GroupID }
	both := func(g ...hostapi.GroupID) sets { return sets{g, g} }
	for _, c := range []struct {
		name              string
		from, to          sets // of X; R is red, B is blue, both in both directions
		notice            bool
		x, r, b           []string
		rSeesX, xSeesBlue bool
	}{
		{"from one group to another", both(red), both(blue), false,
			[]string{"gone R", "a-f-G-U-C B"}, []string{"gone X"}, []string{"a-f-G-U-C X"}, false, true},
		{"the same with a notice", both(red), both(blue), true,
			[]string{"gone R", "notice", "a-f-G-U-C B"}, []string{"gone X"}, []string{"a-f-G-U-C X"}, false, true},
		{"one more", both(red), both(red, blue), false,
			[]string{"a-f-G-U-C B"}, nil, []string{"a-f-G-U-C X"}, true, true},
		{"one more with a notice: everything again", both(red), both(red, blue), true,
			[]string{"notice", "a-f-G-U-C B", "a-f-G-U-C R"}, nil, []string{"a-f-G-U-C X"}, true, true},
		{"none any more", both(red, blue), both(), true,
			[]string{"gone B", "gone R", "notice"}, []string{"gone X"}, []string{"gone X"}, false, false},
		{"only reading is left", both(red), sets{nil, []hostapi.GroupID{red}}, false,
			nil, []string{"gone X"}, nil, false, false},
		{"only reading is left, with a notice", both(red), sets{nil, []hostapi.GroupID{red}}, true,
			[]string{"notice", "a-f-G-U-C R"}, []string{"gone X"}, nil, false, false},
		{"only sending is left", both(red), sets{[]hostapi.GroupID{red}, nil}, false,
			[]string{"gone R"}, nil, nil, true, false},
		{"nothing changes", both(red), both(red), true, nil, nil, nil, true, false},
		{"out of nothing", both(), both(red), false,
			[]string{"a-f-G-U-C R"}, []string{"a-f-G-U-C X"}, nil, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			join := func(uid string, s sets) *user {
				u := &user{inbox: &inbox{}, b: b, uid: uid, callsign: uid}
				b.conns++
				u.Session = b.Router.Join(u.inbox, Who{Conn: b.conns, User: uid, In: b.set(s.in...), Out: b.set(s.out...)})
				u.sa()
				return u
			}
			r, bl := join("R", both(red)), join("B", both(blue))
			x := join("X", c.from)
			quiet(r, bl, x)
			b.tap.take()
			b.regroup("X", b.set(c.to.in...), b.set(c.to.out...), c.notice)
			for _, w := range []struct {
				u    *user
				want []string
			}{{x, c.x}, {r, c.r}, {bl, c.b}} {
				got := w.u.seen()
				sortWithin(got)
				if d := cmp.Diff(w.want, got); d != "" {
					t.Errorf("%s got (-want +got):\n%s", w.u.uid, d)
				}
			}
			if got := b.tap.take(); got != nil {
				t.Errorf("the archive got %v", got)
			}
			x.send("u-d-f", "shape", "")
			if got := len(r.take()) == 1; got != c.rSeesX {
				t.Errorf("R gets what X sends: %v", got)
			}
			bl.send("u-d-f", "shape", "")
			if got := len(x.take()) == 1; got != c.xSeesBlue {
				t.Errorf("X gets what B sends: %v", got)
			}
			quiet(r, bl)
			x.Leave()
			if got := slices.Equal(r.seen(), []string{"gone X"}); got != c.rSeesX {
				t.Errorf("R is told that X left: %v", got)
			}
		})
	}
}

// sortWithin sorts what has no order of its own: what comes before a notice, and
// what comes behind it.
func sortWithin(evs []string) {
	if i := slices.Index(evs, "notice"); i >= 0 {
		slices.Sort(evs[:i])
		slices.Sort(evs[i+1:])
		return
	}
	slices.SortFunc(evs, func(a, b string) int {
		if g := strings.Compare(a[:1], b[:1]); g != 0 {
			return -g // those that are gone come first
		}
		return strings.Compare(a, b)
	})
}

func TestGroupNoticeIsAsATAKWantsIt(t *testing.T) {
	b := newBed(t)
	x := b.client("X", "XRAY", Who{User: "xavier"})
	quiet(x)
	n := b.RegroupFor("ANDROID-1", func(who Who, uid string) (in, out hostapi.SetID, ok bool) {
		if who.User != "xavier" || uid != "X" {
			t.Errorf("asked about %+v with uid %q", who, uid)
		}
		return hostapi.AnonSet, b.set(2), true
	}, true)
	evs := x.takeEvents()
	if n != 1 || len(evs) != 1 {
		t.Fatalf("%d changed, got %v", n, evs)
	}
	e := evs[0]
	if e.Type != "t-x-g-c" || e.How != "h-g-i-g-o" || !strings.HasSuffix(e.UID, ".ANDROID-1") || len(e.UID) != 36+len(".ANDROID-1") ||
		e.Lat != 0 || e.Lon != 0 || e.Stale-e.Time != 20e6 || e.Origin != hostapi.FromServer {
		t.Errorf("the notice is %s", e.XML)
	}
	if l := link(t, e); l["relation"] != "p-p" || len(l) != 1 {
		t.Errorf("its link is %v", l)
	}
	if d := cmp.Diff([]string{"connected X XRAY", "changed X XRAY"}, b.news); d != "" {
		t.Errorf("told (-want +got):\n%s", d)
	}
}

// What was shared before stays as it was; newcomers see by the new groups.
func TestRegroupLeavesSharedEventsAlone(t *testing.T) {
	b := newBed(t)
	x := b.client("X", "XRAY", Who{User: "x"})
	before := b.tap.takeEvents()[0]
	b.regroup("x", b.set(5), b.set(5), false)
	if before.Groups != hostapi.AnonSet {
		t.Errorf("the archived event is now of groups %d", before.Groups)
	}
	b.got(b.join(Who{}))
	b.got(b.join(Who{In: b.set(5), Out: b.set(5)}), "a-f-G-U-C X")
	x.Leave()
}

// forgetful is a receiver with a queue that is never emptied by itself.
type forgetful struct{ inbox }

func (f *forgetful) Forget(gone func(*hostapi.Event) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = slices.DeleteFunc(f.events, gone)
}

func TestQueuedEventsOfLostGroupsAreTakenBack(t *testing.T) {
	b := newBed(t)
	red := b.set(2)
	x := b.client("X", "XRAY", Who{User: "x"})
	r := b.client("R", "RED", Who{User: "r", In: red, Out: red})
	q := b.client("Q", "RED-2", Who{User: "q", In: red, Out: red})
	f := &forgetful{}
	s := b.Router.Join(f, Who{Conn: 99, User: "f", In: hostapi.AnonSet, Out: b.set(1, 2)})
	f.take()
	x.send("u-d-f", "anon-shape", "")
	r.send("u-d-f", "red-shape", "")
	q.Leave()
	b.regroup("f", hostapi.AnonSet, hostapi.AnonSet, false)
	u := &user{inbox: &f.inbox, b: b}
	if d := cmp.Diff([]string{"u-d-f anon-shape", "gone Q", "gone R"}, u.seen()); d != "" {
		t.Errorf("got (-want +got):\n%s", d)
	}
	s.Leave()
}

func TestCut(t *testing.T) {
	b := newBed(t)
	x, y := b.client("X", "XRAY", Who{User: "x", Certificate: "05"}), b.client("Y", "YANKEE", Who{User: "y", Certificate: "06"})
	quiet(x, y)
	revoked := func(w Who) bool { return w.Certificate == "05" }
	if n := b.Cut(revoked, "revoked"); n != 1 || x.closed != "revoked" || y.closed != "" {
		t.Errorf("%d cut, closed for %q and %q", n, x.closed, y.closed)
	}
	if n := b.Cut(revoked, "again"); n != 0 {
		t.Errorf("%d cut a second time", n)
	}
	// What it had sent and nobody has looked at yet comes too late.
	b.tap.take()
	x.send("b-t-f", "late", "")
	x.dest("late-2", `uid="Y"`)
	x.callsign = "X-2"
	x.sa()
	b.got(y)
	if got := b.tap.take(); got != nil {
		t.Errorf("archived %v", got)
	}
	x.Leave()
	if d := cmp.Diff([]string{"gone X"}, y.seen()); d != "" {
		t.Errorf("at the end Y got (-want +got):\n%s", d)
	}
}

func TestCutBeforeTheFirstPosition(t *testing.T) {
	b := newBed(t)
	x := b.join(Who{User: "x"})
	b.Cut(func(w Who) bool { return w.User == "x" }, "disabled")
	x.uid, x.callsign = "X", "XRAY"
	x.sa()
	if list := b.Clients(nil); len(list) != 0 {
		t.Errorf("a client that was cut is listed: %+v", list)
	}
	x.Leave()
}

func TestJoinIf(t *testing.T) {
	b := newBed(t)
	b.client("X", "XRAY", Who{})
	no := errors.New("revoked a moment ago")
	box := &inbox{}
	if s, err := b.JoinIf(box, Who{Conn: 7}, func(*Who) error { return no }); err != no || s != nil {
		t.Errorf("session %v, error %v", s, err)
	}
	if got := box.take(); got != nil || len(b.Router.Sessions()) != 1 {
		t.Errorf("who may not join got %v; sessions: %+v", got, b.Router.Sessions())
	}
	s, err := b.JoinIf(box, Who{Conn: 8}, func(w *Who) error { w.Out = hostapi.AnonSet; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a-f-G-U-C X"}, box.take()); d != "" {
		t.Errorf("who joins gets (-want +got):\n%s", d)
	}
	s.Leave()
}

func TestResend(t *testing.T) {
	b := newBed(t)
	b.client("X", "XRAY", Who{})
	b.client("R", "RED", Who{In: b.set(2), Out: b.set(2)})
	y := b.client("Y", "YANKEE", Who{User: "y"})
	z := b.client("Z", "ZULU", Who{})
	quiet(y, z)
	if n := b.Resend(func(w Who, uid string) bool { return w.User == "y" && uid == "Y" }); n != 1 {
		t.Errorf("%d sessions", n)
	}
	got := y.take()
	slices.Sort(got)
	if d := cmp.Diff([]string{"a-f-G-U-C X", "a-f-G-U-C Z"}, got); d != "" {
		t.Errorf("got (-want +got):\n%s", d)
	}
	b.got(z)
}

// Readers who may send to no group are no error, and nobody's business.
func TestReadOnly(t *testing.T) {
	b := newBed(t)
	b.opt.Groups.SetNames(map[string]hostapi.GroupID{"red": 2})
	y := b.client("Y", "YANKEE", Who{})
	r := &user{inbox: &inbox{}, b: b, uid: "R", callsign: "READER"}
	r.Session = b.Router.Join(r.inbox, Who{Conn: 50, User: "reader", Out: hostapi.AnonSet})
	r.sa()
	b.SetTopic(Topic{ID: "1", Members: []Member{{User: "reader", UID: "R", Publish: true}, {UID: "Y"}}})
	b.SetAlias("op", "1")
	quiet(y)
	b.tap.take()
	r.take()
	r.sa()
	r.send("u-d-f", "shape", "")
	for _, d := range []string{`uid="Y"`, `callsign="YANKEE"`, `mission="op"`, `group="__ANON__"`} {
		r.send("u-d-f", "to", "<marti><dest "+d+"/></marti>")
	}
	r.dest("chat", `uid="Y"`)
	b.got(y)
	b.got(r, "b-t-f-s chat")
	for _, e := range b.tap.takeEvents() {
		if e.Groups != 0 {
			t.Errorf("%s %s is kept for groups %d", e.Type, e.UID, e.Groups)
		}
	}
	n := b.join(Who{})
	b.got(n, "a-f-G-U-C Y")
	y.dest("reply", `uid="R"`)
	b.got(r, "b-t-f reply")
	r.Leave()
	b.got(y)
	b.got(n)
}

// What is for one group is not for the sender's other groups, in the archive
// either.
func TestEventForOneGroupBelongsToItAlone(t *testing.T) {
	b := newBed(t)
	b.opt.Groups.SetNames(map[string]hostapi.GroupID{"red": 2, "blue": 3, "green": 4})
	x := b.client("X", "XRAY", Who{In: b.set(2, 3), Out: b.set(2, 3)})
	for _, c := range []struct {
		dests []string
		want  hostapi.SetID
	}{
		{[]string{`group="red"`}, b.set(2)},
		{[]string{`group="red"`, `group="red"`}, b.set(2)},
		{[]string{`group="red"`, `group="blue"`}, b.set(2, 3)},
		{[]string{`group="red"`, `uid="Y"`}, b.set(2, 3)},
		{[]string{`group="green"`}, 0}, // not the sender's
		{[]string{`group="grey"`}, 0},  // not there
	} {
		b.tap.take()
		x.dest("m", c.dests...)
		if e := b.tap.takeEvents(); len(e) != 1 || e[0].Groups != c.want {
			t.Errorf("%v: kept as %+v, want groups %d", c.dests, e, c.want)
		}
	}
}

// strict is a receiver that complains about what is not for its session. It is
// called under the router's lock, so it may look at the session's groups.
type strict struct {
	inbox
	t *testing.T
	s atomic.Pointer[Session]
}

func (r *strict) Offer(evs []*hostapi.Event) bool {
	for _, e := range evs {
		if s := r.s.Load(); s != nil && e.Origin == hostapi.FromClient && !s.r.opt.Groups.Intersects(e.Groups, s.who.Out) {
			r.t.Errorf("an event of groups %d goes to one who sees %d", e.Groups, s.who.Out)
		}
	}
	return false
}

func (r *strict) Replay(evs []*hostapi.Event) { r.Offer(evs) }

// Connections come and go and their groups change while they send: nobody is
// handed what is not for it at the time, and nothing is left behind.
func TestRegroupWhileEverybodySends(t *testing.T) {
	b := newBed(t)
	const users, rounds, colours = 6, 200, 3
	var wg sync.WaitGroup
	colour := make([]hostapi.SetID, colours)
	for i := range colour {
		colour[i] = b.set(hostapi.GroupID(2 + i))
	}
	for u := range users {
		wg.Go(func() {
			for i := range rounds {
				box, set := &strict{t: t}, colour[u%colours]
				s := b.Router.Join(box, Who{Conn: uint64(1000*(u+1) + i), User: fmt.Sprint("u", u), In: set, Out: set})
				box.s.Store(s)
				if i%freeJoins == 0 {
					b.advance(2 * joinWindow)
				}
				for range 3 {
					s.Publish([]*hostapi.Event{b.event("a-f-G", fmt.Sprint("U", u), `<contact callsign="c" endpoint="e"/>`)})
				}
				s.Leave()
			}
		})
		wg.Go(func() {
			for i := range rounds {
				set := colour[(u+i)%colours]
				b.regroup(fmt.Sprint("u", u), set, set, i%2 == 0)
			}
		})
	}
	wg.Wait()
	if n := len(b.Router.Sessions()); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	if list := b.Clients(nil); len(list) != 0 {
		t.Errorf("clients are left: %+v", list)
	}
}
