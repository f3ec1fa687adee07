package call

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

func limits(emits, hostCalls int64) manifest.Limits {
	return manifest.Limits{Emits: emits, HostCalls: hostCalls}
}

// stageAll stages one of everything.
func (b *bed) stageAll(c *Call, id string) {
	b.Helper()
	b.ok(c, hostapi.HostPut, &wire.Put{Collection: "things", ID: id, Body: []byte(id)})
	b.ok(c, hostapi.HostNextCounter, &wire.Counter{Name: "n"})
	b.ok(c, hostapi.HostTopicSet, &wire.Topic{Name: "t/" + id, Members: []wire.TopicMember{{Client: "A", MayPublish: true}, {Client: "B"}}})
	b.ok(c, hostapi.HostTopicAlias, &wire.TopicAlias{Alias: "op " + id, Topics: []string{"t/" + id}})
	b.ok(c, hostapi.HostTimerSet, &wire.TimerSet{Name: id, Every: 5e6, Data: []byte("d")})
	b.ok(c, hostapi.HostPublish, &wire.Publish{Stream: "s", Data: []byte(`"` + id + `"`), Audience: &wire.Audience{All: true}})
	b.ok(c, hostapi.HostEmit, emitOf(emitted("b-t-f", "1"+id, wire.Audience{Topic: "t/" + id}), emitted("b-t-f", "2"+id, wire.Audience{All: true})))
	b.ok(c, hostapi.HostEmit, emitOf(emitted("b-t-f", "3"+id, wire.Audience{All: true})))
}

