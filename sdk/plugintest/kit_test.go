package plugintest_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/sdk"
	"github.com/takhost/takhost/sdk/plugintest"
)

// start begins the plugin: as Go code, or as what core/plugin/scaffold made of the same
// files, whose tests run these again.
func start(t *testing.T, opts ...plugintest.Option) *plugintest.Kit {
	t.Helper()
	if os.Getenv(plugintest.Env) == "" {
		opts = append(opts, plugintest.Plugin(newWatch))
	}
	return plugintest.Start(t, "testdata/plugin.json", opts...)
}

func position(uid, callsign string, speed float64) string {
	return fmt.Sprintf(`<event version="2.0" uid="%s" type="a-f-G-U-C" how="m-g" time="2024-05-01T12:00:00Z" start="2024-05-01T12:00:00Z" stale="2024-05-01T12:05:00Z">`+
		`<point lat="48.1" lon="11.5" hae="500" ce="5" le="5"/><detail><contact callsign="%s"/><track speed="%g" course="0"/></detail></event>`, uid, callsign, speed)
}

func marker(uid string, lat float64) string {
	return fmt.Sprintf(`<event version="2.0" uid="%s" type="b-m-p-s" how="h-e" time="2024-05-01T12:00:00Z" start="2024-05-01T12:00:00Z" stale="2024-05-01T12:05:00Z">`+
		`<point lat="%g" lon="5" hae="0" ce="5" le="5"/></event>`, uid, lat)
}

func TestEvents(t *testing.T) {
	k := start(t)
	if n := k.Events(position("A", "ALPHA", 10), position("B", "BRAVO", 50), marker("M", 50)); n != 2 {
		t.Errorf("%d events reached the plugin, want 2: the marker is outside of the box", n)
	}
	if got, want := k.Documents("tracks"), []string{"A", "B"}; !cmp.Equal(got, want) {
		t.Errorf("tracks %v, want %v", got, want)
	}
	out := k.Emitted()
	if len(out) != 1 {
		t.Fatalf("emitted %d events, want 1", len(out))
	}
	if e := out[0].Event; e.UID() != "B.1" || e.Type() != "b-a-o-tbl" || e.Callsign() != "BRAVO-Alert" || e.Time() != k.Now().UnixMicro() {
		t.Errorf("emitted %s", e.XML())
	}
	if a := out[0].Audience; a.AsEvent == 0 {
		t.Errorf("audience %+v, want that of the event", a)
	}
	if len(k.Emitted()) != 0 {
		t.Error("the same event was emitted twice")
	}
	up := k.Published()
	if len(up) != 1 || string(up[0].Data) != `{"uid":"B","speed":50}` {
		t.Errorf("published %+v", up)
	}
	if got := k.Metric(`alerts{kind="speed"}`); got != 1 {
		t.Errorf("metric is %v, want 1", got)
	}
	if k.Events(marker("M", 5)) != 1 || !strings.Contains(string(must(k.Document("notes", "M"))), `<event version=\"2.0\" uid=\"M\"`) {
		t.Error("the marker inside of the box was not kept with its XML")
	}
}

func must(b []byte, ok bool) []byte {
	if !ok {
		return nil
	}
	return b
}

func TestConfig(t *testing.T) {
	k := start(t, plugintest.Config(`{"speed": 60}`))
	k.Events(position("B", "BRAVO", 50))
	if got := k.Emitted(); len(got) != 0 {
		t.Errorf("emitted %d events at a speed below the config's", len(got))
	}
	if err := k.Reconfigure(`{"speed": 40}`); err != nil {
		t.Fatal(err)
	}
	k.Events(position("B", "BRAVO", 50))
	if got := k.Emitted(); len(got) != 1 {
		t.Errorf("emitted %d events after the config changed, want 1", len(got))
	}
	for section, want := range map[string]string{
		`{"speed": 0}`: "config.speed",
		`{"sped": 40}`: "config.sped",
		`{`:            "config",
	} {
		if err := k.Reconfigure(section); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("config %s: %v, want an error about %s", section, err, want)
		}
	}
}

