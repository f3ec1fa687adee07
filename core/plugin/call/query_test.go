package call

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/wire"
)

// page gives uid/type of the views of an EventPage and its next.
func page(t testing.TB, payload []byte) (list []string, next string) {
	t.Helper()
	var m wire.EventPage
	if err := m.Decode(payload); err != nil {
		t.Fatal(err)
	}
	b := hostapi.Batch(m.Views)
	for _, v := range b.All() {
		list = append(list, v.UID()+" "+v.Type())
	}
	if len(list) != b.Len() {
		t.Fatalf("batch of %d views has %d", b.Len(), len(list))
	}
	return list, m.Next
}

// archive holds, oldest first, one event a minute:
//
//	1 R  a-f-G   2 B  a-f-G   3 R  b-t-f to uid G   4 G  a-h-A   5 R  b-m-p to a mission
//	6 RB a-f-G   7 R  a-f-G   8 R  b-t-f to callsign RB-CS
func (b *bed) archive() (clients []*client, ids []hostapi.ID) {
	clients = b.four()
	r, bl, rb, g := clients[0], clients[1], clients[2], clients[3]
	for _, e := range []struct {
		by               *client
		typ, uid, detail string
	}{
		{r, "a-f-G", "1", ""}, {bl, "a-f-G", "2", ""}, {r, "b-t-f", "3", `<marti><dest uid="G"/></marti>`},
		{g, "a-h-A", "4", ""}, {r, "b-m-p", "5", `<marti><dest mission="Op"/></marti>`}, {rb, "a-f-G", "6", ""},
		{r, "a-f-G", "1", ""}, {r, "b-t-f", "8", `<marti><dest callsign="RB-CS"/></marti>`},
	} {
		b.advance(time.Minute)
		ids = append(ids, b.publish(e.by, e.typ, e.uid, e.detail).ID)
	}
	b.flush()
	return clients, ids
}

