package tests

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/index"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/tests/guests"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// message is one of the contract.
type message interface {
	Append([]byte) []byte
	Decode([]byte) error
}

// reach asks the host as a plugin of the guest reach.
func reach(t *testing.T, a *taktest.Admin, name string, op hostapi.HostOp, in, out message) (hostapi.Status, wire.Error) {
	t.Helper()
	body := []byte{}
	if in != nil {
		body = in.Append(body)
	}
	answer := a.Must(t, "POST", fmt.Sprintf("/api/plugins/%s/ask/%d", name, op), body).Body
	var refusal wire.Error
	status := hostapi.Status(answer[0])
	var err error
	switch {
	case status != hostapi.OK:
		err = refusal.Decode(answer[1:])
	case out != nil:
		err = out.Decode(answer[1:])
	}
	if err != nil {
		t.Fatalf("%v: %v in %q", op, err, answer)
	}
	return status, refusal
}

func eventXML(cotType, detail string) string {
	return takclient.Event{UID: "REACH", Type: cotType, How: "m-g", Lat: 1, Lon: 2, Detail: detail}.XML()
}

var toAll = &wire.Audience{All: true}

// operations is all of the contract's that need a capability, each with a message
// that is right.
var operations = []struct {
	op hostapi.HostOp
	in message
}{
	{hostapi.HostEmit, &wire.Emit{Events: []wire.Emission{{XML: eventXML("b-x-y", ""), Audience: toAll}}}},
	{hostapi.HostQueryEvents, &wire.EventQuery{}},
	{hostapi.HostGet, &wire.Get{Collection: "docs", IDs: []string{"x"}}},
	{hostapi.HostPut, &wire.Put{Collection: "docs", ID: "x"}},
	{hostapi.HostDelete, &wire.Delete{Collection: "docs", ID: "x"}},
	{hostapi.HostQuery, &wire.Query{Collection: "docs"}},
	{hostapi.HostNextCounter, &wire.Counter{Name: "n"}},
	{hostapi.HostBlobPut, &wire.BlobPut{Data: []byte("x")}},
	{hostapi.HostBlobRead, &wire.BlobRead{}},
	{hostapi.HostBlobStat, &wire.BlobRef{}},
	{hostapi.HostBlobList, &wire.BlobOwner{}},
	{hostapi.HostBlobZipList, &wire.BlobRef{}},
	{hostapi.HostBlobZipEntry, &wire.ZipEntryRequest{}},
	{hostapi.HostBlobPack, &wire.BlobPack{}},
	{hostapi.HostBlobKeep, &wire.BlobKeep{}},
	{hostapi.HostBlobRelease, &wire.BlobKeep{}},
	{hostapi.HostClients, &wire.ClientQuery{}},
	{hostapi.HostIdentity, &wire.IdentityQuery{User: "linde"}},
	{hostapi.HostTopicSet, &wire.Topic{Name: "t"}},
	{hostapi.HostTopicJoin, &wire.Topic{Name: "t"}},
	{hostapi.HostTopicLeave, &wire.Topic{Name: "t"}},
	{hostapi.HostTopicDrop, &wire.TopicName{Name: "t"}},
	{hostapi.HostTopicGet, &wire.TopicName{Name: "t"}},
	{hostapi.HostTopicAlias, &wire.TopicAlias{Alias: "t"}},
	{hostapi.HostTimerSet, &wire.TimerSet{Name: "t", At: 1}},
	{hostapi.HostTimerCancel, &wire.TimerName{Name: "t"}},
	{hostapi.HostPublish, &wire.Publish{Stream: "s", Data: []byte("{}"), Audience: toAll}},
	{hostapi.HostFetch, &wire.Fetch{URL: "http://example.org/"}},
	{hostapi.HostStreamListen, &wire.StreamListen{Address: "127.0.0.1:0"}},
	{hostapi.HostStreamDial, &wire.StreamDial{Address: "127.0.0.1:1"}},
	{hostapi.HostStreamWrite, &wire.StreamWrite{}},
	{hostapi.HostStreamClose, &wire.StreamID{}},
	{hostapi.HostStreamCredit, &wire.StreamCredit{}},
	{hostapi.HostCall, &wire.Action{Name: "other.act"}},
}