// outside gives all that can be seen of effects from outside of a call.
func (b *bed) outside(p *Plugin, alice, bob *client) map[string][]string {
	b.Helper()
	out := map[string][]string{"alice": alice.take(), "bob": bob.take(), "timers": b.timers}
	for _, u := range b.live.updates {
		out["live"] = append(out["live"], string(u.Data))
	}
	c := p.Begin(Options{})
	out["documents"], _ = documents(b, b.ok(c, hostapi.HostQuery, &wire.Query{Collection: "things"}))
	topics, err := b.env.Store.Topics(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for _, t := range topics {
		out["topics"] = append(out["topics"], t.Name)
	}
	var n wire.CounterValue
	if err := n.Decode(b.ok(c, hostapi.HostNextCounter, &wire.Counter{Name: "n"})); err != nil {
		b.Fatal(err)
	}
	out["counter"] = []string{fmt.Sprint(n.Value)}
	return out
}

func TestNothingIsSeenBeforeTheCommit(t *testing.T) {
	for _, tt := range []struct {
		name string
		opt  Options
		end  func(*bed, *Call)
		done bool
	}{
		{"committed", Options{}, func(b *bed, c *Call) { b.commit(c) }, true},
		{"discarded", Options{}, func(b *bed, c *Call) { c.Discard() }, false},
		{"trial", Options{Trial: true}, func(b *bed, c *Call) { b.commit(c) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			alice, bob := b.join("A", "", b.set(red)), b.join("B", "", b.set(red))
			alice.take()
			p := b.plugin("p", all())
			before := map[string][]string{"alice": nil, "bob": nil, "timers": nil, "documents": nil, "counter": {"1"}}
			c := p.Begin(tt.opt)
			b.stageAll(c, "x")
			if ids, _ := documents(t, b.ok(c, hostapi.HostQuery, &wire.Query{Collection: "things"})); !slices.Equal(ids, []string{"x"}) {
				t.Errorf("the call sees %v of its own", ids)
			}
			if diff := cmp.Diff(before, b.outside(p, alice, bob)); diff != "" {
				t.Errorf("before the end (-want +got):\n%s", diff)
			}
			tt.end(b, c)
			want := before
			if tt.done {
				want = map[string][]string{
					"alice":  {"b-t-f 1x", "b-t-f 2x", "b-t-f 3x"},
					"bob":    {"b-t-f 1x", "b-t-f 2x", "b-t-f 3x"},
					"timers": {"p x false"}, "documents": {"x"}, "counter": {"2"}, "topics": {"t/x"}, "live": {`"x"`},
				}
			}
			if diff := cmp.Diff(want, b.outside(p, alice, bob)); diff != "" {
				t.Errorf("after the end (-want +got):\n%s", diff)
			}
			// Messages for the mission's name are routed by the topic, or by nothing.
			b.publish(alice, "b-m-r", "route", `<marti><dest mission="op x"/></marti>`)
			if got := len(bob.take()) == 1; got != tt.done {
				t.Errorf("the mission's message came: %v, want %v", got, tt.done)
			}
			if err := c.Commit(t.Context()); err == nil {
				t.Error("a call can be committed twice")
			}
			b.refused(c, hostapi.HostClock, nil, hostapi.Failed, "the call has ended")
		})
	}
}

func TestConflictHasNoEffect(t *testing.T) {
	b := newBed(t)
	alice := b.join("A", "", b.set(red))
	alice.take()
	p := b.plugin("p", all())
	work := func() *Call {
		c := p.Begin(Options{})
		b.ok(c, hostapi.HostGet, &wire.Get{Collection: "things", IDs: []string{"one"}})
		b.stageAll(c, "one")
		return c
	}
	first, second := work(), work()
	b.commit(first)
	alice.take()
	b.live.updates, b.timers = nil, nil
	err := second.Commit(t.Context())
	if store.CodeOf(err) != store.Conflict || StatusOf(err).Status != hostapi.Conflict {
		t.Fatalf("got %v, want a conflict", err)
	}
	if evs := alice.take(); len(evs)+len(b.live.updates)+len(b.timers) != 0 {
		t.Errorf("a conflict left %v, %v, %v", evs, b.live.updates, b.timers)
	}
	b.commit(work())
	if evs := alice.take(); len(evs) != 3 {
		t.Errorf("the second try sent %v", evs)
	}
}

func TestEventsAloneNeedNoDatabase(t *testing.T) {
	b := newBed(t)
	alice := b.join("A", "", b.set(red))
	alice.take()
	p := b.plugin("p", all())
	c := p.Begin(Options{})
	b.ok(c, hostapi.HostEmit, emitOf(emitted("b-t-f", "x", wire.Audience{All: true})))
	b.env.Store = nil
	b.commit(c)
	if diff := cmp.Diff([]string{"b-t-f x"}, alice.take()); diff != "" {
		t.Errorf("alice got (-want +got):\n%s", diff)
	}
}

func TestHostRowsAreOfTheSameCommit(t *testing.T) {
	b := newBed(t)
	p := b.plugin("p", all())
	c := p.Begin(Options{})
	b.ok(c, hostapi.HostPut, &wire.Put{Collection: "things", ID: "x"})
	if err := c.Work().SetTimer(p.Owner(), store.Timer{Name: "host's", Due: b.clock()}); err != nil {
		t.Fatal(err)
	}
	if !c.Staged() {
		t.Error("nothing staged")
	}
	b.commit(c)
	timers, err := b.env.Store.Timers(t.Context())
	if err != nil || len(timers) != 1 || timers[0].Name != "host's" || !slices.Equal(b.timers, []string{"p host's false"}) {
		t.Errorf("timers %v, told %v, %v", timers, b.timers, err)
	}
}

// Commits get to the router in another order than the database took them.
func TestNewestTopicIsInForce(t *testing.T) {
	b := newBed(t)
	var rec topicRecord
	b.env.Router = &rec
	topic := func(rev uint64, dropped bool, uids ...string) store.Topic {
		t := store.Topic{Plugin: "p", Name: "t", Revision: rev, Dropped: dropped}
		for _, u := range uids {
			t.Members = append(t.Members, store.TopicMember{Client: u})
		}
		return t
	}
	alias := func(rev uint64, topics ...string) store.Alias {
		return store.Alias{Plugin: "p", Name: "a", Revision: rev, Topics: topics}
	}
	for _, c := range []store.Committed{
		{Topics: []store.Topic{topic(2, false, "A", "B")}, Aliases: []store.Alias{alias(2, "t", "u")}},
		{Topics: []store.Topic{topic(1, false, "A")}, Aliases: []store.Alias{alias(1, "t")}},
		{Topics: []store.Topic{topic(4, true)}, Aliases: []store.Alias{alias(4)}},
		{Topics: []store.Topic{topic(3, false, "C")}, Aliases: []store.Alias{alias(3, "v")}},
		{Topics: []store.Topic{topic(5, false, "D")}, Aliases: []store.Alias{alias(5, "w")}},
	} {
		b.env.InForce(c)
	}
	want := []string{"set t A B", "alias a t u", "drop t", "alias a", "set t D", "alias a w"}
	if diff := cmp.Diff(want, rec.list); diff != "" {
		t.Errorf("the router was told (-want +got):\n%s", diff)
	}
	// What is no more is not remembered for ever, what is there stays known.
	for i := range 3 * maxGone {
		b.env.InForce(store.Committed{Topics: []store.Topic{{Name: fmt.Sprint("x", i), Revision: uint64(10 + i), Dropped: true}}})
	}
	if n := len(b.env.force.topics); n > maxGone+1 {
		t.Errorf("%d topics are remembered", n)
	}
	rec.list = nil
	b.env.InForce(store.Committed{Topics: []store.Topic{topic(4, false, "old")}})
	if rec.list != nil {
		t.Errorf("an old state came into force: %v", rec.list)
	}
}

type topicRecord struct {
	Router
	list []string
}

func (r *topicRecord) SetTopic(t route.Topic) {
	line := "set " + t.ID
	for _, m := range t.Members {
		line += " " + m.UID
	}
	r.list = append(r.list, line)
}
func (r *topicRecord) DropTopic(id string) { r.list = append(r.list, "drop "+id) }
func (r *topicRecord) SetAlias(name string, ids ...string) {
	r.list = append(r.list, strings.TrimSpace("alias "+name+" "+strings.Join(ids, " ")))
}

func TestRestore(t *testing.T) {
	b := newBed(t)
	p := b.plugin("p", all())
	c := p.Begin(Options{})
	b.stageAll(c, "x")
	b.commit(c)
	var rec topicRecord
	again := &Env{Store: b.env.Store, Router: &rec}
	if err := again.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"set t/x A B", "alias op x t/x"}, rec.list); diff != "" {
		t.Errorf("the router was told (-want +got):\n%s", diff)
	}
}