func TestFailures(t *testing.T) {
	tests := []struct {
		name    string
		events  []string
		letters int
		tracks  []string
		calls   int
	}{
		{"one of three is refused", []string{position("A", "A", 1), position("B", "BAD", 1), position("C", "C", 1)}, 1, []string{"A", "C"}, 1},
		{"one comes later", []string{position("A", "A", 1), position("B", "LATER", 1)}, 0, []string{"A", "B"}, 2},
		{"half done is undone", []string{position("A", "A", 1), position("B", "HALF", 1)}, 1, []string{"A"}, 3},
		{"a panic", []string{position("A", "A", 1), position("B", "PANIC", 1)}, 1, []string{"A"}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := start(t)
			before := k.Calls()
			k.Events(tt.events...)
			if got := k.Calls() - before; got != tt.calls {
				t.Errorf("%d calls, want %d", got, tt.calls)
			}
			if got := k.DeadLetters(); len(got) != tt.letters {
				t.Errorf("dead letters %v, want %d", got, tt.letters)
			}
			if got := k.Documents("tracks"); !cmp.Equal(got, tt.tracks) {
				t.Errorf("tracks %v, want %v", got, tt.tracks)
			}
		})
	}
}

func TestPanicHasStack(t *testing.T) {
	k := start(t)
	k.Events(position("B", "PANIC", 1))
	l := k.DeadLetters()
	if len(l) != 1 {
		t.Fatalf("dead letters %v, want 1", l)
	}
	e, ok := l[0].Err.(*sdk.Error)
	if !ok || e.Status != sdk.Failed || e.Code != "panic" || !strings.Contains(e.Message, "no such luck") ||
		len(e.Details) == 0 || !strings.Contains(e.Details[0].Value, "(*watch).event") {
		t.Errorf("error %#v, want the panic with its stack", l[0].Err)
	}
}

func TestTrap(t *testing.T) {
	for nth := range 8 {
		t.Run(fmt.Sprint("at operation ", nth), func(t *testing.T) {
			k := start(t)
			k.Trap(nth)
			k.Events(position("B", "BRAVO", 50))
			if len(k.Emitted()) != 1 || len(k.Published()) != 1 || k.Counter("alerts") != 1 || len(k.Documents("tracks")) != 1 {
				t.Error("after a crash the effects are not there exactly once")
			}
			a := k.Get("/api/plugins/watch/count")
			if a.Body != `{"count":1,"memory":1}` {
				t.Errorf("answer %s, want the memory of a new instance", a.Body)
			}
		})
	}
	t.Run("request", func(t *testing.T) {
		k := start(t)
		k.Deadline()
		if a := k.Put("/api/plugins/watch/notes/1", `{"text": "x"}`); a.Status != 500 || len(k.Documents("notes")) != 0 {
			t.Errorf("status %d, notes %v: want 500 and none", a.Status, k.Documents("notes"))
		}
	})
}

func TestConflict(t *testing.T) {
	k := start(t)
	k.Conflict(3)
	if a := k.Put("/api/plugins/watch/notes/1", `{"text": "x"}`); a.Status != 201 {
		t.Errorf("after three conflicts: %d %s, want 201", a.Status, a.Body)
	}
	k.Conflict(4)
	if a := k.Put("/api/plugins/watch/notes/2", `{"text": "y"}`); a.Status != 409 {
		t.Errorf("after four conflicts: %d %s, want 409", a.Status, a.Body)
	}
}

func TestSwap(t *testing.T) {
	k := start(t)
	k.Events(position("A", "A", 1), position("B", "B", 1))
	if err := k.Swap(); err != nil {
		t.Fatal(err)
	}
	if a := k.Get("/api/plugins/watch/count"); a.Body != `{"count":2,"memory":0}` {
		t.Errorf("with state store: %s", a.Body)
	}
	k.Manifest().State = "memory"
	k.Events(position("A", "A", 1))
	if err := k.Swap(); err != nil {
		t.Fatal(err)
	}
	if a := k.Get("/api/plugins/watch/count"); a.Body != `{"count":2,"memory":1}` {
		t.Errorf("with state memory: %s", a.Body)
	}
}

