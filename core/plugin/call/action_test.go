package call

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

func act(r *wire.ActionResult) func(context.Context, *Call, *wire.Action) (*wire.ActionResult, error) {
	return func(context.Context, *Call, *wire.Action) (*wire.ActionResult, error) { return r, nil }
}

func TestActionIsPartOfTheCall(t *testing.T) {
	b := newBed(t)
	caller, callee := b.plugin("caller", all()), b.plugin("callee", all())
	var got *wire.Action
	b.actions = actionTable{"callee.add": func(_ context.Context, parent *Call, a *wire.Action) (*wire.ActionResult, error) {
		got = a
		child := parent.Child(callee, Options{Op: hostapi.OpAction, Caller: a.Caller})
		defer child.Discard()
		b.ok(child, hostapi.HostPut, &wire.Put{Collection: "things", ID: "of callee"})
		b.ok(child, hostapi.HostEmit, emitOf(emitted("b-t-f", "second", wire.Audience{All: true})))
		if err := child.Commit(t.Context()); err == nil {
			t.Error("a child can be committed")
		}
		return &wire.ActionResult{Body: []byte("done " + string(a.Body))}, nil
	}}
	alice := b.join("A", "alice", b.set(red))
	alice.take()
	c := caller.Begin(Options{Caller: &wire.Caller{User: "bob", OutSet: 1, Via: []string{"before"}}})
	b.ok(c, hostapi.HostPut, &wire.Put{Collection: "things", ID: "of caller"})
	b.ok(c, hostapi.HostEmit, emitOf(emitted("b-t-f", "first", wire.Audience{All: true})))
	var r wire.ActionResult
	if err := r.Decode(b.ok(c, hostapi.HostCall, &wire.Action{Name: "callee.add", Version: 2, Body: []byte("this")})); err != nil || string(r.Body) != "done this" {
		t.Errorf("result %q, %v", r.Body, err)
	}
	if diff := cmp.Diff(&wire.Action{Name: "add", Version: 2, Body: []byte("this"),
		Caller: &wire.Caller{User: "bob", OutSet: 1, Via: []string{"before", "caller"}}}, got); diff != "" {
		t.Errorf("the callee got (-want +got):\n%s", diff)
	}
	if evs := alice.take(); len(evs) != 0 {
		t.Errorf("%v left before the commit", evs)
	}
	b.commit(c)
	if diff := cmp.Diff([]string{"b-t-f first", "b-t-f second"}, alice.take()); diff != "" {
		t.Errorf("alice got (-want +got):\n%s", diff)
	}
	for _, p := range []*Plugin{caller, callee} {
		c := p.Begin(Options{})
		ids, _ := documents(t, b.ok(c, hostapi.HostQuery, &wire.Query{Collection: "things"}))
		if want := []string{"of " + p.Name()}; !cmp.Equal(ids, want) {
			t.Errorf("%s has %v, want %v", p.Name(), ids, want)
		}
	}
}

func TestFailedActionLeavesNothing(t *testing.T) {
	b := newBed(t)
	caller, callee := b.plugin("caller", all()), b.plugin("callee", all())
	fail := func(end func() error) func(context.Context, *Call, *wire.Action) (*wire.ActionResult, error) {
		return func(_ context.Context, parent *Call, a *wire.Action) (*wire.ActionResult, error) {
			child := parent.Child(callee, Options{Op: hostapi.OpAction, Caller: a.Caller})
			b.ok(child, hostapi.HostPut, &wire.Put{Collection: "things", ID: "x"})
			b.ok(child, hostapi.HostEmit, emitOf(emitted("b-t-f", "x", wire.Audience{All: true})))
			b.ok(child, hostapi.HostPublish, &wire.Publish{Stream: "s", Data: []byte("1"), Audience: &wire.Audience{All: true}})
			b.ok(child, hostapi.HostTopicSet, &wire.Topic{Name: "t/x"})
			b.ok(child, hostapi.HostTimerSet, &wire.TimerSet{Name: "x", Every: 1e6})
			return nil, end()
		}
	}
	b.actions = actionTable{
		"callee.refuse": fail(func() error {
			return &StatusError{Status: hostapi.NotFound, Code: "no_thing", Message: "there is no such thing", Details: []wire.Pair{{Name: "a", Value: "b"}}}
		}),
		"callee.crash": fail(func() error { return errors.New("trap") }),
		"callee.panic": fail(func() error { panic("oops") }),
	}
	c := caller.Begin(Options{})
	b.ok(c, hostapi.HostPut, &wire.Put{Collection: "things", ID: "kept"})
	a := b.do(c, hostapi.HostCall, &wire.Action{Name: "callee.refuse"})
	if a.status != hostapi.NotFound || a.err.Code != "no_thing" || a.err.Message != "there is no such thing" || len(a.err.Details) != 1 {
		t.Errorf("got %v: %+v, want the callee's refusal", a.status, a.err)
	}
	b.refused(c, hostapi.HostCall, &wire.Action{Name: "callee.crash"}, hostapi.Failed, "internal error")
	b.refused(c, hostapi.HostCall, &wire.Action{Name: "callee.panic"}, hostapi.Failed, "internal error")
	b.refused(c, hostapi.HostCall, &wire.Action{Name: "callee.none"}, hostapi.NotFound, "no such action")
	b.commit(c)
	if len(b.live.updates) != 0 || len(b.timers) != 0 {
		t.Errorf("updates %v, timers %v of failed actions", b.live.updates, b.timers)
	}
	see := callee.Begin(Options{})
	if ids, _ := documents(t, b.ok(see, hostapi.HostQuery, &wire.Query{Collection: "things"})); len(ids) != 0 {
		t.Errorf("documents %v of failed actions", ids)
	}
	b.refused(see, hostapi.HostTopicGet, &wire.TopicName{Name: "t/x"}, hostapi.NotFound, "")
	see = caller.Begin(Options{})
	if ids, _ := documents(t, b.ok(see, hostapi.HostQuery, &wire.Query{Collection: "things"})); !cmp.Equal(ids, []string{"kept"}) {
		t.Errorf("the caller has %v", ids)
	}
}

