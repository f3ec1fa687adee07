package tests

import (
	"strconv"
	"testing"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/tests/guests"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// Topics are in force when the answer of the request that made them is there, and
// stay so while their plugin is swapped, disabled or gone with the server. What is
// sent to a mission goes to the members of its topic and to nobody else.
func TestTopics(t *testing.T) {
	pack := func(version string) []byte {
		return guests.WASM(t, "reach").Pack(t, guests.Version(version), guests.Ask("topics", map[string]any{"prefixes": []string{"reach."}}))
	}
	srv := taktest.Start(t)
	srv.Install(t, pack("1.0.0"))
	ask := func(op hostapi.HostOp, in message) {
		t.Helper()
		if status, e := reach(t, srv.Admin, "reach", op, in, nil); status != hostapi.OK {
			t.Fatalf("%v: got %v %q", op, status, e.Message)
		}
	}
	var sender, member, stranger *takclient.Client
	connect := func() {
		t.Helper()
		for uid, c := range map[string]**takclient.Client{"SENDER": &sender, "MEMBER": &member, "STRANGER": &stranger} {
			*c = srv.Client(t, takclient.WithUID(uid))
			takclient.Must(t, (*c).SA(1, 2))
			(*c).Sync(t)
		}
	}
	// gets wants that an event to the mission comes to the members, or to nobody.
	gets := func(when string, members bool) {
		t.Helper()
		e, _ := takclient.NewMarker()
		e.Detail += takclient.Marti(takclient.Dest{Kind: "mission", Value: "Rescue"})
		takclient.Must(t, sender.Send(e.XML()))
		sender.Sync(t)
		if members {
			member.ExpectUID(t, e.UID)
		}
		for _, c := range []*takclient.Client{member, stranger} {
			c.Sync(t)
			if n := c.CountUID(e.UID); n != 0 && (c == stranger || !members) {
				t.Errorf("%s: %s got the event", when, c.Peer().UID)
			}
		}
	}
	connect()
	gets("before", false)
	ask(hostapi.HostTopicSet, &wire.Topic{Name: "reach.rescue", Members: []wire.TopicMember{{Client: "SENDER", MayPublish: true}, {Client: "MEMBER"}}})
	gets("without an alias", false)
	ask(hostapi.HostTopicAlias, &wire.TopicAlias{Alias: "Rescue", Topics: []string{"reach.rescue"}})
	gets("with topic and alias", true)

	if answer, err := srv.Swap("reach", pack("1.1.0")); err != nil || answer.Status != 200 {
		t.Fatalf("swap: got %+v, %v", answer, err)
	}
	gets("after a swap", true)
	srv.Must(t, "POST", "/api/v1/plugins/reach/disable", nil)
	gets("while the plugin is disabled", true)
	srv.Restart(t)
	connect()
	gets("after a restart", true)
	srv.Must(t, "POST", "/api/v1/plugins/reach/enable", nil)
	srv.Reaches(t, "reach", plugin.Active)

	ask(hostapi.HostTopicLeave, &wire.Topic{Name: "reach.rescue", Members: []wire.TopicMember{{Client: "MEMBER"}}})
	gets("after the member left", false)
	ask(hostapi.HostTopicJoin, &wire.Topic{Name: "reach.rescue", Members: []wire.TopicMember{{Client: "MEMBER"}}})
	gets("after it joined again", true)
	ask(hostapi.HostTopicSet, &wire.Topic{Name: "reach.rescue", Members: []wire.TopicMember{{Client: "SENDER"}, {Client: "MEMBER"}}})
	gets("when the sender may not publish", false)
	ask(hostapi.HostTopicSet, &wire.Topic{Name: "reach.rescue", Members: []wire.TopicMember{{Client: "SENDER", MayPublish: true}, {Client: "MEMBER"}}})
	gets("when it may again", true)
	srv.Remove(t, "reach")
	gets("after the plugin was removed", false)
}

// An action of another plugin is part of the caller's transaction, whatever runs
// the two.
func TestActions(t *testing.T) {
	srv := taktest.Start(t)
	docs := guests.Set("collections", []any{map[string]any{"name": "docs"}})
	asks := []guests.Change{docs, guests.Ask("store", true)}
	srv.Install(t, guests.Process(t, "reach").Pack(t, append(asks, guests.Name("store"), guests.Set("provides", []any{map[string]any{"name": "put", "writes": true}}))...))
	srv.Install(t, guests.WASM(t, "reach").Pack(t, append(asks, guests.Name("user"), guests.Ask("call", []string{"store.put"}),
		guests.Set("needs", []any{map[string]any{"action": "store.put"}}))...))
	var result wire.ActionResult
	status, e := reach(t, srv.Admin, "user", hostapi.HostCall, &wire.Action{Name: "store.put", Version: 1, Body: []byte("a rope")}, &result)
	if status != hostapi.OK || string(result.Body) != "store has a rope" {
		t.Errorf("got %v %q, %q", status, e.Message, result.Body)
	}
	for name, want := range map[string]int{"store": 1, "user": 0} {
		var got wire.Documents
		reach(t, srv.Admin, name, hostapi.HostGet, &wire.Get{Collection: "docs", IDs: []string{"action"}}, &got)
		if len(got.Documents) != want {
			t.Errorf("%s has %d documents, want %d", name, len(got.Documents), want)
		}
	}
	// What is needed is not disabled without force; with it, who needs it fails.
	if answer, err := srv.Do("POST", "/api/v1/plugins/store/disable", nil); err != nil || answer.Status != 409 {
		t.Errorf("disable what is needed: got %+v, %v; want 409", answer, err)
	}
	srv.Must(t, "POST", "/api/v1/plugins/store/disable?force=true", nil)
	srv.Reaches(t, "user", plugin.Failed)
	srv.Must(t, "POST", "/api/v1/plugins/store/enable", nil)
	srv.Reaches(t, "user", plugin.Active)
}

// A version that takes over and then crashes gives way to the one before. The few
// events that it failed on twice are dead letters, which the old version takes.
func TestProbation(t *testing.T) {
	guest := guests.WASM(t, "tally")
	common := []guests.Change{guests.Config("keep", "store"), guests.Set("state", "store")}
	srv := taktest.Start(t)
	srv.Install(t, guest.Pack(t, common...))
	f := startFlow(t, srv, 200)
	f.more(t, 20)
	answer, err := srv.Swap("tally", guest.Pack(t, append(common, guests.Version("1.1.0"), guests.Config("fault", "later"))...))
	if err != nil || answer.Status != 200 {
		t.Fatalf("swap: got %+v, %v", answer, err)
	}
	i := srv.Shows(t, "tally", "is back", func(i *plugin.Info) bool { return i.State == plugin.Active && i.Version == "1.0.0" })
	if i.Reason == "" || len(i.History) < 2 {
		t.Errorf("got the reason %q and the history %v, want that it says why", i.Reason, i.History)
	}
	f.more(t, 20)
	sent := f.finish(t)
	i = srv.Shows(t, "tally", "has done with all events", func(i *plugin.Info) bool {
		return int64(i.Counts.Events+i.Counts.DeadLetters) >= sent && i.Counts.Queued == 0
	})
	var page struct {
		DeadLetters []plugin.DeadLetter `json:"dead_letters"`
	}
	const letters = "/api/v1/plugins/tally/dead-letters"
	srv.Must(t, "GET", letters, nil).Decode(t, &page)
	t.Logf("%d events; %d became dead letters in %d crashes; %s", sent, len(page.DeadLetters), i.Counts.Crashes, i.Reason)
	if n := len(page.DeadLetters); n > 3 || uint64(n) != i.Counts.DeadLetters {
		t.Errorf("got %d dead letters and a count of %d, want 3 at most", n, i.Counts.DeadLetters)
	}
	for _, d := range page.DeadLetters {
		srv.Must(t, "POST", letters+"/"+strconv.FormatInt(d.ID, 10)+"/retry", nil)
	}
	if p := proofOf(t, srv.Admin, "tally"); p.Total != sent || p.Twice != 0 || p.Lost > int64(len(page.DeadLetters)) {
		t.Errorf("got %d of %d events, %d out of order and %d twice: %s", p.Total, sent, p.Lost, p.Twice, p.Fault)
	}
	srv.Must(t, "GET", letters, nil).Decode(t, &page)
	if len(page.DeadLetters) != 0 {
		t.Errorf("%d dead letters are left", len(page.DeadLetters))
	}
}
