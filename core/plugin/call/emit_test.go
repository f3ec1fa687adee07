package call

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/wire"
)

func TestAudience(t *testing.T) {
	emit := func(s hostapi.Scope) hostapi.Grants {
		s.Types = []string{"*"}
		return hostapi.Grants{hostapi.CapEventsEmit: s, hostapi.CapTopics: {Prefixes: []string{"t/"}}}
	}
	free := emit(hostapi.Scope{})
	onlyRed := emit(hostapi.Scope{Groups: []string{"R*"}})
	none := emit(hostapi.Scope{Groups: []string{"Purple"}})
	missions := emit(hostapi.Scope{Missions: true})
	for _, tt := range []struct {
		name   string
		grants hostapi.Grants
		to     func(b *bed) wire.Audience
		want   string // who gets it; or
		status hostapi.Status
		text   string
	}{
		{name: "a group", grants: free, to: func(*bed) wire.Audience { return wire.Audience{Groups: []string{"Red"}} }, want: "R RB"},
		{name: "groups", grants: free, to: func(*bed) wire.Audience { return wire.Audience{Groups: []string{"Red", "Blue"}} }, want: "R B RB"},
		{name: "a granted group", grants: onlyRed, to: func(*bed) wire.Audience { return wire.Audience{Groups: []string{"Red"}} }, want: "R RB"},
		{name: "a group not granted", grants: onlyRed, to: func(*bed) wire.Audience { return wire.Audience{Groups: []string{"Red", "Blue"}} },
			status: hostapi.Forbidden, text: `"Blue" is not within what is granted: groups of events.emit is R*`},
		{name: "no such group", grants: free, to: func(*bed) wire.Audience { return wire.Audience{Groups: []string{"Pink"}} },
			status: hostapi.NotFound, text: `there is no group "Pink"`},
		{name: "all", grants: free, to: func(*bed) wire.Audience { return wire.Audience{All: true} }, want: "R B RB"},
		{name: "all that is granted", grants: onlyRed, to: func(*bed) wire.Audience { return wire.Audience{All: true} }, want: "R RB"},
		{name: "all of nothing", grants: none, to: func(*bed) wire.Audience { return wire.Audience{All: true} }, status: hostapi.Forbidden, text: "groups of events.emit is Purple"},
		{name: "a set", grants: free, to: func(b *bed) wire.Audience { return wire.Audience{Set: int32(b.set(green))} }, want: "G"},
		{name: "a set, narrowed", grants: onlyRed, to: func(b *bed) wire.Audience { return wire.Audience{Set: int32(b.set(red, green))} }, want: "R RB"},
		{name: "a set not granted", grants: onlyRed, to: func(b *bed) wire.Audience { return wire.Audience{Set: int32(b.set(green))} }, status: hostapi.Forbidden, text: "groups"},
		{name: "no such set", grants: free, to: func(*bed) wire.Audience { return wire.Audience{Set: 99} }, status: hostapi.Invalid, text: "no set 99"},
		{name: "uids", grants: free, to: func(*bed) wire.Audience { return wire.Audience{UIDs: []string{"R", "G", "nobody"}} }, want: "R G"},
		{name: "uids within groups", grants: onlyRed, to: func(*bed) wire.Audience { return wire.Audience{UIDs: []string{"RB", "G"}} }, want: "RB"},
		{name: "uids of nothing", grants: none, to: func(*bed) wire.Audience { return wire.Audience{UIDs: []string{"R"}} }, status: hostapi.Forbidden, text: "no group fits"},
		{name: "callsigns", grants: free, to: func(*bed) wire.Audience { return wire.Audience{Callsigns: []string{"B-CS"}} }, want: "B"},
		{name: "callsigns within groups", grants: onlyRed, to: func(*bed) wire.Audience { return wire.Audience{Callsigns: []string{"B-CS", "R-CS"}} }, want: "R"},
		{name: "an own topic", grants: free, to: func(*bed) wire.Audience { return wire.Audience{Topic: "t/1"} }, want: "R G"},
		{name: "an own topic within groups", grants: onlyRed, to: func(*bed) wire.Audience { return wire.Audience{Topic: "t/1"} }, want: "R"},
		{name: "another's topic", grants: free, to: func(*bed) wire.Audience { return wire.Audience{Topic: "m/1"} },
			status: hostapi.Forbidden, text: "missions of events.emit is no"},
		{name: "another's topic, granted", grants: missions, to: func(*bed) wire.Audience { return wire.Audience{Topic: "m/1"} }, want: "B"},
		{name: "nobody", grants: free, to: func(*bed) wire.Audience { return wire.Audience{} }, status: hostapi.Invalid, text: "audience must have one"},
		{name: "names within a group", grants: free, to: func(*bed) wire.Audience {
			return wire.Audience{Groups: []string{"Blue"}, UIDs: []string{"R", "RB"}, Callsigns: []string{"B-CS"}, Topic: "t/1"}
		}, want: "B RB"},
		{name: "names within a group not granted", grants: onlyRed, to: func(*bed) wire.Audience { return wire.Audience{Groups: []string{"Blue"}, UIDs: []string{"RB"}} },
			status: hostapi.Forbidden, text: "groups"},
		{name: "all but some", grants: free, to: func(*bed) wire.Audience { return wire.Audience{All: true, Except: []string{"R"}} }, want: "B RB"},
		{name: "two at once", grants: free, to: func(*bed) wire.Audience { return wire.Audience{All: true, Groups: []string{"Red"}} }, status: hostapi.Invalid, text: "audience must have one"},
		{name: "too many", grants: free, to: func(*bed) wire.Audience { return wire.Audience{UIDs: make([]string, 1001)} }, status: hostapi.Limit, text: "1001 names"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			clients := b.four()
			owner := b.plugin("owner", hostapi.Grants{hostapi.CapTopics: {Prefixes: []string{"m/"}}})
			c := owner.Begin(Options{})
			b.ok(c, hostapi.HostTopicSet, &wire.Topic{Name: "m/1", Members: []wire.TopicMember{{Client: "B"}}})
			b.commit(c)
			p := b.plugin("p", tt.grants)
			c = p.Begin(Options{})
			// In force before the events leave, in the same commit.
			b.ok(c, hostapi.HostTopicSet, &wire.Topic{Name: "t/1", Members: []wire.TopicMember{{Client: "R"}, {Client: "G"}}})
			a := b.do(c, hostapi.HostEmit, emitOf(emitted("b-t-f", "x", tt.to(b))))
			if a.status != tt.status || !strings.Contains(a.err.Message, tt.text) {
				t.Fatalf("got %v: %s, want %v: %s", a.status, a.err.Message, tt.status, tt.text)
			}
			b.commit(c)
			if got := got(clients); got != tt.want {
				t.Errorf("reached %q, want %q", got, tt.want)
			}
		})
	}
}

