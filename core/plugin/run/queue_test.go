package run

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/manifest"
)

func (q *queue) uids() (list []string) {
	for {
		batch, _ := q.take(nil, 3)
		if len(batch) == 0 {
			return list
		}
		for _, e := range batch {
			list = append(list, e.e.UID)
		}
	}
}

func TestQueue(t *testing.T) {
	latest := &subscriptions{latest: 0b11}
	plain := &subscriptions{}
	size := eventCost + int64(len(event(t, "a").XML))
	tests := []struct {
		name    string
		subs    *subscriptions
		events  int
		bytes   int64
		put     []string // uid:bits
		want    []string
		dropped int
	}{
		{"in order", plain, 10, 1 << 20, []string{"a:1", "b:1", "a:1"}, []string{"a", "b", "a"}, 0},
		{"full of events: the oldest go", plain, 2, 1 << 20, []string{"a:1", "b:1", "c:1", "d:1"}, []string{"c", "d"}, 2},
		{"full of bytes: the oldest go", plain, 10, 2*size + 10, []string{"a:1", "b:1", "c:1"}, []string{"b", "c"}, 1},
		{"one that is larger than all is kept alone", plain, 10, 10, []string{"a:1", "b:1"}, []string{"b"}, 1},
		{"latest replaces in place", latest, 10, 1 << 20, []string{"a:1", "b:1", "a:1"}, []string{"a", "b"}, 0},
		{"latest for other subscriptions does not", latest, 10, 1 << 20, []string{"a:1", "b:1", "a:2"}, []string{"a", "b", "a"}, 0},
		{"latest replaces when full", latest, 2, 1 << 20, []string{"a:1", "b:1", "a:1", "c:1"}, []string{"b", "c"}, 1},
		{"one subscription of two wants all", latest, 10, 1 << 20, []string{"a:5", "a:5"}, []string{"a", "a"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := newQueue(tt.events, tt.bytes)
			dropped := 0
			for _, p := range tt.put {
				var uid string
				var bits uint32
				fmt.Sscanf(p, "%1s:%d", &uid, &bits)
				dropped += q.put([]entry{{event(t, uid), tt.subs, bits}})
			}
			if diff := cmp.Diff(tt.want, q.uids()); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
			if n, bytes := q.size(); n != 0 || bytes != 0 || dropped != tt.dropped {
				t.Errorf("at the end %d events, %d bytes; %d dropped, want 0, 0, %d", n, bytes, dropped, tt.dropped)
			}
		})
	}
}

// The queue against a plain list.
func TestQueueModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	subs := &subscriptions{latest: 1}
	pool := map[string]*hostapi.Event{}
	for _, uid := range uids(30) {
		pool[uid] = event(t, uid)
	}
	q := newQueue(50, 1<<30)
	var model []entry
	missed, wantMissed := uint64(0), uint64(0)
	for range 20000 {
		if rng.IntN(4) > 0 {
			n := entry{pool[fmt.Sprint("u", rng.IntN(30))], subs, uint32(1 + rng.IntN(2))}
			q.put([]entry{n})
			at := -1
			for i, m := range model {
				if n.bits == 1 && m.bits == 1 && m.e.UID == n.e.UID {
					at = i
				}
			}
			if at >= 0 {
				model[at] = n
				continue
			}
			if model = append(model, n); len(model) > 50 {
				model = model[1:]
				wantMissed++
			}
			continue
		}
		got, lost := q.take(nil, rng.IntN(6))
		missed += lost
		want := model[:len(got)]
		model = model[len(got):]
		for i := range got {
			if got[i].e != want[i].e || got[i].bits != want[i].bits {
				t.Fatalf("entry %d: got %s %d, want %s %d", i, got[i].e.UID, got[i].bits, want[i].e.UID, want[i].bits)
			}
		}
	}
	_, lost := q.take(nil, 0)
	if missed += lost; missed != wantMissed || missed == 0 {
		t.Errorf("missed %d, want %d", missed, wantMissed)
	}
}