// Without a grant a plugin can do nothing of it, in either runtime: it is told so,
// it is counted, and the log says it.
func TestNothingWithoutGrant(t *testing.T) {
	for _, runtime := range []string{"wasm", "process"} {
		t.Run(runtime, func(t *testing.T) {
			srv := taktest.Start(t)
			watcher := srv.Client(t)
			srv.Install(t, guests.Of(t, "reach", runtime).Pack(t))
			seen := map[hostapi.HostOp]bool{}
			for _, o := range operations {
				seen[o.op] = true
				capability, _ := o.op.Capability()
				status, refusal := reach(t, srv.Admin, "reach", o.op, o.in, nil)
				want := wire.Error{
					Code: "not_granted", Message: fmt.Sprintf("%s: the capability %s is not granted", o.op, capability),
					Details: []wire.Pair{{Name: "capability", Value: string(capability)}},
				}
				if diff := cmp.Diff(want, refusal); status != hostapi.Forbidden || diff != "" {
					t.Errorf("%v: got the status %v, and (-want +got):\n%s", o.op, status, diff)
				}
			}
			if i := srv.Plugin(t, "reach"); i.Counts.Refused != uint64(len(operations)) {
				t.Errorf("counted %d refusals, want %d", i.Counts.Refused, len(operations))
			}
			srv.Logged(t, "an operation of the plugin was refused", "plugin=reach", "op=events.emit")
			for op := hostapi.HostOp(0); op < 256; op++ {
				if c, known := op.Capability(); known && c != hostapi.CapAlways && !seen[op] {
					t.Errorf("%v is not tried", op)
				}
			}
			// What needs no grant goes on.
			var clock wire.Clock
			if status, _ := reach(t, srv.Admin, "reach", hostapi.HostClock, nil, &clock); status != hostapi.OK || time.Since(time.UnixMicro(clock.Now)).Abs() > time.Minute {
				t.Errorf("the clock: got %v, %+v", status, clock)
			}
			if n := watcher.CountUID("REACH"); n != 0 {
				t.Errorf("clients got %d of the events that were refused", n)
			}
		})
	}
}

// A plugin that asks for what it is not granted does not run, and says what it
// lacks; it runs as soon as it is granted.
func TestAskingForMoreThanGranted(t *testing.T) {
	srv := taktest.Start(t)
	pkg := guests.WASM(t, "reach").Pack(t, guests.Ask("events.read", []string{"a-f-*", "b-t-f"}), guests.Ask("store", true),
		guests.Set("collections", []any{map[string]any{"name": "docs"}}),
		guests.Set("subscriptions", []any{map[string]any{"types": []string{"a-f-*", "b-t-f"}}}))
	info := srv.InstallOff(t, pkg)
	missing := []string{"events.read: is not granted (asked for with types a-f-*, b-t-f)", "store: is not granted", "http.routes: is not granted"}
	if diff := cmp.Diff(missing, info.Missing); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	answer, err := srv.Do("POST", "/api/v1/plugins/reach/enable", nil)
	if err != nil || answer.Status != http.StatusForbidden || !strings.Contains(answer.Problem(), missing[0]) {
		t.Errorf("enable: got %+v, %v; want 403 and what is missing", answer, err)
	}
	// A part of it is not enough either.
	answer = srv.Must(t, "PUT", "/api/v1/plugins/reach/grant", map[string]any{"events.read": []string{"a-f-G"}, "store": true, "http.routes": true})
	answer.Decode(t, &info)
	if diff := cmp.Diff([]string{"events.read: types a-f-*, b-t-f is asked for, granted is a-f-G"}, info.Missing); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	if answer, err := srv.Do("POST", "/api/v1/plugins/reach/enable", nil); err != nil || answer.Status != http.StatusForbidden {
		t.Errorf("enable: got %+v, %v; want 403", answer, err)
	}
	srv.Must(t, "PUT", "/api/v1/plugins/reach/grant", info.Ask)
	srv.Must(t, "POST", "/api/v1/plugins/reach/enable", nil)
	srv.Reaches(t, "reach", plugin.Active)
	// What it needs is not taken away from one that runs: it is disabled first.
	answer, err = srv.Do("PUT", "/api/v1/plugins/reach/grant", map[string]any{"http.routes": true})
	if err != nil || answer.Status != http.StatusForbidden || !strings.Contains(answer.Problem(), "store: is not granted") {
		t.Errorf("to take grants away: got %+v, %v; want 403 and what is missing", answer, err)
	}
	if i := srv.Plugin(t, "reach"); i.State != plugin.Active || i.Missing != nil {
		t.Errorf("got %s (%s), missing %q; want that it goes on", i.State, i.Reason, i.Missing)
	}
}

