package route

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/takhost/takhost/hostapi"
)

// The rule of who sees whom, in plain words: R gets something of S if and only
// if S may send to a group that R sees, at that moment. A model of that rule,
// which knows nothing of sets, sessions and locks, is held against the router
// while users join, leave, change groups, switch channels, and send.

const (
	modelUsers  = 4
	modelGroups = 5 // numbered from 2 on
	firstGroup  = hostapi.GroupID(2)
)

// world is the model and the router beside it.
type world struct {
	*bed
	rt      *rapid.T
	users   []*modelUser
	members []Member // of the one topic
	conns   []*modelConn
	joins   map[string]int // of each client, which are damped if there are too many
	n       int            // events so far
}

type groupSet map[hostapi.GroupID]bool

func (a groupSet) meets(b groupSet) bool {
	for g := range a {
		if b[g] {
			return true
		}
	}
	return false
}

// modelUser has groups; modelDevice of his switches some of them off.
type modelUser struct {
	name    string
	in, out groupSet
	devices []*modelDevice
}

// modelDevice is a client: a uid of a user. Another user may claim the same uid.
type modelDevice struct {
	user          *modelUser
	uid, callsign string
	off           groupSet
	open          int          // connections, whether they told who they are or not
	shown         bool         // it has reported a position since it came
	conns         []*modelConn // that told who they are, oldest first
}

func (d *modelDevice) in() groupSet  { return d.active(d.user.in) }
func (d *modelDevice) out() groupSet { return d.active(d.user.out) }
func (d *modelDevice) active(all groupSet) groupSet {
	s := maps.Clone(all)
	maps.DeleteFunc(s, func(g hostapi.GroupID, _ bool) bool { return d.off[g] })
	return s
}

// modelConn is one connection of a device. Until it reports a position, nobody
// knows which device it is.
type modelConn struct {
	*inbox
	s      *Session
	device *modelDevice
	bound  bool
	cut    bool
	want   []string // what it is to have got by the next check
}

func drawGroups(rt *rapid.T, label string) groupSet {
	s := groupSet{}
	for _, g := range rapid.SliceOfN(rapid.IntRange(0, modelGroups-1), 0, 3).Draw(rt, label) {
		s[firstGroup+hostapi.GroupID(g)] = true
	}
	return s
}

func pick[T any](rt *rapid.T, label string, from []T) T {
	return from[rapid.IntRange(0, len(from)-1).Draw(rt, label)]
}

func newWorld(t *testing.T, rt *rapid.T) *world {
	w := &world{bed: newBed(t), rt: rt, joins: map[string]int{}}
	names := map[string]hostapi.GroupID{}
	for g := range modelGroups {
		names[fmt.Sprint("group-", g)] = firstGroup + hostapi.GroupID(g)
	}
	w.opt.Groups.SetNames(names)
	for i := range modelUsers {
		u := &modelUser{name: fmt.Sprint("user-", i), in: drawGroups(rt, "in"), out: drawGroups(rt, "out")}
		for k := range 2 {
			// The second devices of the first two users claim the same uid.
			uid := fmt.Sprintf("U%d-%d", i, k)
			if i < 2 && k == 1 {
				uid = "shared"
			}
			u.devices = append(u.devices, &modelDevice{user: u, uid: uid, callsign: fmt.Sprint("C", (i+k)%3), off: groupSet{}})
			switch rapid.IntRange(0, 3).Draw(rt, "membership") {
			case 0:
				w.members = append(w.members, Member{User: u.name, UID: uid, Publish: true})
			case 1:
				w.members = append(w.members, Member{User: u.name, UID: uid})
			}
		}
		w.users = append(w.users, u)
	}
	w.members = append(w.members, Member{User: "user-3", UID: AnyUID, Publish: true})
	w.SetTopic(Topic{ID: "topic", Members: w.members})
	w.SetAlias("mission", "topic")
	return w
}

func (w *world) devices() (all []*modelDevice) {
	for _, u := range w.users {
		all = append(all, u.devices...)
	}
	return all
}

func (w *world) interned(s groupSet) hostapi.SetID {
	return w.set(slices.Sorted(maps.Keys(s))...)
}

// sees is the rule.
func (c *modelConn) sees(d *modelDevice) bool { return d.in().meets(c.device.out()) }

func (w *world) join() {
	d := pick(w.rt, "device", w.devices())
	if d.open == maxSessions || w.joins[d.user.name+d.uid] >= freeJoins {
		return
	}
	w.bed.conns++
	d.open++
	c := &modelConn{inbox: &inbox{}, device: d}
	for _, o := range w.devices() {
		if o.shown && c.sees(o) {
			c.want = append(c.want, "a-f-G "+o.uid)
		}
	}
	c.s = w.Router.Join(c.inbox, Who{Conn: w.bed.conns, User: d.user.name, Device: d.uid, In: w.interned(d.in()), Out: w.interned(d.out())})
	w.conns = append(w.conns, c)
}