// four clients: of Red, of Blue, of both, of Green.
func (b *bed) four() []*client {
	list := []*client{
		b.join("R", "", b.set(red)), b.join("B", "", b.set(blue)), b.join("RB", "", b.set(red, blue)), b.join("G", "", b.set(green)),
	}
	for _, c := range list {
		c.take()
	}
	return list
}

// got names those that have got something since.
func got(clients []*client) string {
	var names []string
	for _, c := range clients {
		if len(c.take()) > 0 {
			names = append(names, c.uid)
		}
	}
	return strings.Join(names, " ")
}

func TestAudienceAsEvent(t *testing.T) {
	for _, tt := range []struct {
		name   string
		detail string
		scope  hostapi.Scope
		want   string
		status hostapi.Status
		text   string
	}{
		{name: "everybody who may see it", want: "R RB"},
		{name: "within groups", scope: hostapi.Scope{Groups: []string{"Blue"}}, status: hostapi.Forbidden, text: "groups"},
		{name: "a receiver by uid, and the sender", detail: `<marti><dest uid="RB"/></marti>`, want: "R RB"},
		{name: "a receiver by callsign", detail: `<marti><dest callsign="RB-CS"/></marti>`, want: "R RB"},
		{name: "never more than its groups", detail: `<marti><dest uid="G"/></marti>`, want: "R"},
		{name: "all streaming", detail: `<marti><dest callsign="All Streaming"/></marti>`, want: "R RB"},
		{name: "its group", detail: `<marti><dest group="Red"/></marti>`, want: "R RB"},
		{name: "a group it could not reach", detail: `<marti><dest group="Green"/></marti>`, status: hostapi.Invalid, text: "name them"},
		{name: "a mission, not granted", detail: `<marti><dest mission="Op"/></marti>`, status: hostapi.Forbidden, text: "missions"},
		{name: "a mission by name", detail: `<marti><dest mission="Op"/></marti>`, scope: hostapi.Scope{Missions: true}, want: "R RB"},
		{name: "a mission by guid", detail: `<marti><dest mission-guid="t/1"/></marti>`, scope: hostapi.Scope{Missions: true}, want: "R RB"},
	} {
		for _, from := range []string{"given", "archived"} {
			t.Run(tt.name+", "+from, func(t *testing.T) {
				b := newBed(t)
				clients := b.four()
				tt.scope.Types = []string{"*"}
				p := b.plugin("p", hostapi.Grants{hostapi.CapEventsEmit: tt.scope, hostapi.CapTopics: {Prefixes: []string{"t/"}}})
				c := p.Begin(Options{})
				b.ok(c, hostapi.HostTopicSet, &wire.Topic{Name: "t/1", Members: []wire.TopicMember{{Client: "RB"}, {Client: "G"}}})
				b.ok(c, hostapi.HostTopicAlias, &wire.TopicAlias{Alias: "Op", Topics: []string{"t/1"}})
				b.commit(c)
				e := b.publish(clients[0], "b-m-p", "marker", tt.detail)
				b.flush()
				got(clients)
				o := Options{}
				if from == "given" {
					o.Events = []*hostapi.Event{e}
				}
				c = p.Begin(o)
				a := b.do(c, hostapi.HostEmit, emitOf(emitted("b-t-f", "x", wire.Audience{AsEvent: int64(e.ID)})))
				if a.status != tt.status || !strings.Contains(a.err.Message, tt.text) {
					t.Fatalf("got %v: %s, want %v: %s", a.status, a.err.Message, tt.status, tt.text)
				}
				b.commit(c)
				if got := got(clients); got != tt.want {
					t.Errorf("reached %q, want %q", got, tt.want)
				}
			})
		}
	}
	t.Run("an event that is not there", func(t *testing.T) {
		b := newBed(t)
		c := b.plugin("p", all()).Begin(Options{})
		for _, id := range []int64{1, -1, 1 << 62} {
			b.refused(c, hostapi.HostEmit, emitOf(emitted("b-t-f", "x", wire.Audience{AsEvent: id})), hostapi.NotFound, "there is no event")
		}
	})
}