// What goes beyond the scope of a grant is refused, in both runtimes.
func TestScopes(t *testing.T) {
	emit := func(cotType, detail string, to *wire.Audience) message {
		return &wire.Emit{Events: []wire.Emission{{XML: eventXML(cotType, detail), Audience: to}}}
	}
	asks := []guests.Change{
		guests.Ask("events.emit", map[string]any{"types": []string{"b-x-*"}, "groups": []string{"__ANON__"}}),
		guests.Ask("events.query", map[string]any{"types": []string{"b-x-*"}}),
		guests.Ask("store", map[string]any{"bytes": "64KiB"}),
		guests.Set("collections", []any{map[string]any{"name": "docs"}}),
		guests.Ask("topics", map[string]any{"prefixes": []string{"reach."}}),
		guests.Ask("timers", map[string]any{"number": 1}),
		guests.Ask("live.publish", map[string]any{"names": []string{"reach"}}),
		guests.Ask("http.client", map[string]any{"hosts": []string{"example.org"}, "methods": []string{"GET"}}),
		guests.Ask("call", map[string]any{"actions": []string{"other.see"}}),
	}
	tests := []struct {
		name string
		op   hostapi.HostOp
		in   message
		want hostapi.Status
		why  string
	}{
		{"type", hostapi.HostEmit, emit("b-x-y", "", toAll), hostapi.OK, ""},
		{"another type", hostapi.HostEmit, emit("a-f-G", "", toAll), hostapi.Forbidden, "types of events.emit is b-x-*"},
		{"no audience", hostapi.HostEmit, emit("b-x-y", "", nil), hostapi.Invalid, "audience"},
		{"group", hostapi.HostEmit, emit("b-x-y", "", &wire.Audience{Groups: []string{"__ANON__"}}), hostapi.OK, ""},
		{"another group", hostapi.HostEmit, emit("b-x-y", "", &wire.Audience{Groups: []string{"Secret"}}), hostapi.Forbidden, "groups of events.emit is __ANON__"},
		{"a mission", hostapi.HostEmit, emit("b-x-y", takclient.Marti(takclient.Dest{Kind: "mission", Value: "M"}), toAll), hostapi.Forbidden, "missions"},
		{"recorded events of another type", hostapi.HostQueryEvents, &wire.EventQuery{Types: []string{"a-f-G"}}, hostapi.Forbidden, "types of events.query is b-x-*"},
		{"bytes", hostapi.HostPut, &wire.Put{Collection: "docs", ID: "a", Body: make([]byte, 32<<10)}, hostapi.OK, ""},
		{"more bytes", hostapi.HostPut, &wire.Put{Collection: "docs", ID: "b", Body: make([]byte, 48<<10)}, hostapi.Limit, ""},
		{"a collection that is none", hostapi.HostPut, &wire.Put{Collection: "other", ID: "b"}, hostapi.Invalid, "other"},
		{"topic", hostapi.HostTopicSet, &wire.Topic{Name: "reach.a"}, hostapi.OK, ""},
		{"another prefix", hostapi.HostTopicSet, &wire.Topic{Name: "mission.a"}, hostapi.Forbidden, "prefixes of topics is reach."},
		{"timer", hostapi.HostTimerSet, &wire.TimerSet{Name: "a", At: time.Now().Add(time.Hour).UnixMicro()}, hostapi.OK, ""},
		{"one more timer", hostapi.HostTimerSet, &wire.TimerSet{Name: "b", At: time.Now().Add(time.Hour).UnixMicro()}, hostapi.Limit, ""},
		{"live stream", hostapi.HostPublish, &wire.Publish{Stream: "reach", Data: []byte("{}"), Audience: toAll}, hostapi.OK, ""},
		{"another live stream", hostapi.HostPublish, &wire.Publish{Stream: "chat", Data: []byte("{}"), Audience: toAll}, hostapi.Forbidden, "names of live.publish is reach"},
		{"another host", hostapi.HostFetch, &wire.Fetch{Method: "GET", URL: "http://127.0.0.1/"}, hostapi.Forbidden, "hosts of http.client is example.org"},
		{"another method", hostapi.HostFetch, &wire.Fetch{Method: "POST", URL: "http://example.org/"}, hostapi.Forbidden, "methods of http.client is GET"},
		{"another action", hostapi.HostCall, &wire.Action{Name: "other.change"}, hostapi.Forbidden, "actions of call is other.see"},
		{"clients", hostapi.HostClients, &wire.ClientQuery{}, hostapi.Forbidden, "clients is not granted"},
	}
	for _, runtime := range []string{"wasm", "process"} {
		t.Run(runtime, func(t *testing.T) {
			srv := taktest.Start(t)
			srv.Install(t, guests.Of(t, "reach", runtime).Pack(t, asks...))
			refused := 0
			for _, tt := range tests {
				status, e := reach(t, srv.Admin, "reach", tt.op, tt.in, nil)
				if status != tt.want || !strings.Contains(e.Message, tt.why) {
					t.Errorf("%s: got %v %q, want %v …%s…", tt.name, status, e.Message, tt.want, tt.why)
				}
				if tt.want == hostapi.Forbidden {
					refused++
				}
			}
			if i := srv.Plugin(t, "reach"); i.Counts.Refused != uint64(refused) {
				t.Errorf("counted %d refusals, want %d", i.Counts.Refused, refused)
			}
		})
	}
}