func TestQueryEvents(t *testing.T) {
	b := newBed(t)
	_, ids := b.archive()
	end := b.clock()
	query := func(s hostapi.Scope) hostapi.Grants { return hostapi.Grants{hostapi.CapEventsQuery: s} }
	every := query(hostapi.Scope{Types: []string{"*"}, Missions: true})
	some := query(hostapi.Scope{Types: []string{"a-f-*", "b-t-f"}})
	minutes := func(n int) int64 { return end.Add(-time.Duration(n)*time.Minute - time.Second).UnixMicro() }
	world := &wire.Box{South: -90, West: -180, North: 90, East: 180}
	for _, tt := range []struct {
		name   string
		grants hostapi.Grants
		in     wire.EventQuery
		caller *wire.Caller
		want   string
		status hostapi.Status
		text   string
	}{
		{name: "all", grants: every, in: wire.EventQuery{From: minutes(7)}, want: "8 1 6 5 4 3 2 1"},
		{name: "oldest first", grants: every, in: wire.EventQuery{From: minutes(7), OldestFirst: true}, want: "1 2 3 4 5 6 1 8"},
		{name: "without missions", grants: query(hostapi.Scope{Types: []string{"*"}}), in: wire.EventQuery{From: minutes(7)}, want: "8 1 6 4 3 2 1"},
		{name: "granted types", grants: some, in: wire.EventQuery{From: minutes(7)}, want: "8 1 6 3 2 1"},
		{name: "narrower types", grants: some, in: wire.EventQuery{From: minutes(7), Types: []string{"b-t-f"}}, want: "8 3"},
		{name: "wider types", grants: some, in: wire.EventQuery{From: minutes(7), Types: []string{"*"}}, want: "8 1 6 3 2 1"},
		{name: "crossing types", grants: some, in: wire.EventQuery{From: minutes(7), Types: []string{"a-*-G"}}, want: "1 6 2 1"},
		{name: "a type not granted", grants: some, in: wire.EventQuery{Types: []string{"b-t-f", "a-h-A"}}, status: hostapi.Forbidden, text: `"a-h-A" is not within what is granted: types of events.query is a-f-*, b-t-f`},
		{name: "no type", grants: some, in: wire.EventQuery{Types: []string{"<"}}, status: hostapi.Invalid, text: "types"},
		{name: "granted groups", grants: query(hostapi.Scope{Types: []string{"*"}, Groups: []string{"Green", "Blu*"}}), in: wire.EventQuery{From: minutes(7)}, want: "6 4 2"},
		{name: "a group", grants: every, in: wire.EventQuery{From: minutes(7), Groups: []string{"Blue"}}, want: "6 2"},
		{name: "a group not granted", grants: query(hostapi.Scope{Types: []string{"*"}, Groups: []string{"Green"}}), in: wire.EventQuery{Groups: []string{"Blue"}}, status: hostapi.Forbidden, text: "groups of events.query is Green"},
		{name: "no such group", grants: every, in: wire.EventQuery{Groups: []string{"Pink"}}, status: hostapi.NotFound, text: "no group"},
		{name: "no group fits", grants: query(hostapi.Scope{Types: []string{"*"}, Groups: []string{"Pink"}}), in: wire.EventQuery{}, want: ""},
		{name: "span", grants: query(hostapi.Scope{Types: []string{"*"}, Missions: true, Span: 150 * time.Second}), in: wire.EventQuery{}, want: "8 1 6"},
		{name: "before the span", grants: query(hostapi.Scope{Types: []string{"*"}, Span: 150 * time.Second}), in: wire.EventQuery{To: minutes(5)}, want: ""},
		{name: "time", grants: every, in: wire.EventQuery{From: minutes(5), To: minutes(2)}, want: "5 4 3"},
		{name: "no time", grants: every, in: wire.EventQuery{From: 5, To: 5}, status: hostapi.Invalid, text: "not before"},
		{name: "box", grants: every, in: wire.EventQuery{From: minutes(7), Box: &wire.Box{South: 47, West: 10, North: 49, East: 12}}, want: "8 1 6 5 4 3 2 1"},
		{name: "another box", grants: every, in: wire.EventQuery{Box: &wire.Box{South: 1, West: 10, North: 2, East: 12}}, want: ""},
		{name: "no box", grants: every, in: wire.EventQuery{Box: &wire.Box{South: 10, North: 2}}, status: hostapi.Invalid, text: "box"},
		{name: "outside of the granted box", grants: query(hostapi.Scope{Types: []string{"*"}, Box: &cot.Box{South: 1, West: 1, North: 2, East: 2}}), in: wire.EventQuery{Box: world}, want: ""},
		{name: "uid", grants: every, in: wire.EventQuery{UIDs: []string{"1"}}, want: "1 1"},
		{name: "uids", grants: every, in: wire.EventQuery{UIDs: []string{"1", "8", "none", "2", "2"}}, want: "8 1 2 1"},
		{name: "uids, oldest first", grants: every, in: wire.EventQuery{UIDs: []string{"1", "8", "2"}, OldestFirst: true}, want: "1 2 1 8"},
		{name: "uids not granted", grants: some, in: wire.EventQuery{UIDs: []string{"4", "6"}}, want: "6"},
		{name: "ids", grants: every, in: wire.EventQuery{IDs: []int64{int64(ids[1]), 17, int64(ids[4]), int64(ids[1])}, Types: []string{"x"}}, want: "5 2"},
		{name: "ids not granted", grants: some, in: wire.EventQuery{IDs: []int64{int64(ids[1]), int64(ids[3]), int64(ids[4])}, OldestFirst: true}, want: "2"},
		{name: "latest", grants: every, in: wire.EventQuery{From: minutes(7), Latest: true}, want: "8 1 6 5 4 3 2"},
		{name: "latest, oldest first", grants: every, in: wire.EventQuery{From: minutes(7), Latest: true, OldestFirst: true}, want: "2 3 4 5 6 1 8"},
		{name: "latest of uids", grants: every, in: wire.EventQuery{UIDs: []string{"2", "1", "1", "none"}, Latest: true}, want: "1 2"},
		{name: "limit", grants: every, in: wire.EventQuery{Limit: 2}, want: "8 1 …"},
		{name: "rows of the grant", grants: query(hostapi.Scope{Types: []string{"*"}, Rows: 3, Missions: true}), in: wire.EventQuery{Limit: 500}, want: "8 1 6 …"},
		{name: "bad cursor", grants: every, in: wire.EventQuery{After: "x"}, status: hostapi.Invalid, text: "after"},
		{name: "bad cursor of uids", grants: every, in: wire.EventQuery{After: "x", UIDs: []string{"1", "2"}}, status: hostapi.Invalid, text: "after"},
		{name: "bad cursor of latest uids", grants: every, in: wire.EventQuery{After: "1.2.3", UIDs: []string{"1", "2"}, Latest: true}, status: hostapi.Invalid, text: "after"},
		{name: "too many uids", grants: every, in: wire.EventQuery{UIDs: make([]string, 101)}, status: hostapi.Limit, text: "101 uids"},
		{name: "too many ids", grants: every, in: wire.EventQuery{IDs: make([]int64, 101)}, status: hostapi.Limit, text: "101 ids"},

		{name: "as a caller of Red", grants: every, in: wire.EventQuery{From: minutes(7), AsCaller: true}, caller: &wire.Caller{Client: "X", OutSet: int32(b.set(red))}, want: "1 6 1"},
		{name: "as the receiver by callsign", grants: every, in: wire.EventQuery{From: minutes(7), AsCaller: true}, caller: &wire.Caller{Client: "RB", OutSet: int32(b.set(red))}, want: "8 1 6 1"},
		{name: "as the sender", grants: every, in: wire.EventQuery{From: minutes(7), AsCaller: true}, caller: &wire.Caller{Client: "R", OutSet: int32(b.set(red))}, want: "8 1 6 5 3 1"},
		{name: "as a receiver of other groups", grants: every, in: wire.EventQuery{From: minutes(7), AsCaller: true}, caller: &wire.Caller{Client: "G", OutSet: int32(b.set(green))}, want: "4"},
		{name: "as a receiver by uid", grants: every, in: wire.EventQuery{From: minutes(7), AsCaller: true}, caller: &wire.Caller{Client: "G", OutSet: int32(b.set(red, green))}, want: "1 6 4 3 1"},
		{name: "as a caller without groups", grants: every, in: wire.EventQuery{AsCaller: true}, caller: &wire.Caller{}, want: ""},
		{name: "as nobody", grants: every, in: wire.EventQuery{AsCaller: true}, status: hostapi.Invalid, text: "made for nobody"},
		{name: "ids as a caller", grants: every, in: wire.EventQuery{IDs: []int64{int64(ids[0]), int64(ids[1]), int64(ids[2])}, AsCaller: true}, caller: &wire.Caller{Client: "X", OutSet: int32(b.set(red))}, want: "1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := b.plugin("p", tt.grants)
			c := p.Begin(Options{Caller: tt.caller, ReadOnly: true})
			a := b.do(c, hostapi.HostQueryEvents, &tt.in)
			if a.status != tt.status || !strings.Contains(a.err.Message, tt.text) {
				t.Fatalf("got %v: %s, want %v: %s", a.status, a.err.Message, tt.status, tt.text)
			}
			if tt.status != hostapi.OK {
				return
			}
			list, next := page(t, a.payload)
			var got []string
			for _, v := range list {
				uid, _, _ := strings.Cut(v, " ")
				got = append(got, uid)
			}
			if next != "" {
				got = append(got, "…")
			}
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Pages of each kind of question, put together, are the whole answer.
func TestQueryPages(t *testing.T) {
	b := newBed(t)
	b.archive()
	clients := b.four()
	for i := range 40 {
		b.advance(time.Second)
		b.publish(clients[i%3], "a-f-G", fmt.Sprint("u", i%7), "")
	}
	b.flush()
	p := b.plugin("p", hostapi.Grants{hostapi.CapEventsQuery: {Types: []string{"a-f-*"}}})
	c := p.Begin(Options{})
	for name, q := range map[string]wire.EventQuery{
		"all":            {},
		"uid":            {UIDs: []string{"u1"}},
		"uids":           {UIDs: []string{"u0", "u3", "1", "u5", "nobody"}},
		"latest":         {Latest: true},
		"latest of uids": {Latest: true, UIDs: []string{"u0", "u1", "u2", "u3", "R", "1"}},
	} {
		for _, q.OldestFirst = range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, oldest first %v", name, q.OldestFirst), func(t *testing.T) {
				q := q
				q.Limit = 1000
				want, next := page(t, b.ok(c, hostapi.HostQueryEvents, &q))
				if next != "" || len(want) < 5 {
					t.Fatalf("the whole has %d events, next %q", len(want), next)
				}
				var got []string
				q.Limit = 3
				for range 100 {
					list, next := page(t, b.ok(c, hostapi.HostQueryEvents, &q))
					got = append(got, list...)
					if q.After = next; next == "" {
						break
					}
					c = p.Begin(Options{})
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("by pages (-whole +pages):\n%s", diff)
				}
			})
		}
	}
}