func TestEmittedEvent(t *testing.T) {
	b := newBed(t)
	alice := b.join("A", "", b.set(red))
	alice.take()
	p := b.plugin("geofence", all())
	c := p.Begin(Options{Hops: 2, Caller: &wire.Caller{User: "bob"}})
	e := emitted("b-a-o-tbl", "alert", wire.Audience{Groups: []string{"Red"}})
	e.Fleeting = true
	b.ok(c, hostapi.HostEmit, emitOf(e))
	b.commit(c)
	got := alice.takeEvents()
	if len(got) != 1 {
		t.Fatalf("alice got %d events, want 1", len(got))
	}
	ev := got[0]
	if ev.ID == 0 || ev.Recv == 0 || ev.XML != e.XML || ev.Origin != hostapi.FromPlugin || ev.Via != "geofence" || ev.Hops != 3 ||
		!ev.Fleeting || ev.User != "bob" || ev.Groups != b.set(red) {
		t.Errorf("got %+v", ev)
	}
	if n := p.Counts().Emits; n != 1 {
		t.Errorf("counted %d emits, want 1", n)
	}
}

func TestEmittedXML(t *testing.T) {
	to := &wire.Audience{All: true}
	for _, tt := range []struct {
		name, xml string
		status    hostapi.Status
		text      string
	}{
		{"good", event("a-f-G", "x", ""), hostapi.OK, ""},
		{"not granted type", event("a-h-G", "x", ""), hostapi.Forbidden, "types of events.emit is a-f-*, b-*"},
		{"no uid", `<event type="b-t-f"/>`, hostapi.Invalid, "event has no uid"},
		{"no type", `<event uid="x"/>`, hostapi.Invalid, "event has no type"},
		{"empty", "", hostapi.Invalid, "does not begin with an event element"},
		{"two events", event("b-t-f", "x", "") + event("b-t-f", "y", ""), hostapi.Invalid, "more text after the end"},
		{"a declaration", `<?xml version="1.0"?>` + event("b-t-f", "x", ""), hostapi.Invalid, "XML declaration inside the event"},
		{"not closed", `<event uid="x" type="b-t-f"><detail>`, hostapi.Invalid, "text ends inside"},
		{"a document type", `<!DOCTYPE event>` + event("b-t-f", "x", ""), hostapi.Invalid, "a document type"},
		{"an entity", event("b-t-f", "x", "&evil;"), hostapi.Invalid, "&"},
		{"too deep", event("b-t-f", "x", strings.Repeat("<a>", 100)+strings.Repeat("</a>", 100)), hostapi.Limit, "too deep"},
		{"to a mission", event("b-t-f", "x", `<marti><dest mission="Op"/></marti>`), hostapi.Forbidden, "missions of events.emit is no"},
		{"to a uid", event("b-t-f", "x", `<marti><dest uid="U"/></marti>`), hostapi.OK, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			c := b.plugin("p", hostapi.Grants{hostapi.CapEventsEmit: {Types: []string{"a-f-*", "b-*"}}}).Begin(Options{})
			good := emitted("b-t-f", "good", *to)
			a := b.do(c, hostapi.HostEmit, emitOf(good, wire.Emission{XML: tt.xml, Audience: to}))
			if a.status != tt.status || !strings.Contains(a.err.Message, tt.text) {
				t.Errorf("got %v: %s, want %v: %s", a.status, a.err.Message, tt.status, tt.text)
			}
			if got, want := c.Staged(), tt.status == hostapi.OK; got != want {
				t.Errorf("staged: %v, want %v: all of a message or none", got, want)
			}
		})
	}
}

