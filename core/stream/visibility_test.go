package stream

import (
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// The rule of core/route's property test once more, over sockets and with the
// real router: R gets something of S if and only if S may send to a group that R
// sees at that moment. Here it is whole messages that count, those of logins,
// queues and writes included; the finer points of routing are not repeated.

// town is a server with the real router, and people who log in.
type town struct {
	*bed
	rt     *rapid.T
	router *route.Router
	people []*person
	n      int

	mu     sync.Mutex
	in     map[string]hostapi.SetID // of each user, as long as nobody changes it
	out    map[string]hostapi.SetID
	joined map[string]*townSession
	routed map[string]chan struct{} // closed when the event of that uid was delivered
}

// townSession tells when it has left.
type townSession struct {
	*route.Session
	client Client
	left   chan struct{}
}

func (s *townSession) Leave() {
	s.Session.Leave()
	close(s.left)
}

// person is a user, connected or not.
type person struct {
	name    string
	in, out []hostapi.GroupID
	peer    *peer
	shown   bool
	want    []string
}

func meet(a, b []hostapi.GroupID) bool {
	return slices.ContainsFunc(a, func(g hostapi.GroupID) bool { return slices.Contains(b, g) })
}

func newTown(t *testing.T, rt *rapid.T) (*town, string) {
	w := &town{rt: rt, in: map[string]hostapi.SetID{}, out: map[string]hostapi.SetID{}, joined: map[string]*townSession{}, routed: map[string]chan struct{}{}}
	ids := route.NewIDs(1, 0, time.Now)
	w.bed = newBed(t, func(o *Options) {
		o.Join, o.NextID, o.Gather = w.join, ids.Next, 0
	})
	w.router = route.New(route.Options{
		IDs: ids, Groups: route.NewGroups(nil, func(hostapi.SetID, []hostapi.GroupID) error { return nil }),
		Taps: []route.Tap{w}, Flush: w.Flush, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	for i := range 4 {
		p := &person{name: fmt.Sprint("P", i)}
		w.people = append(w.people, p)
		w.regroupTo(p, drawGroups(rt), drawGroups(rt))
	}
	return w, w.listenOn(ListenConfig{Name: "tcp", Login: true})
}

func drawGroups(rt *rapid.T) (s []hostapi.GroupID) {
	for _, g := range rapid.SliceOfNDistinct(rapid.IntRange(2, 4), 0, 2, rapid.ID).Draw(rt, "groups") {
		s = append(s, hostapi.GroupID(g))
	}
	return s
}

func (w *town) join(c Client, p Peer) (Session, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &townSession{client: c, left: make(chan struct{})}
	s.Session = w.router.Join(c, route.Who{Conn: p.Conn, User: p.User, In: w.in[p.User], Out: w.out[p.User]})
	w.joined[p.User] = s
	return s, nil
}

// Routed implements route.Tap.
func (w *town) Routed(evs []*hostapi.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range evs {
		if done := w.routed[e.UID]; done != nil {
			close(done)
			delete(w.routed, e.UID)
		}
	}
}

func (w *town) session(p *person) *townSession {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.joined[p.name]
}

func (w *town) connect(p *person, addr string) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		w.rt.Fatal(err)
	}
	p.peer = w.peer(nc)
	p.peer.write(fmt.Sprintf(`<auth><cot username=%q password="p"/></auth>`, p.name))
	for _, o := range w.people {
		if o.shown && meet(o.in, p.out) {
			p.want = append(p.want, "a-f-G "+o.name)
		}
	}
	w.compare(p, w.read(p, "t-x-takp-v"))
}

// send lets p send an event to those of to that see p, and waits until it was
// delivered.
func (w *town) send(p *person, typ, uid, detail string, to func(*person) bool) {
	done := make(chan struct{})
	w.mu.Lock()
	w.routed[uid] = done
	w.mu.Unlock()
	xml, err := cot.NewEvent(uid, typ, "m-g", time.Now(), time.Minute).Point(1, 2, 0, 0, 0).Start("detail").Raw(detail).String()
	if err != nil {
		w.rt.Fatal(err)
	}
	p.peer.write(xml)
	<-done
	for _, o := range w.people {
		if o != p && o.peer != nil && to(o) && meet(p.in, o.out) {
			o.want = append(o.want, typ+" "+uid)
		}
	}
}

func anybody(*person) bool { return true }

func (w *town) leave(p *person) {
	s := w.session(p)
	p.peer.Close()
	<-s.left
	p.peer, p.want = nil, nil
	for _, o := range w.people {
		if p.shown && o.peer != nil && meet(p.in, o.out) {
			o.want = append(o.want, "gone "+p.name)
		}
	}
	p.shown = false
}

// regroupTo puts p into groups.
func (w *town) regroupTo(p *person, in, out []hostapi.GroupID) {
	before := *p
	p.in, p.out = in, out
	w.mu.Lock()
	for _, s := range []struct {
		of map[string]hostapi.SetID
		g  []hostapi.GroupID
	}{{w.in, in}, {w.out, out}} {
		set, err := w.router.Groups().Intern(s.g...)
		if err != nil {
			w.rt.Fatal(err)
		}
		s.of[p.name] = set
	}
	w.mu.Unlock()
	notice := rapid.Bool().Draw(w.rt, "notice")
	n := w.router.Regroup(func(who route.Who, _ string) (hostapi.SetID, hostapi.SetID, bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.in[who.User], w.out[who.User], true
	}, notice)
	if n == 0 {
		return
	}
	var gone, seen []string
	for _, o := range w.people {
		if o == p {
			continue
		}
		could, can := meet(before.in, o.out), meet(p.in, o.out)
		switch {
		case !p.shown || o.peer == nil:
		case could && !can:
			o.want = append(o.want, "gone "+p.name)
		case can && !could:
			o.want = append(o.want, "a-f-G "+p.name)
		}
		could, can = meet(o.in, before.out), meet(o.in, p.out)
		switch {
		case !o.shown:
		case could && !can:
			gone = append(gone, "gone "+o.name)
		case can && (notice || !could):
			seen = append(seen, "a-f-G "+o.name)
		}
	}
	p.want = append(p.want, gone...)
	if notice {
		p.want = append(p.want, "t-x-g-c")
	}
	p.want = append(p.want, seen...)
}

// sync reads what p was sent up to a message that only p gets.
func (w *town) sync(p *person) {
	w.session(p).client.Offer([]*hostapi.Event{{XML: strings.Replace(event(""), `"a-f-G"`, `"fence"`, 1)}})
	w.Flush()
	w.compare(p, w.read(p, "fence"))
}

func (w *town) compare(p *person, got []string) {
	slices.Sort(got)
	slices.Sort(p.want)
	if d := cmp.Diff(p.want, got); d != "" {
		w.rt.Fatalf("%s, who sees %v, got (-want +got):\n%s", p.name, p.out, d)
	}
	p.want = nil
}

// read gives what p is sent before an event of that type.
func (w *town) read(p *person, until string) (got []string) {
	for {
		xml := p.peer.event()
		var h cot.Header
		if err := cot.Scan(xml, &h); err != nil {
			w.rt.Fatal(err)
		}
		switch h.Type {
		case until:
			return got
		case "t-x-g-c":
			got = append(got, h.Type)
		case "t-x-d-d":
			_, rest, _ := strings.Cut(xml, `<link relation="p-p" uid="`)
			uid, _, _ := strings.Cut(rest, `"`)
			got = append(got, "gone "+uid)
		default:
			got = append(got, h.Type+" "+h.UID)
		}
	}
}

func TestVisibilityOverSockets(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w, addr := newTown(t, rt)
		defer w.Server.Close()
		for range rapid.IntRange(5, 25).Draw(rt, "steps") {
			p := w.people[rapid.IntRange(0, len(w.people)-1).Draw(rt, "who")]
			q := w.people[rapid.IntRange(0, len(w.people)-1).Draw(rt, "other")]
			w.n++
			uid := fmt.Sprint("e", w.n)
			switch act := rapid.IntRange(0, 8).Draw(rt, "act"); {
			case p.peer == nil:
				w.connect(p, addr)
			case act < 3:
				p.shown = true
				w.send(p, "a-f-G", p.name, fmt.Sprintf(`<contact callsign=%q endpoint="e"/>`, p.name), anybody)
			case act == 3:
				w.send(p, "u-d-f", uid, "", anybody)
			case act == 4:
				w.send(p, "u-d-f", uid, fmt.Sprintf(`<marti><dest uid=%q/></marti>`, q.name), func(o *person) bool { return o == q && q.shown })
			case act < 8:
				w.regroupTo(p, drawGroups(rt), drawGroups(rt))
			default:
				w.leave(p)
			}
			for _, o := range w.people {
				if o.peer != nil {
					w.sync(o)
				}
			}
		}
	})
}