func TestTopicScope(t *testing.T) {
	b := newBed(t)
	p := b.plugin("p", hostapi.Grants{hostapi.CapTopics: {Prefixes: []string{"p/", "q/"}}})
	c := p.Begin(Options{})
	for op, in := range map[hostapi.HostOp]message{
		hostapi.HostTopicSet:   &wire.Topic{Name: "x/1"},
		hostapi.HostTopicJoin:  &wire.Topic{Name: "x/1"},
		hostapi.HostTopicLeave: &wire.Topic{Name: "x/1"},
		hostapi.HostTopicDrop:  &wire.TopicName{Name: "x/1"},
		hostapi.HostTopicGet:   &wire.TopicName{Name: "x/1"},
		hostapi.HostTopicAlias: &wire.TopicAlias{Alias: "a", Topics: []string{"q/1", "x/1"}},
	} {
		b.refused(c, op, in, hostapi.Forbidden, `"x/1" is not within what is granted: prefixes of topics is p/, q/`)
	}
	b.refused(c, hostapi.HostTopicSet, &wire.Topic{Name: "p/1", Members: []wire.TopicMember{{MayPublish: true}}}, hostapi.Invalid, "neither user nor client")
	b.ok(c, hostapi.HostTopicSet, &wire.Topic{Name: "p/1", Members: []wire.TopicMember{{User: "u", Client: "*"}}})
	b.ok(c, hostapi.HostTopicJoin, &wire.Topic{Name: "p/1", Members: []wire.TopicMember{{Client: "X", MayPublish: true}}})
	b.commit(c)
	// Names are for one plugin alone.
	other := b.plugin("other", hostapi.Grants{hostapi.CapTopics: {Prefixes: []string{"p/"}}}).Begin(Options{})
	b.refused(other, hostapi.HostTopicSet, &wire.Topic{Name: "p/1"}, hostapi.Conflict, "")
	c = p.Begin(Options{ReadOnly: true})
	var got wire.Topic
	if err := got.Decode(b.ok(c, hostapi.HostTopicGet, &wire.TopicName{Name: "p/1"})); err != nil {
		t.Fatal(err)
	}
	want := wire.Topic{Name: "p/1", Members: []wire.TopicMember{{Client: "X", MayPublish: true}, {User: "u", Client: "*"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("topic (-want +got):\n%s", diff)
	}
}

func TestTimers(t *testing.T) {
	b := newBed(t)
	p := b.plugin("p", hostapi.Grants{hostapi.CapTimers: {Number: 2}})
	c := p.Begin(Options{})
	for _, tt := range []struct {
		in     wire.TimerSet
		status hostapi.Status
		text   string
	}{
		{wire.TimerSet{Every: 1e6}, hostapi.Invalid, "no name"},
		{wire.TimerSet{Name: "t"}, hostapi.Invalid, "has no time"},
		{wire.TimerSet{Name: "t", At: -1}, hostapi.Invalid, "has no time"},
		{wire.TimerSet{Name: "t", Every: 1}, hostapi.Invalid, "every"},
		{wire.TimerSet{Name: "t", Every: -1e6}, hostapi.Invalid, "every"},
		{wire.TimerSet{Name: "t", Every: 1 << 62}, hostapi.Invalid, "every"},
		{wire.TimerSet{Name: strings.Repeat("t", 300), Every: 1e6}, hostapi.Limit, "300 bytes"},
		{wire.TimerSet{Name: "t", Every: 1e6, Data: make([]byte, 100_000)}, hostapi.Limit, "100000 bytes"},
		{wire.TimerSet{Name: "always", Every: 1e6}, hostapi.Conflict, "the manifest's"},
	} {
		b.refused(c, hostapi.HostTimerSet, &tt.in, tt.status, tt.text)
	}
	b.ok(c, hostapi.HostTimerSet, &wire.TimerSet{Name: "a", Every: 5e6, Data: []byte("x")})
	b.ok(c, hostapi.HostTimerSet, &wire.TimerSet{Name: "b", At: 77})
	b.ok(c, hostapi.HostTimerSet, &wire.TimerSet{Name: "b", At: 88})
	b.refused(c, hostapi.HostTimerSet, &wire.TimerSet{Name: "c", At: 99}, hostapi.Limit, "has 2 timers")
	b.commit(c)
	stored, err := b.env.Store.Timers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range stored {
		stored[i].Due, stored[i].Revision = stored[i].Due.UTC(), 0
	}
	want := []store.Timer{
		{Plugin: "p", Name: "a", Due: b.clock().Add(5 * time.Second), Every: 5 * time.Second, Data: []byte("x")},
		{Plugin: "p", Name: "b", Due: time.UnixMicro(88).UTC()},
	}
	if diff := cmp.Diff(want, stored); diff != "" {
		t.Errorf("timers (-want +got):\n%s", diff)
	}
	// Room comes back with a timer that is cancelled, and with a call that was discarded.
	c = p.Begin(Options{})
	b.ok(c, hostapi.HostTimerCancel, &wire.TimerName{Name: "a"})
	b.commit(c)
	c = p.Begin(Options{})
	b.ok(c, hostapi.HostTimerSet, &wire.TimerSet{Name: "d", At: 1})
	c.Discard()
	c = p.Begin(Options{})
	b.ok(c, hostapi.HostTimerSet, &wire.TimerSet{Name: "e", At: 1})
	b.refused(c, hostapi.HostTimerSet, &wire.TimerSet{Name: "f", At: 1}, hostapi.Limit, "has 2 timers")
	b.commit(c)
	if want := []string{"p a false", "p b false", "p a true", "p e false"}; !slices.Equal(sorted(b.timers), sorted(want)) {
		t.Errorf("told of %v, want %v", b.timers, want)
	}
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// Many calls at once raise one counter in a document; none is lost.
func TestConcurrentCalls(t *testing.T) {
	b := newBed(t)
	p := b.plugin("p", all())
	const workers, each = 4, 25
	var wg sync.WaitGroup
	errs := make(chan error, workers)
	for range workers {
		wg.Go(func() {
			for done := 0; done < each; {
				c := p.Begin(Options{})
				var m wire.Documents
				out, s := c.Serve(t.Context(), hostapi.HostGet, (&wire.Get{Collection: "things", IDs: []string{"n"}}).Append(nil), nil)
				if s != hostapi.OK || m.Decode(out) != nil {
					errs <- errors.New("get: " + s.String())
					return
				}
				n := 0
				if len(m.Documents) > 0 {
					n = int(m.Documents[0].Body[0])
				}
				if _, s := c.Serve(t.Context(), hostapi.HostPut, (&wire.Put{Collection: "things", ID: "n", Body: []byte{byte(n + 1)}}).Append(nil), nil); s != hostapi.OK {
					errs <- errors.New("put: " + s.String())
					return
				}
				err := c.Commit(t.Context())
				if err == nil {
					done++
				} else if store.CodeOf(err) != store.Conflict {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	c := p.Begin(Options{})
	_, m := documents(t, b.ok(c, hostapi.HostGet, &wire.Get{Collection: "things", IDs: []string{"n"}}))
	if len(m.Documents) != 1 || int(m.Documents[0].Body[0]) != workers*each {
		t.Errorf("got %+v, want %d", m.Documents, workers*each)
	}
}
