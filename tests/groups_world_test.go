package tests

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// groupSet is a set of groups by name.
type groupSet map[string]bool

func (s groupSet) meets(o groupSet) bool {
	for name := range s {
		if o[name] {
			return true
		}
	}
	return false
}

// person is a user with one device, and what the model knows of it.
type person struct {
	name, uid string
	readonly  bool
	in, out   groupSet // may send to; sees
	dev       *takclient.Enrolled
	api       *asker            // with a token, on listen.web
	client    *takclient.Client // nil while away

	latest string           // marker of the last position on this connection; "" before
	here   bool             // was ever connected with a position
	left   groupSet         // in, when it left last
	must   map[string]bool  // markers that have come on this connection
	may    map[string]bool  // markers that may have come beside them
	met    map[*person]bool // whom it could see at some time of this connection
	gone   map[*person]int  // how often it was to be told that somebody has left
}

// sent is one event of the model.
type sent struct {
	by    *person
	to    groupSet // in of the sender at that time
	kind  string   // sa, chat, alarm
	order int
}

// world is what the server should be like: people, and all that they have sent.
// Every event bears a marker, by which it is found in whatever clients get.
type world struct {
	t      *testing.T
	srv    *taktest.Server
	name   string // of this world; several share a server
	people []*person
	sent   map[string]*sent
}

var markerText = regexp.MustCompile(`mk\d+x\d+x`)

func markersIn(text string) map[string]bool {
	found := map[string]bool{}
	for _, m := range markerText.FindAllString(text, -1) {
		found[m] = true
	}
	return found
}

const anonGroup = "__ANON__"

// setsOf gives the groups of somebody with these memberships.
func setsOf(list []admin.Membership, readonly bool) (in, out groupSet) {
	in, out = groupSet{}, groupSet{}
	if len(list) == 0 {
		in[anonGroup], out[anonGroup] = true, true
	}
	for _, m := range list {
		if m.In == nil || *m.In {
			in[m.Group] = true
		}
		if m.Out == nil || *m.Out {
			out[m.Group] = true
		}
	}
	if readonly {
		in = groupSet{}
	}
	return in, out
}

// add adds somebody.
func (w *world) add(readonly bool, list []admin.Membership) *person {
	w.t.Helper()
	p := &person{name: fmt.Sprintf("%s-p%d", w.name, len(w.people)), readonly: readonly}
	p.uid = "UID-" + p.name
	role := "user"
	if readonly {
		role = "readonly"
	}
	w.srv.Must(w.t, "POST", "/api/v1/users", admin.UserInput{Name: p.name, Roles: []string{role}, Groups: list})
	p.in, p.out = setsOf(list, readonly)
	p.dev = issue(w.t, w.srv.Admin, p.name, false)
	p.api = askAt(w.t, w.srv, "web").token(newToken(w.t, w.srv.Admin, p.name))
	w.people = append(w.people, p)
	return p
}

// there lists those who are connected.
func (w *world) there() (list []*person) {
	for _, p := range w.people {
		if p.client != nil {
			list = append(list, p)
		}
	}
	return list
}

// sees says whether what by sends now reaches p.
func (p *person) sees(by *person) bool { return p != by && by.in.meets(p.out) }

// meet notes what p gets of by, whom it sees now.
func (p *person) meet(by *person) {
	if by.latest != "" {
		p.must[by.latest] = true
		p.met[by] = true
	}
}

// settle waits until all that was sent has arrived: the server answers a ping
// after what it has queued for that client before.
func (w *world) settle() {
	w.t.Helper()
	for _, p := range w.there() {
		p.client.Sync(w.t)
	}
}

func (w *world) connect(p *person, opts ...takclient.Option) {
	w.t.Helper()
	p.client = online(w.t, w.srv, p.dev, append(opts, takclient.WithUID(p.uid), takclient.WithCallsign("CS-"+p.name))...)
	p.latest, p.must, p.may, p.met, p.gone = "", map[string]bool{}, map[string]bool{}, map[*person]bool{}, map[*person]int{}
	for _, by := range w.there() {
		if p.sees(by) {
			p.meet(by)
		}
	}
}