func TestEmittedTimesAreCompleted(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC).UnixMicro()
	given := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC).UnixMicro()
	minute := time.Minute.Microseconds()
	for _, tt := range []struct {
		name, attrs        string
		time, start, stale int64
	}{
		{"none", "", now, now, now + minute},
		{"time", `time="2020-01-02T03:04:05Z"`, given, given, given + minute},
		{"start", `start="2020-01-02T03:04:05Z"`, now, given, now + minute},
		{"stale", `stale="2020-01-02T03:04:05Z"`, now, now, given},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := &hostapi.Event{XML: `<event uid="x" type="b-t-f" ` + tt.attrs + `><detail><a/></detail></event>`}
			if err := scan(e, time.UnixMicro(now)); err != nil {
				t.Fatal(err)
			}
			var again cot.Header
			if err := cot.Scan(e.XML, &again); err != nil {
				t.Fatal(err)
			}
			if e.Time != tt.time || e.Start != tt.start || e.Stale != tt.stale || e.XML[e.DetailAt:e.DetailTo] != "<a/>" || again.Time != e.Time {
				t.Errorf("%s\nhas %d %d %d, want %d %d %d", e.XML, e.Time, e.Start, e.Stale, tt.time, tt.start, tt.stale)
			}
		})
	}
}