func TestTimers(t *testing.T) {
	k := start(t)
	k.Events(position("B", "BRAVO", 50))
	if due, ok := k.Timer("remind.B"); !ok || !due.Equal(k.Now().Add(time.Minute)) {
		t.Errorf("reminder is due %v %v, want in a minute", due, ok)
	}
	k.Logs()
	k.Advance(61 * time.Second)
	if got, want := k.Logs(), []plugintest.Line{{Level: wire.LevelWarn, Message: "still fast", Attributes: map[string]string{"uid": "B", "missed": "0"}}}; !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if _, ok := k.Timer("remind.B"); ok {
		t.Error("the reminder is still set")
	}
	if n := len(k.Documents("tracks")); n != 1 {
		t.Errorf("%d tracks after a minute, want 1", n)
	}
	k.Advance(30 * time.Second)
	if n := len(k.Documents("tracks")); n != 0 {
		t.Errorf("%d tracks after more than a minute, want 0: sweep", n)
	}
	for i := range 3 {
		k.Events(position(fmt.Sprint(i), "C", 50))
	}
	k.Events(position("3", "C", 50))
	if l := k.DeadLetters(); len(l) != 1 || !sdk.Is(l[0].Err, sdk.Limit) {
		t.Errorf("the fourth timer: %v, want a limit", l)
	}
	k.Restart(time.Hour)
	if n := len(k.Logs()); n < 3 {
		t.Errorf("%d lines after the restart, want those of three late reminders", n)
	}
}

func TestClients(t *testing.T) {
	k := start(t)
	k.Connect(sdk.Client{UID: "A", Callsign: "ALPHA"})
	k.Connect(sdk.Client{UID: "B", Callsign: "BRAVO"})
	if got, want := k.Topic("watch.all"), []string{"/A!", "/B!"}; !cmp.Equal(got, want) {
		t.Errorf("topic %v, want %v", got, want)
	}
	k.Disconnect("A")
	if got, want := k.Topic("watch.all"), []string{"/B!"}; !cmp.Equal(got, want) {
		t.Errorf("topic %v, want %v", got, want)
	}
}

func TestFilter(t *testing.T) {
	k := start(t)
	if v, err := k.Filter(position("A", "GHOST", 1)); err != nil || v.Verdict != wire.VerdictDrop {
		t.Errorf("ghost: %v, %v, want dropped", v, err)
	}
	if v, err := k.Filter(position("A", "ALPHA", 1)); err != nil || v.Verdict != wire.VerdictPass {
		t.Errorf("other: %v, %v, want passed", v, err)
	}
}

func TestGrants(t *testing.T) {
	tests := []struct {
		name string
		opt  plugintest.Option
		want string
	}{
		{"store", plugintest.Without(hostapi.CapStore), "store.put"},
		{"emit", plugintest.Without(hostapi.CapEventsEmit), "events.emit"},
		{"emit another type", plugintest.Granted(hostapi.CapEventsEmit, hostapi.Scope{Types: []string{"b-t-f"}}), "b-a-o-tbl"},
		{"publish", plugintest.Without(hostapi.CapLivePublish), "live.publish"},
		{"publish another stream", plugintest.Granted(hostapi.CapLivePublish, hostapi.Scope{Names: []string{"x"}}), "watch"},
		{"timers", plugintest.Without(hostapi.CapTimers), "timers.set"},
		{"fetch another host", plugintest.Granted(hostapi.CapHTTPClient, hostapi.Scope{Hosts: []string{"x.org"}}), "hooks.example.org"},
		{"fetch by another method", plugintest.Granted(hostapi.CapHTTPClient, hostapi.Scope{Hosts: []string{"*"}, Methods: []string{"GET"}}), "POST"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := start(t, tt.opt, plugintest.Config(`{"hook": "https://hooks.example.org/x"}`))
			k.OnFetch(func(f *sdk.Fetch) (*sdk.Fetched, error) { return &sdk.Fetched{Status: 204}, nil })
			k.Events(position("B", "BRAVO", 50))
			l := k.DeadLetters()
			if len(l) != 1 || !sdk.Is(l[0].Err, sdk.Forbidden) || !strings.Contains(l[0].Err.Error(), tt.want) {
				t.Errorf("dead letters %v, want one that is forbidden and names %s", l, tt.want)
			}
			if len(k.Documents("tracks"))+len(k.Emitted())+len(k.Published()) > 0 {
				t.Error("something of the failed call was committed")
			}
		})
	}
}

func TestFetch(t *testing.T) {
	k := start(t, plugintest.Config(`{"hook": "https://hooks.example.org/x"}`))
	var got []string
	k.OnFetch(func(f *sdk.Fetch) (*sdk.Fetched, error) {
		got = append(got, f.Method+" "+f.URL+" "+string(f.Body))
		return &sdk.Fetched{Status: 204}, nil
	})
	k.Events(position("B", "BRAVO", 50))
	if want := []string{"POST https://hooks.example.org/x B"}; !cmp.Equal(got, want) {
		t.Errorf("fetched %v, want %v", got, want)
	}
}