// Two plugins with the same names of everything have nothing in common.
func TestPluginsDoNotSeeEachOther(t *testing.T) {
	asks := []guests.Change{
		guests.Ask("store", true), guests.Ask("timers", true), guests.Ask("topics", map[string]any{"prefixes": []string{"shared."}}),
		guests.Set("collections", []any{map[string]any{"name": "docs", "indexes": []any{map[string]any{"name": "by-key", "fields": []string{"string"}, "unique": true}}}}),
	}
	srv := taktest.Start(t)
	srv.Install(t, guests.WASM(t, "reach").Pack(t, append(asks, guests.Name("one"))...))
	srv.Install(t, guests.Process(t, "reach").Pack(t, append(asks, guests.Name("two"))...))
	ask := func(name string, op hostapi.HostOp, in, out message, want hostapi.Status) {
		t.Helper()
		if status, e := reach(t, srv.Admin, name, op, in, out); status != want {
			t.Errorf("%s: %v: got %v %q, want %v", name, op, status, e.Message, want)
		}
	}
	tuple, err := index.AppendTuple(nil, index.String("key"))
	if err != nil {
		t.Fatal(err)
	}
	key := []wire.IndexKey{{Index: "by-key", Key: tuple}}
	put := func(body string) message {
		return &wire.Put{Collection: "docs", ID: "x", Body: []byte(body), Keys: key}
	}
	get, list := &wire.Get{Collection: "docs", IDs: []string{"x"}}, &wire.Query{Collection: "docs", Count: true}
	bodies := func(name string) (all []string) {
		t.Helper()
		var got, queried wire.Documents
		ask(name, hostapi.HostGet, get, &got, hostapi.OK)
		ask(name, hostapi.HostQuery, list, &queried, hostapi.OK)
		if int(queried.Count) != len(got.Documents) {
			t.Errorf("%s: a query counts %d documents, get finds %d", name, queried.Count, len(got.Documents))
		}
		for _, d := range got.Documents {
			all = append(all, string(d.Body))
		}
		return all
	}

	ask("one", hostapi.HostPut, put("of one"), nil, hostapi.OK)
	if got := bodies("two"); got != nil {
		t.Errorf("two sees %q", got)
	}
	ask("two", hostapi.HostPut, put("of two"), nil, hostapi.OK) // the unique key is its own
	ask("two", hostapi.HostDelete, &wire.Delete{Collection: "docs", ID: "x"}, nil, hostapi.OK)
	if got := bodies("one"); !slices.Equal(got, []string{"of one"}) {
		t.Errorf("after two deleted its document, one has %q", got)
	}
	for n := int64(1); n <= 2; n++ {
		for _, name := range []string{"one", "two"} {
			var v wire.CounterValue
			if ask(name, hostapi.HostNextCounter, &wire.Counter{Name: "n"}, &v, hostapi.OK); v.Value != n {
				t.Errorf("the counter of %s: got %d, want %d", name, v.Value, n)
			}
		}
	}
	// A name of a topic is everybody's; who has it first owns it.
	ask("one", hostapi.HostTopicSet, &wire.Topic{Name: "shared.t", Members: []wire.TopicMember{{User: "linde"}}}, nil, hostapi.OK)
	ask("two", hostapi.HostTopicSet, &wire.Topic{Name: "shared.t"}, nil, hostapi.Conflict)
	ask("two", hostapi.HostTopicDrop, &wire.TopicName{Name: "shared.t"}, nil, hostapi.Conflict)
	// The timer of one comes, although two cancels one of the same name.
	ask("one", hostapi.HostTimerSet, &wire.TimerSet{Name: "t", At: time.Now().Add(200 * time.Millisecond).UnixMicro()}, nil, hostapi.OK)
	ask("two", hostapi.HostTimerCancel, &wire.TimerName{Name: "t"}, nil, hostapi.OK)
	eventually(t, "the timer", func() bool {
		var docs wire.Documents
		ask("one", hostapi.HostGet, &wire.Get{Collection: "docs", IDs: []string{"timer t"}}, &docs, hostapi.OK)
		return len(docs.Documents) == 1
	})
	if got := bodies("two"); got != nil {
		t.Errorf("two sees %q", got)
	}
	// What belonged to one goes with it, and with nobody else.
	ask("two", hostapi.HostPut, put("of two"), nil, hostapi.OK)
	srv.Remove(t, "one")
	if got := bodies("two"); !slices.Equal(got, []string{"of two"}) {
		t.Errorf("after one was removed, two has %q", got)
	}
	srv.Install(t, guests.WASM(t, "reach").Pack(t, append(asks, guests.Name("one"))...))
	if got := bodies("one"); got != nil {
		t.Errorf("a plugin of the same name has %q of the one before", got)
	}
}