// publish sends what e says by c, to those of to that may see c.
func (w *world) publish(c *modelConn, typ, uid, detail string, to func(*modelConn) bool) (n int) {
	w.tap.take()
	c.s.Publish([]*hostapi.Event{w.event(typ, uid, detail)})
	if c.cut {
		if got := w.tap.take(); got != nil {
			w.rt.Fatalf("the archive got %v of one who was cut", got)
		}
		return 1
	}
	for _, o := range w.conns {
		if o != c && o.sees(c.device) && to(o) {
			o.want = append(o.want, typ+" "+uid)
			n++
		}
	}
	return n
}

func everybody(*modelConn) bool { return true }

// position lets a connection say who it is and where.
func (w *world) position(c *modelConn) {
	d := c.device
	if !c.bound && !c.cut {
		w.joins[d.user.name+d.uid]++
		c.bound = true
		d.conns = append(d.conns, c)
	}
	if !c.cut {
		d.shown = true
	}
	w.publish(c, "a-f-G", d.uid, fmt.Sprintf(`<contact callsign=%q endpoint="e"/>`, d.callsign), everybody)
}

func (w *world) broadcast(c *modelConn) {
	w.n++
	typ := rapid.SampledFrom([]string{"u-d-f", "b-t-f", "b-a-o-tbl", "t-x-m-c"}).Draw(w.rt, "type")
	detail := rapid.SampledFrom([]string{"", `<marti><dest callsign="All Streaming"/></marti>`}).Draw(w.rt, "marti")
	w.publish(c, typ, fmt.Sprint("e", w.n), detail, everybody)
}

// directed sends to one or more destinations of all kinds.
func (w *world) directed(c *modelConn) {
	w.n++
	uid := fmt.Sprint("e", w.n)
	named := map[*modelConn]bool{}
	newest := func(is func(*modelDevice) bool) {
		for _, d := range w.devices() {
			if len(d.conns) > 0 && is(d) {
				named[d.conns[len(d.conns)-1]] = true
			}
		}
	}
	var dests []string
	topic := false
	for range rapid.IntRange(1, 3).Draw(w.rt, "dests") {
		d := pick(w.rt, "dest", w.devices())
		switch rapid.IntRange(0, 3).Draw(w.rt, "kind") {
		case 0:
			dests = append(dests, fmt.Sprintf(`<dest uid=%q/>`, d.uid))
			newest(func(o *modelDevice) bool { return o.uid == d.uid })
		case 1:
			dests = append(dests, fmt.Sprintf(`<dest callsign=%q/>`, d.callsign))
			newest(func(o *modelDevice) bool { return o.callsign == d.callsign })
		case 2:
			g := firstGroup + hostapi.GroupID(rapid.IntRange(0, modelGroups-1).Draw(w.rt, "group"))
			dests = append(dests, fmt.Sprintf(`<dest group="group-%d"/>`, g-firstGroup))
			for _, o := range w.conns {
				if c.device.in()[g] && o.device.out()[g] {
					named[o] = true
				}
			}
		case 3:
			dests = append(dests, `<dest mission="mission"/>`)
			topic = topic || w.mayPublish(c)
			for _, o := range w.conns {
				if w.mayPublish(c) && w.isMember(o) {
					named[o] = true
				}
			}
		}
	}
	n := w.publish(c, "b-t-f", uid, "<marti>"+strings.Join(dests, "")+"</marti>", func(o *modelConn) bool { return named[o] })
	if n == 0 && !topic {
		c.want = append(c.want, "b-t-f-s "+uid) // nobody has got it: back to the sender
	}
}

func (w *world) mayPublish(c *modelConn) bool {
	return slices.ContainsFunc(w.members, func(m Member) bool {
		return m.Publish && m.User == c.device.user.name && (m.UID == c.device.uid && c.bound || m.UID == AnyUID && !c.bound)
	})
}

// isMember says whether what is sent to the topic goes to c: of a device's
// connections to the newest.
func (w *world) isMember(c *modelConn) bool {
	return slices.ContainsFunc(w.members, func(m Member) bool {
		if m.User != c.device.user.name {
			return false
		}
		if m.UID == AnyUID {
			return !c.bound
		}
		return m.UID == c.device.uid && c.bound && c.device.conns[len(c.device.conns)-1] == c
	})
}