func (w *world) disconnect(p *person) {
	w.t.Helper()
	before := w.srv.Status(w.t).Connections
	p.client.Close()
	waitForConnections(w.t, w.srv.Admin, before-1)
	p.client, p.left = nil, p.in
	for _, v := range w.there() {
		if v.sees(p) && p.latest != "" {
			v.gone[p]++
		}
	}
}

// mark makes a marker for an event that p is about to send.
func (w *world) mark(p *person, kind string) string {
	m := fmt.Sprintf("mk%sx%dx", w.name, len(w.sent))
	w.sent[m] = &sent{by: p, to: maps.Clone(p.in), kind: kind, order: len(w.sent)}
	for _, v := range w.there() {
		if v.sees(p) {
			v.must[m] = true
			v.met[p] = true
		}
	}
	return m
}

func (w *world) position(p *person) {
	w.t.Helper()
	m := w.mark(p, "sa")
	p.latest, p.here = m, true
	takclient.Must(w.t, p.client.SA(1, 2, "<remarks>"+m+"</remarks>"))
	p.client.Sync(w.t)
}

func (w *world) chat(p *person) {
	w.t.Helper()
	takclient.Must(w.t, p.client.Chat(w.mark(p, "chat")))
	p.client.Sync(w.t)
}

// alarm raises an alert whose uid is the marker.
func (w *world) alarm(p *person) {
	w.t.Helper()
	e := alertOf(p.client, "b-a-o-tbl", 1, 2)
	e.UID = w.mark(p, "alarm")
	takclient.Must(w.t, p.client.Send(e.XML()))
	p.client.Sync(w.t)
}

// regroup puts p into other groups while he may be connected.
func (w *world) regroup(p *person, list []admin.Membership) {
	w.t.Helper()
	setGroups(w.t, w.srv.Admin, p.name, list...)
	saw := map[*person]bool{}
	for _, v := range w.there() {
		saw[v] = v.sees(p)
	}
	p.in, p.out = setsOf(list, p.readonly)
	if p.client == nil {
		return
	}
	for _, other := range w.there() {
		if other.sees(p) {
			other.meet(p)
		} else if saw[other] && p.latest != "" {
			other.gone[p]++
		}
		if p.sees(other) {
			p.meet(other)
		}
	}
}

// check looks at what everybody has got.
func (w *world) check() error {
	w.t.Helper()
	w.settle()
	for _, p := range w.there() {
		w.tellAlarms(p)
		got := map[string]bool{}
		gone := map[string]int{}
		for _, r := range p.client.All() {
			maps.Copy(got, w.own(markersIn(r.XML)))
			for _, other := range w.people {
				if other == p || !strings.Contains(r.XML, other.uid) {
					continue
				}
				if r.Header.Type == "t-x-d-d" {
					gone[other.uid]++
				}
				if !p.met[other] {
					return fmt.Errorf("%s, who never saw %s, got %s", p.name, other.name, r.XML)
				}
			}
		}
		want := maps.Clone(p.must)
		for m := range p.may {
			want[m] = want[m] || got[m]
		}
		if err := differ(p.name+" got", want, got); err != nil {
			return err
		}
		for other, n := range p.gone {
			if gone[other.uid] < n {
				return fmt.Errorf("%s was told %d times that %s has left, want %d", p.name, gone[other.uid], other.name, n)
			}
		}
	}
	return nil
}

// tellAlarms notes the alarms that p may be told of: the plugin tells those who
// come of all that they may see, some time later.
func (w *world) tellAlarms(p *person) {
	for m, s := range w.sent {
		if s.kind == "alarm" && (s.by == p || s.to.meets(p.out)) {
			p.may[m], p.met[s.by] = true, true
		}
	}
}

func differ[K comparable](what string, want, got map[K]bool) error {
	var lack, over []string
	for k := range want {
		if want[k] && !got[k] {
			lack = append(lack, fmt.Sprint(k))
		}
	}
	for k := range got {
		if got[k] && !want[k] {
			over = append(over, fmt.Sprint(k))
		}
	}
	slices.Sort(lack)
	slices.Sort(over)
	if len(lack)+len(over) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %q is missing, %q is too much", what, lack, over)
}