func TestActionChain(t *testing.T) {
	b := newBed(t)
	b.actions = actionTable{}
	names := []string{"p0", "p1", "p2", "p3", "p4", "p5"}
	plugins := map[string]*Plugin{}
	for _, n := range names {
		plugins[n] = b.plugin(n, all())
	}
	// Each action calls the next plugin, the one it is told, and tells the answer on.
	for _, n := range names {
		b.actions[n+".go"] = func(_ context.Context, parent *Call, a *wire.Action) (*wire.ActionResult, error) {
			child := parent.Child(plugins[n], Options{Op: hostapi.OpAction})
			defer child.Discard()
			next, rest, _ := strings.Cut(string(a.Body), " ")
			if next == "" {
				return &wire.ActionResult{Body: []byte(strings.Join(a.Caller.Via, " "))}, nil
			}
			ans := b.do(child, hostapi.HostCall, &wire.Action{Name: next + ".go", Body: []byte(rest)})
			if err := Answered(ans.status, ans.payload); err != nil {
				return nil, err
			}
			var r wire.ActionResult
			return &r, r.Decode(ans.payload)
		}
	}
	for _, tt := range []struct {
		name, path string
		want       hostapi.Status
		text       string
	}{
		{"one", "p1", hostapi.OK, "p0"},
		{"four", "p1 p2 p3 p4", hostapi.OK, "p0 p1 p2 p3"},
		{"five", "p1 p2 p3 p4 p5", hostapi.Limit, "p0 → p1 → p2 → p3 → p4"},
		{"itself", "p0", hostapi.Conflict, "p0 is at work in this call already"},
		{"round", "p1 p2 p1", hostapi.Conflict, "p1 is at work in this call already: p0 → p1 → p2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			next, rest, _ := strings.Cut(tt.path, " ")
			c := plugins["p0"].Begin(Options{})
			a := b.do(c, hostapi.HostCall, &wire.Action{Name: next + ".go", Body: []byte(rest)})
			got := a.err.Message
			if a.status == hostapi.OK {
				var r wire.ActionResult
				if err := r.Decode(a.payload); err != nil {
					t.Fatal(err)
				}
				got = string(r.Body)
			}
			if a.status != tt.want || !strings.Contains(got, tt.text) {
				t.Errorf("got %v: %s, want %v: %s", a.status, got, tt.want, tt.text)
			}
		})
	}
}

func TestActionInheritsReadOnlyTrialAndPure(t *testing.T) {
	b := newBed(t)
	caller, callee := b.plugin("caller", all()), b.plugin("callee", all())
	var child *Call
	b.actions = actionTable{"callee.look": func(_ context.Context, parent *Call, a *wire.Action) (*wire.ActionResult, error) {
		child = parent.Child(callee, Options{Op: hostapi.OpAction})
		return nil, nil
	}}
	lane := new(int)
	ev := &hostapi.Event{ID: 7}
	c := caller.Begin(Options{ReadOnly: true, Trial: true, Hops: 3, Lane: lane, Events: []*hostapi.Event{ev}})
	b.ok(c, hostapi.HostCall, &wire.Action{Name: "callee.look"})
	o := child.Options()
	if !o.ReadOnly || !o.Trial || o.Hops != 3 || o.Lane != lane || len(o.Events) != 1 || len(o.Caller.Via) != 1 || o.Caller.Via[0] != "caller" {
		t.Errorf("the child has %+v", o)
	}
	c.Discard()
	b.refused(child, hostapi.HostClock, nil, hostapi.Failed, "the call has ended")
}