func (w *world) leave(c *modelConn) {
	w.conns = slices.DeleteFunc(w.conns, func(o *modelConn) bool { return o == c })
	d := c.device
	d.open--
	d.conns = slices.DeleteFunc(d.conns, func(o *modelConn) bool { return o == c })
	if d.shown && len(d.conns) == 0 {
		for _, o := range w.conns {
			if o.sees(d) {
				o.want = append(o.want, "gone "+d.uid)
			}
		}
		d.shown = false
	}
	c.s.Leave()
}

// regroup changes a user's groups or one device's channels.
func (w *world) regroup() {
	type view struct{ in, out groupSet }
	before := map[*modelDevice]view{}
	for _, d := range w.devices() {
		before[d] = view{d.in(), d.out()}
	}
	u := pick(w.rt, "user", w.users)
	switch rapid.IntRange(0, 4).Draw(w.rt, "what") {
	case 0:
		u.in = drawGroups(w.rt, "in")
	case 1:
		u.out = drawGroups(w.rt, "out")
	case 2:
		u.in, u.out = drawGroups(w.rt, "in"), drawGroups(w.rt, "out")
	default:
		pick(w.rt, "device", u.devices).off = drawGroups(w.rt, "off")
	}
	notice := rapid.Bool().Draw(w.rt, "notice")
	for _, c := range w.conns {
		was := before[c.device]
		told := notice && (!maps.Equal(was.in, c.device.in()) || !maps.Equal(was.out, c.device.out()))
		var gone, seen []string
		for _, d := range w.devices() {
			if !d.shown || c.bound && d == c.device {
				continue
			}
			could, can := before[d].in.meets(was.out), c.sees(d)
			switch {
			case could && !can:
				gone = append(gone, "gone "+d.uid)
			case can && (told || !could):
				seen = append(seen, "a-f-G "+d.uid)
			}
		}
		slices.Sort(gone)
		slices.Sort(seen)
		c.want = append(c.want, gone...)
		if told {
			c.want = append(c.want, "notice")
		}
		c.want = append(c.want, seen...)
	}
	w.tap.take()
	w.Regroup(func(who Who, uid string) (in, out hostapi.SetID, ok bool) {
		for _, d := range u.devices {
			if who.User == u.name && who.Device == d.uid {
				return w.interned(d.in()), w.interned(d.out()), true
			}
		}
		return 0, 0, false
	}, notice)
	if got := w.tap.take(); got != nil {
		w.rt.Fatalf("the archive got %v", got)
	}
}

// check holds what everybody got against the model.
func (w *world) check() {
	for _, c := range w.conns {
		u := &user{inbox: c.inbox, b: w.bed}
		got := u.seen()
		if c.closed != "" && !c.cut {
			w.rt.Fatalf("the router closes a connection: %s", c.closed)
		}
		if len(got) > 1 && len(c.want) > 1 { // positions have no order among themselves
			sortWithin(got)
			sortWithin(c.want)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			w.rt.Fatalf("%s %s, who sees %v, got (-want +got):\n%s", c.device.user.name, c.device.uid, c.device.out(), d)
		}
		c.want = nil
	}
	for _, e := range w.tap.takeEvents() {
		if e.Origin == hostapi.FromClient && e.Groups != 0 && !w.ofSender(e) {
			w.rt.Fatalf("%s is kept for groups %v, which its sender has not", e.UID, w.opt.Groups.Members(e.Groups))
		}
	}
}

func (w *world) ofSender(e *hostapi.Event) bool {
	for _, c := range w.conns {
		if c.s.who.Conn == e.Conn {
			in := c.device.in()
			return !slices.ContainsFunc(w.opt.Groups.Members(e.Groups), func(g hostapi.GroupID) bool { return !in[g] })
		}
	}
	return false
}

func TestVisibilityProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, rt)
		for range rapid.IntRange(10, 200).Draw(rt, "steps") {
			var c *modelConn
			if len(w.conns) > 0 {
				c = pick(rt, "connection", w.conns)
			}
			switch act := rapid.IntRange(0, 10).Draw(rt, "act"); {
			case act < 2 || c == nil:
				w.join()
			case act < 4:
				w.position(c)
			case act == 4:
				w.broadcast(c)
			case act < 7:
				w.directed(c)
			case act < 9:
				w.regroup()
			case act == 9 && rapid.Bool().Draw(rt, "cut"):
				c.cut = true
				w.Cut(func(who Who) bool { return who.Conn == c.s.who.Conn }, "cut")
			default:
				w.leave(c)
			}
			w.check()
		}
		for len(w.conns) > 0 {
			w.leave(w.conns[0])
			w.check()
		}
	})
}