// A route of a plugin takes nothing away from the core, nor from another plugin.
func TestRoutesDoNotShadow(t *testing.T) {
	guest := guests.WASM(t, "reach")
	srv := taktest.Start(t)
	srv.Install(t, guest.Pack(t, guests.Name("first")))
	route := func(method, path string, params ...string) []guests.Change {
		r := map[string]any{"id": "steal", "method": method, "path": path}
		var list []any
		for _, p := range params {
			list = append(list, map[string]any{"name": p, "in": "path", "needed": true})
		}
		if list != nil {
			r["params"] = list
		}
		return []guests.Change{
			guests.Name("thief"), guests.Set("routes", []any{r}),
			guests.Ask("http.routes", map[string]any{"prefixes": []string{"/"}}),
		}
	}
	core := func() (all []string) {
		for _, path := range []string{"/api/v1/status", "/api/v1/plugins/first", "/openapi.json", "/docs", "/healthz"} {
			answer, err := srv.Do("GET", path, nil)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, fmt.Sprint(path, " ", answer.Status, " ", answer.Header.Get("Content-Type")))
		}
		return all
	}
	before := core()
	for _, tt := range []struct {
		method, path string
		params       []string
		refused      bool
	}{
		{"GET", "/api/v1/status", nil, true},
		{"GET", "/api/v1/plugins/{which}", []string{"which"}, true},
		{"DELETE", "/api/v1/plugins/{which}", []string{"which"}, true},
		{"GET", "/openapi.json", nil, true},
		{"GET", "/openapi.yaml", nil, true},
		{"GET", "/docs", nil, true},
		{"GET", "/metrics", nil, true},
		{"GET", "/healthz", nil, true},
		{"POST", "/v2/{context}/{action}", []string{"context", "action"}, true},
		{"POST", "/api/plugins/first/ask/{op}", []string{"op"}, true},
		// The operator grants the prefix of another plugin, where nothing is yet.
		{"GET", "/api/plugins/first/more", nil, false},
		// These are of another shape; what is literal comes first.
		{"GET", "/api/v1/{thing}", []string{"thing"}, false},
		{"GET", "/{all...}", []string{"all"}, false},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			info := srv.InstallOff(t, guest.Pack(t, route(tt.method, tt.path, tt.params...)...))
			defer srv.Remove(t, "thief")
			srv.Must(t, "PUT", "/api/v1/plugins/thief/grant", info.Ask)
			answer, err := srv.Do("POST", "/api/v1/plugins/thief/enable", nil)
			if err != nil {
				t.Fatal(err)
			}
			i := srv.Plugin(t, "thief")
			refused := answer.Status == http.StatusConflict && strings.Contains(answer.Problem(), "takes the same requests as") && strings.Contains(i.Reason, "takes the same requests as")
			if refused != tt.refused || !refused && answer.Status != http.StatusOK || refused == (i.State == plugin.Active) {
				t.Errorf("got %d %s and the state %s (%s), want refused %v", answer.Status, answer.Body, i.State, i.Reason, tt.refused)
			}
			if diff := cmp.Diff(before, core()); diff != "" {
				t.Errorf("the core (-before +now):\n%s", diff)
			}
			if status, e := reach(t, srv.Admin, "first", hostapi.HostClock, nil, nil); status != hostapi.OK {
				t.Errorf("the other plugin: got %v %+v", status, e)
			}
		})
	}
}
