package marti_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/takhost/takhost/core/marti"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Among users in groups by chance, each sees the others' clients and events by
// every operation exactly if one of theirs that they send to is one that he sees.
func TestGroupsInForce(t *testing.T) {
	b := newBed(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	const users = 7
	for i := range 4 {
		b.group(fmt.Sprintf("G%d", i))
	}
	type person struct {
		name, uid, gone string
		in, out         []hostapi.GroupID
		d               *device
	}
	people := make([]person, users)
	for i := range people {
		p := &people[i]
		p.name, p.uid, p.gone = fmt.Sprintf("user%d", i), fmt.Sprintf("UID-%d", i), fmt.Sprintf("GONE-%d", i)
		var groups []string
		for g := range 4 {
			if way := rnd.IntN(6); way < 3 {
				groups = append(groups, fmt.Sprintf("G%d%s", g, []string{"", " IN", " OUT"}[way]))
			}
		}
		b.user(p.name, "user", groups...)
		in, out, err := b.ids.SetsOf(p.name, p.uid, true)
		b.must(err)
		p.in, p.out = b.groups.Members(in), b.groups.Members(out)
		p.d, _ = b.with(p.name, p.uid, true)
		b.connect(marti.Client{Client: web.Client{User: p.name, UID: p.uid, Callsign: p.uid, Listener: "tls", Since: b.clock}, In: in, Out: out})
		b.roster.Changed(wire.ClientChange{At: b.clock.UnixMicro(), Client: &wire.Client{User: p.name, UID: p.gone, Callsign: p.gone, InSet: int32(in)}})
		b.event(p.name, p.uid, in, sa(p.uid, p.uid, 1, 1))
	}
	day := "?start=" + b.clock.Add(-time.Hour).Format(time.RFC3339) + "&end=" + b.clock.Add(time.Hour).Format(time.RFC3339)
	for _, viewer := range people {
		var clients, known, events []string
		for _, p := range people {
			reaches := slices.ContainsFunc(p.in, func(g hostapi.GroupID) bool { return slices.Contains(viewer.out, g) })
			if reaches || p.name == viewer.name {
				clients = append(clients, p.uid)
				known = append(known, p.uid, p.gone)
			}
			if reaches {
				events = append(events, p.uid)
			}
			for path, status := range map[string]int{"/Marti/api/cot/xml/" + p.uid: 404, "/Marti/api/cot/xml/" + p.uid + "/all": 404} {
				if reaches {
					status = 200
				}
				if got := viewer.d.get(path).status; got != status {
					t.Errorf("%s of %s: got %d, want %d", viewer.name, path, got, status)
				}
			}
		}
		same := func(what string, got, want []string) {
			t.Helper()
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s, %s: got %v, want %v", viewer.name, what, got, want)
			}
		}
		same("contacts", uidsOf[[]marti.Contact](t, viewer.d.get("/Marti/api/contacts/all")), clients)
		var got []string
		for _, s := range decode[[]marti.Subscription](viewer.d.get("/Marti/api/subscriptions/all"), "SubscriptionInfo") {
			got = append(got, s.ClientUID)
		}
		same("subscriptions", got, clients)
		got = nil
		for _, e := range decode[[]marti.ClientEndpoint](viewer.d.get("/Marti/api/clientEndPoints"), "com.bbn.marti.remote.ClientEndpoint") {
			got = append(got, e.UID)
		}
		same("endpoints", got, known)
		got = nil
		if a := viewer.d.get("/Marti/api/cot/sa" + day); a.status != 404 {
			got = a.events()
		}
		same("positions", got, events)
	}
}