func TestSubscriptions(t *testing.T) {
	sub := func(change func(*manifest.Subscription)) manifest.Subscription {
		s := manifest.Subscription{Types: []string{"a-f-*"}}
		if change != nil {
			change(&s)
		}
		return s
	}
	grant := func(change func(*hostapi.Scope)) hostapi.Scope {
		s := hostapi.Scope{Types: []string{"*"}, Missions: true}
		if change != nil {
			change(&s)
		}
		return s
	}
	mission := `<marti><dest mission="alpha"/></marti>`
	own := func(e *hostapi.Event) { e.Origin, e.Via = hostapi.FromPlugin, "p" }
	tests := []struct {
		name   string
		sub    manifest.Subscription
		grant  hostapi.Scope
		detail string
		event  func(*hostapi.Event)
		want   bool
	}{
		{"type", sub(nil), grant(nil), "", nil, true},
		{"another type", sub(func(s *manifest.Subscription) { s.Types = []string{"b-*"} }), grant(nil), "", nil, false},
		{"type not granted", sub(nil), grant(func(s *hostapi.Scope) { s.Types = []string{"b-*"} }), "", nil, false},
		{"box", sub(func(s *manifest.Subscription) { s.Box = &manifest.Box{South: 40, West: 0, North: 50, East: 20} }), grant(nil), "", nil, true},
		{"another box", sub(func(s *manifest.Subscription) { s.Box = &manifest.Box{South: 0, West: 0, North: 1, East: 1} }), grant(nil), "", nil, false},
		{"box without a point", sub(func(s *manifest.Subscription) { s.Box = &manifest.Box{South: -90, West: -180, North: 90, East: 180} }), grant(nil), "", func(e *hostapi.Event) { e.Flags = 0 }, false},
		{"group", sub(func(s *manifest.Subscription) { s.Groups = []string{"set*"} }), grant(nil), "", nil, true},
		{"another group", sub(func(s *manifest.Subscription) { s.Groups = []string{"red"} }), grant(nil), "", nil, false},
		{"group not granted", sub(nil), grant(func(s *hostapi.Scope) { s.Groups = []string{"red"} }), "", nil, false},
		{"for a mission, not asked for", sub(nil), grant(nil), mission, nil, false},
		{"for a mission", sub(func(s *manifest.Subscription) { s.Missions = []string{"al*"} }), grant(nil), mission, nil, true},
		{"for another mission", sub(func(s *manifest.Subscription) { s.Missions = []string{"beta"} }), grant(nil), mission, nil, false},
		{"for a mission, not granted", sub(func(s *manifest.Subscription) { s.Missions = []string{"*"} }), grant(func(s *hostapi.Scope) { s.Missions = false }), mission, nil, false},
		{"for a callsign", sub(nil), grant(nil), `<marti><dest callsign="x"/></marti>`, nil, true},
		{"its own", sub(nil), grant(nil), "", own, false},
		{"its own, asked for", sub(func(s *manifest.Subscription) { s.Own = true }), grant(nil), "", own, true},
		{"another plugin's", sub(nil), grant(nil), "", func(e *hostapi.Event) { e.Origin, e.Via = hostapi.FromPlugin, "q" }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &manifest.Manifest{Subscriptions: []manifest.Subscription{tt.sub}}
			s, err := newSubscriptions(m, hostapi.Grants{hostapi.CapEventsRead: tt.grant}, func(set hostapi.SetID) []string { return []string{fmt.Sprint("set", set)} })
			if err != nil {
				t.Fatal(err)
			}
			e := event(t, "u", tt.detail)
			if tt.event != nil {
				tt.event(e)
			}
			if got := s.match(e, "p", s.live) != 0; got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if _, err := newSubscriptions(&manifest.Manifest{Subscriptions: []manifest.Subscription{sub(nil)}}, nil, nil); err == nil {
		t.Error("subscriptions without the capability are taken")
	}
}

// The rate of a grant bounds what is delivered; the rest counts as missed.
func TestRate(t *testing.T) {
	b := newBed(t)
	v, _ := b.version(events(emitUID))
	v.Grants[hostapi.CapEventsRead] = hostapi.Scope{Types: []string{"*"}, Rate: 10}
	if err := v.Prepare(func(hostapi.SetID) []string { return nil }); err != nil {
		t.Fatal(err)
	}
	b.start(v)
	b.offer(uids(25)...)
	b.drained()
	b.stop()
	if c := b.a.Counts(); c.Events+c.Missed != 25 || c.Events < 10 || c.Events > 12 {
		t.Errorf("got %d events and %d missed, want about 10 of 25", c.Events, c.Missed)
	}
}

func TestTypeSet(t *testing.T) {
	patterns := []string{"a-f-*", "b-t-f", "a-*-G", "u-*-*", "*-x", "a-f-G-U-C-I"}
	for _, p := range patterns {
		set, err := newTypeSet([]string{p})
		if err != nil {
			t.Fatal(err)
		}
		for _, typ := range []string{"", "a", "a-f-", "a-f-G", "a-f-G-U-C-I", "a-h-G", "b-t-f", "b-t-f-d", "b-t", "u-d-f", "u-d", "q-x", "a-f-G-U-C-I-x"} {
			if got, want := set.match(typ), cot.MatchGlob(p, typ); got != want {
				t.Errorf("%s %s: got %v, want %v", p, typ, got, want)
			}
		}
	}
}