func TestQueryViews(t *testing.T) {
	b := newBed(t)
	r := b.join("R", "alice", b.set(red))
	e := b.publish(r, "a-f-G", "x", `<a v="1"/><b v="2"/>`)
	b.flush()
	c := b.plugin("p", all()).Begin(Options{})
	var m wire.EventPage
	if err := m.Decode(b.ok(c, hostapi.HostQueryEvents, &wire.EventQuery{IDs: []int64{int64(e.ID)}, Detail: []string{"b"}, XML: true})); err != nil {
		t.Fatal(err)
	}
	for _, v := range hostapi.Batch(m.Views).All() {
		root := v.Detail().Root()
		if v.ID() != e.ID || v.Recv() != e.Recv || v.User() != "alice" || v.Client() != "R" || v.Groups() != b.set(red) || v.XML() != e.XML ||
			root.Child("a").Exists() || !root.Child("b").Exists() {
			t.Errorf("view of %v by %q (%q), detail %q, xml %q", v.ID(), v.User(), v.Client(), root.Raw(), v.XML())
		}
	}
	if n := hostapi.Batch(m.Views).Len(); n != 1 {
		t.Errorf("%d views, want 1", n)
	}
}

// A page of large events ends early and can be gone on with.
func TestQueryLargeEvents(t *testing.T) {
	b := newBed(t)
	r := b.join("R", "", b.set(red))
	for i := range 5 {
		b.publish(r, "b-x", fmt.Sprint("large", i), strings.Repeat("x", 2<<20))
	}
	b.flush()
	p := b.plugin("p", hostapi.Grants{hostapi.CapEventsQuery: {Types: []string{"b-x"}}})
	q := wire.EventQuery{}
	var got []string
	pages := 0
	for ; pages < 10; pages++ {
		c := p.Begin(Options{})
		out := b.ok(c, hostapi.HostQueryEvents, &q)
		list, next := page(t, out)
		got = append(got, list...)
		if q.After = next; next == "" {
			break
		}
	}
	want := []string{"large4 b-x", "large3 b-x", "large2 b-x", "large1 b-x", "large0 b-x"}
	if !slices.Equal(got, want) || pages < 1 {
		t.Errorf("got %v in %d pages", got, pages+1)
	}
}

func TestNoArchive(t *testing.T) {
	b := newBed(t)
	b.env.Archive = nil
	c := b.plugin("p", all()).Begin(Options{})
	b.refused(c, hostapi.HostQueryEvents, &wire.EventQuery{}, hostapi.Unsupported, "no archive")
}