func TestEmitLimits(t *testing.T) {
	b := newBed(t)
	b.join("A", "", b.set(red))
	to := wire.Audience{All: true}
	t.Run("number", func(t *testing.T) {
		p := b.spec(Spec{Name: "few", Manifest: &testManifest, Grants: all(), Limits: limits(3, 0)})
		c := p.Begin(Options{})
		b.ok(c, hostapi.HostEmit, emitOf(emitted("b-t-f", "1", to), emitted("b-t-f", "2", to)))
		b.refused(c, hostapi.HostEmit, emitOf(emitted("b-t-f", "3", to), emitted("b-t-f", "4", to)), hostapi.Limit, "more than 3 events in one call")
		b.ok(c, hostapi.HostEmit, emitOf(emitted("b-t-f", "3", to)))
	})
	t.Run("bytes", func(t *testing.T) {
		c := b.plugin("big", all()).Begin(Options{})
		big := wire.Emission{XML: event("b-t-f", "x", strings.Repeat("x", 600<<10)), Audience: &to}
		b.ok(c, hostapi.HostEmit, emitOf(big))
		b.refused(c, hostapi.HostEmit, emitOf(big), hostapi.Limit, "more than 1048576 bytes of events")
	})
	t.Run("rate", func(t *testing.T) {
		g := hostapi.Grants{hostapi.CapEventsEmit: {Types: []string{"*"}, Rate: 10}}
		p := b.spec(Spec{Name: "slow", Manifest: &testManifest, Grants: g, Limits: limits(4, 0)})
		send := func(n int) (sent int) {
			c := p.Begin(Options{})
			for range n {
				a := b.do(c, hostapi.HostEmit, emitOf(emitted("b-t-f", "x", to)))
				if a.status == hostapi.OK {
					sent++
				} else if a.status != hostapi.Limit || !strings.Contains(a.err.Message, "more than 10 events a second") {
					t.Errorf("got %v: %s", a.status, a.err.Message)
				}
			}
			b.commit(c)
			return sent
		}
		for range 5 { // what is discarded is not taken
			c := p.Begin(Options{})
			b.ok(c, hostapi.HostEmit, emitOf(emitted("b-t-f", "x", to)))
			c.Discard()
		}
		if a, b, c := send(4), send(4), send(4); a+b+c != 10 {
			t.Errorf("sent %d, %d, %d at once, want 10 together", a, b, c)
		}
		b.advance(500 * time.Millisecond)
		if a, b := send(4), send(4); a+b != 5 {
			t.Errorf("sent %d, %d half a second later, want 5 together", a, b)
		}
		// A new version of the plugin begins nothing anew.
		p = b.spec(Spec{Name: "slow", Manifest: &testManifest, Grants: g, Limits: limits(4, 0)})
		if n := send(1); n != 0 {
			t.Errorf("sent %d as another version, want 0", n)
		}
	})
	t.Run("hops", func(t *testing.T) {
		c := b.plugin("hop", all()).Begin(Options{Hops: hostapi.MaxHops - 1})
		b.ok(c, hostapi.HostEmit, emitOf(emitted("b-t-f", "x", to)))
		c = b.plugin("hop", all()).Begin(Options{Hops: hostapi.MaxHops})
		b.refused(c, hostapi.HostEmit, emitOf(emitted("b-t-f", "x", to)), hostapi.Limit, "passed through plugins 8 times")
	})
}

func TestPublish(t *testing.T) {
	for _, tt := range []struct {
		name   string
		in     wire.Publish
		status hostapi.Status
		text   string
	}{
		{"good", wire.Publish{Stream: "fences.all", Data: []byte(`{"a":1}`), Audience: &wire.Audience{All: true}}, hostapi.OK, ""},
		{"another stream", wire.Publish{Stream: "chat", Data: []byte(`1`), Audience: &wire.Audience{All: true}}, hostapi.Forbidden, "names of live.publish is fences.*"},
		{"no JSON", wire.Publish{Stream: "fences.all", Data: []byte(`{`), Audience: &wire.Audience{All: true}}, hostapi.Invalid, "not JSON"},
		{"nothing", wire.Publish{Stream: "fences.all", Audience: &wire.Audience{All: true}}, hostapi.Invalid, "not JSON"},
		{"no audience", wire.Publish{Stream: "fences.all", Data: []byte(`1`)}, hostapi.Invalid, "audience must have one"},
		{"two lines", wire.Publish{Stream: "fences.all", Event: "a\nb", Data: []byte(`1`), Audience: &wire.Audience{All: true}}, hostapi.Invalid, "one line"},
		{"long", wire.Publish{Stream: "fences.all", Key: strings.Repeat("k", 200), Data: []byte(`1`), Audience: &wire.Audience{All: true}}, hostapi.Limit, "200 bytes"},
		{"large", wire.Publish{Stream: "fences.all", Data: fmt.Appendf(nil, `"%s"`, strings.Repeat("x", 2<<20)), Audience: &wire.Audience{All: true}}, hostapi.Limit, "1048576 bytes"},
		{"another's topic", wire.Publish{Stream: "fences.all", Data: []byte(`1`), Audience: &wire.Audience{Topic: "m/1"}}, hostapi.Forbidden, "none of the plugin's own"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			c := b.plugin("p", hostapi.Grants{hostapi.CapLivePublish: {Names: []string{"fences.*"}}}).Begin(Options{})
			a := b.do(c, hostapi.HostPublish, &tt.in)
			if a.status != tt.status || !strings.Contains(a.err.Message, tt.text) {
				t.Fatalf("got %v: %s, want %v: %s", a.status, a.err.Message, tt.status, tt.text)
			}
			if len(b.live.updates) != 0 {
				t.Fatal("published before the commit")
			}
			b.commit(c)
			if tt.status != hostapi.OK {
				return
			}
			want := []Update{{Plugin: "p", Stream: "fences.all", Data: []byte(`{"a":1}`)}}
			want[0].To.Groups = b.set(red, blue)
			if diff := cmp.Diff(want, b.live.updates); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
		})
	}
}
