package route

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
)

func TestEmit(t *testing.T) {
	for _, c := range []struct {
		name string
		to   func(b *bed) Audience
		want string // uids of those who get it
	}{
		{"groups", func(b *bed) Audience { return Audience{Groups: b.set(2)} }, "R1 R2"},
		{"two groups", func(b *bed) Audience { return Audience{Groups: b.set(2, 3)} }, "R1 R2 B1"},
		{"uids, no bound", func(*bed) Audience { return Audience{UIDs: []string{"R1", "B1", "nobody"}} }, "R1 B1"},
		{"uids within groups", func(b *bed) Audience { return Audience{Groups: b.set(3), UIDs: []string{"R1", "B1"}} }, "B1"},
		{"callsigns", func(*bed) Audience { return Audience{Callsigns: []string{"RED-TWO"}} }, "R2"},
		{"a topic", func(*bed) Audience { return Audience{Topics: []string{"1"}} }, "R1 B1"},
		{"a union, each once", func(*bed) Audience {
			return Audience{UIDs: []string{"R1"}, Callsigns: []string{"RED-ONE", "RED-TWO"}, Topics: []string{"1"}}
		}, "R1 R2 B1"},
		{"an unknown topic", func(*bed) Audience { return Audience{Topics: []string{"2"}} }, ""},
		{"groups but one", func(b *bed) Audience { return Audience{Groups: b.set(2, 3), Except: []string{"R1"}} }, "R2 B1"},
		{"names but one", func(*bed) Audience { return Audience{Topics: []string{"1"}, Except: []string{"B1"}} }, "R1"},
		{"nobody", func(*bed) Audience { return Audience{} }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			red, blue := b.set(2), b.set(3)
			users := []*user{
				b.client("R1", "RED-ONE", Who{In: red, Out: red}),
				b.client("R2", "RED-TWO", Who{In: red, Out: red}),
				b.client("B1", "BLUE-ONE", Who{In: blue, Out: blue}),
			}
			b.SetTopic(Topic{ID: "1", Members: []Member{{UID: "R1"}, {UID: "B1"}}})
			quiet(users...)
			b.tap.take()
			e := b.event("b-a-o-tbl", "alert", `<marti><dest uid="R2"/></marti>`) // its own destinations do not count
			e.ID, e.Origin, e.Via = 0, hostapi.FromPlugin, "emergency"
			to := c.to(b)
			n := b.Emit([]*hostapi.Event{e}, to)
			var got []string
			for _, u := range users {
				if evs := u.take(); len(evs) > 0 {
					got = append(got, u.uid)
					if diff := cmp.Diff([]string{"b-a-o-tbl alert"}, evs); diff != "" {
						t.Errorf("%s got (-want +got):\n%s", u.uid, diff)
					}
				}
			}
			if g := strings.Join(got, " "); g != c.want || n != len(got) {
				t.Errorf("reached %d: %q, want %q", n, g, c.want)
			}
			if e.ID == 0 || e.Recv == 0 || e.Groups != to.Groups {
				t.Errorf("id %v, recv %d, groups %d of the event", e.ID, e.Recv, e.Groups)
			}
			if diff := cmp.Diff([]string{"b-a-o-tbl alert"}, b.tap.take()); diff != "" {
				t.Errorf("taps got (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFilterActsBeforeAnythingElse(t *testing.T) {
	b := newBed(t)
	x, y := b.client("X", "XRAY", Who{}), b.client("Y", "YANKEE", Who{})
	quiet(x, y)
	b.tap.take()
	b.filter = func(e *hostapi.Event) bool {
		if e.Client != "X" || e.Conn == 0 || e.Groups != hostapi.AnonSet {
			t.Errorf("the filter does not know who sent %+v", e)
		}
		return e.Type != "u-d-f"
	}
	x.send("u-d-f", "shape", "")
	x.send("b-m-p-s-m", "marker", "")
	b.got(y, "b-m-p-s-m marker")
	if diff := cmp.Diff([]string{"b-m-p-s-m marker"}, b.tap.take()); diff != "" {
		t.Errorf("taps got (-want +got):\n%s", diff)
	}
}

func TestWatcherIsToldWhoComesAndGoes(t *testing.T) {
	b := newBed(t)
	x := b.client("X", "XRAY", Who{Listener: "tcp", Addr: "[::1]:4242"})
	twice := b.client("X", "XRAY", Who{})
	b.join(Who{}).Leave() // never said who it is
	x.callsign = "X-2"
	x.sa()
	list := b.Clients(nil)
	if len(list) != 1 || list[0].UID != "X" || list[0].Callsign != "X-2" || list[0].Connection != 2 {
		t.Errorf("clients: %+v", list)
	}
	if none := b.Clients(func(in hostapi.SetID) bool { return in != hostapi.AnonSet }); len(none) != 0 {
		t.Errorf("clients of other groups: %+v", none)
	}
	twice.Leave()
	if c := b.Clients(nil); len(c) != 1 || c[0].Address != "::1" || c[0].Listener != "tcp" || !c[0].Located || c[0].Lat != 50 || c[0].Lon != 8 {
		t.Errorf("clients with the first connection: %+v", c)
	}
	x.Leave()
	want := []string{"connected X XRAY", "changed X XRAY", "changed X X-2", "disconnected X X-2"}
	if diff := cmp.Diff(want, b.news); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}
