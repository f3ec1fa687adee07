package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/sdk"
	"github.com/takhost/takhost/sdk/plugintest"
)

var (
	alpha = sdk.Client{UID: "ANDROID-1", Callsign: "ALPHA", Lat: 50, Lon: 8, Located: true}
	bravo = sdk.Client{UID: "ANDROID-2", Callsign: "BRAVO", Lat: 50.001, Lon: 8, Located: true}
	far   = sdk.Client{UID: "ANDROID-3", Callsign: "FAR", Lat: 51, Lon: 8, Located: true}
	lost  = sdk.Client{UID: "ANDROID-4", Callsign: "LOST"}
)

func start(t *testing.T, config string) *plugintest.Kit {
	return plugintest.Start(t, "plugin.json", plugintest.Config(config))
}

// on is the alert that ATAK sends (spec/fts-cot.md 8).
func on(typ, kind string) string {
	return onAs("ANDROID-1", typ, kind)
}

func onAs(device, typ, kind string) string {
	return fmt.Sprintf(`<event version="2.0" uid="%s-9-1-1" type="%s" how="m-g" time="2024-05-01T12:00:00Z" start="2024-05-01T12:00:00Z" stale="2024-05-01T12:00:10Z">`+
		`<point lat="50" lon="8" hae="120" ce="5" le="5"/><detail><link uid="%s" type="a-f-G-U-C" relation="p-p"/><contact callsign="ALPHA-Alert"/>`+
		`<emergency type="%s">ALPHA</emergency><remarks/></detail></event>`, device, typ, device, kind)
}

const off = `<event version="2.0" uid="ANDROID-1-9-1-1" type="b-a-o-can" how="m-g" time="2024-05-01T12:00:00Z" start="2024-05-01T12:00:00Z" stale="2024-05-01T12:00:10Z">` +
	`<point lat="50" lon="8" hae="0" ce="5" le="5"/><detail><emergency cancel="true">ALPHA</emergency></detail></event>`

// sent tells what was emitted: type, uid and audience of each.
func sent(k *plugintest.Kit) []string {
	var list []string
	for _, e := range k.Emitted() {
		a := e.Audience
		s := e.Event.Type() + " " + e.Event.UID() + " set=" + fmt.Sprint(a.Set)
		if len(a.UIDs) > 0 {
			s += " to=" + strings.Join(a.UIDs, ",")
		}
		if len(a.Except) > 0 {
			s += " but=" + strings.Join(a.Except, ",")
		}
		list = append(list, s)
	}
	return list
}

func same(t *testing.T, what string, want, got []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestAlertOfEachType(t *testing.T) {
	for _, c := range []struct{ typ, said, kind string }{
		{"b-a-o-tbl", "911 Alert", "911 Alert"},
		{"b-a-o-pan", "Ring The Bell", "Ring The Bell"},
		{"b-a-o-opn", "Troops In Contact", "Troops In Contact"},
		{"b-a-g", "", "Geo-fence Breached"},
		{"b-a-o-xyz", "", "b-a-o-xyz"},
	} {
		t.Run(c.typ, func(t *testing.T) {
			k := start(t, `{}`)
			k.Connect(alpha)
			k.EventsFrom(alpha, on(c.typ, c.said))
			same(t, "the core has routed it; sent again", nil, sent(k))
			k.Connect(bravo)
			same(t, "sent to the newcomer", []string{c.typ + " ANDROID-1-9-1-1 set=1 to=ANDROID-2"}, sent(k))
			var list struct {
				List []struct {
					Lat, Lon        float64
					Type, Name, UID string
				} `json:"json_list"`
			}
			k.JSON(k.Get("/ManageEmergency/getEmergency"), &list)
			if len(list.List) != 1 || list.List[0].Type != c.kind || list.List[0].Name != "ALPHA" || list.List[0].UID != "ANDROID-1-9-1-1" || list.List[0].Lat != 50 {
				t.Errorf("listed %+v", list)
			}
			k.Advance(10 * time.Second)
			k.EventsFrom(alpha, off)
			k.Connect(lost)
			same(t, "after the cancel, to a newcomer", nil, sent(k))
		})
	}
}

// Those who come together are told in one event for each alert, and those whom a
// radius leaves are more than one audience names.
func TestCrowd(t *testing.T) {
	k := start(t, `{"radius": 1000, "repeat": "30s"}`)
	k.EventsFrom(alpha, on("b-a-o-tbl", "911 Alert"))
	k.Connect(alpha, bravo, far, lost)
	same(t, "sent to those who came", []string{"b-a-o-tbl ANDROID-1-9-1-1 set=1 to=ANDROID-2,ANDROID-4"}, sent(k))
	var crowd []sdk.Client
	for i := range 2000 {
		crowd = append(crowd, sdk.Client{UID: fmt.Sprint("C", i)})
	}
	k.Connect(crowd...)
	k.Emitted()
	k.Advance(30 * time.Second)
	reached := 0
	for _, e := range k.Emitted() {
		reached += len(e.Audience.UIDs)
	}
	if reached != 2002 {
		t.Errorf("the repeat was for %d clients, want 2002", reached)
	}
}

func TestRepeatsWithNewTimesUntilCancelled(t *testing.T) {
	k := start(t, `{"repeat": "30s"}`)
	k.Connect(alpha)
	k.EventsFrom(alpha, on("b-a-o-tbl", "911 Alert"))
	k.Advance(29 * time.Second)
	same(t, "too early", nil, sent(k))
	k.Advance(time.Second)
	list := k.Emitted()
	if len(list) != 1 {
		t.Fatalf("%d repeats after 30 s, want 1", len(list))
	}
	e := list[0]
	if !e.Fleeting || e.Audience.Set != 1 || len(e.Audience.Except) != 1 || e.Audience.Except[0] != "ANDROID-1" {
		t.Errorf("repeat: fleeting %v, audience %+v", e.Fleeting, e.Audience)
	}
	if now := k.Now().UnixMicro(); e.Event.Time() != now || e.Event.Stale() < now+int64(60*time.Second/time.Microsecond) {
		t.Errorf("repeat: time %d, stale %d, now %d", e.Event.Time(), e.Event.Stale(), now)
	}
	if !strings.Contains(e.Event.XML(), `<emergency type="911 Alert">ALPHA</emergency><remarks/>`) {
		t.Errorf("repeat changed the sender's detail: %s", e.Event.XML())
	}
	k.Advance(time.Minute)
	if n := len(k.Emitted()); n != 2 {
		t.Errorf("%d repeats in a minute, want 2", n)
	}
	k.Advance(10 * time.Second)
	k.EventsFrom(alpha, off)
	k.Advance(5 * time.Minute)
	same(t, "after the cancel", nil, sent(k))
	if _, ok := k.Timer("repeat"); ok {
		t.Error("the timer runs without an alert")
	}
	if ids := append(k.Documents("alerts"), k.Documents("events")...); len(ids) != 0 {
		t.Errorf("documents left: %v", ids)
	}
}

func TestAgainFromTheSenderIsTheSameAlert(t *testing.T) {
	k := start(t, `{"repeat": "30s"}`)
	k.EventsFrom(alpha, on("b-a-o-tbl", "911 Alert"))
	for range 5 { // must not put the timer off
		k.Advance(10 * time.Second)
		k.EventsFrom(alpha, strings.Replace(on("b-a-o-tbl", "911 Alert"), `lat="50"`, `lat="50.5"`, 1))
	}
	if n := len(k.Emitted()); n != 1 {
		t.Errorf("%d repeats in 50 s, want 1", n)
	}
	var a struct {
		Lat     float64
		Started time.Time
	}
	k.JSON(k.Get("/api/v1/emergencies/ANDROID-1-9-1-1"), &a)
	if a.Lat != 50.5 || k.Now().Sub(a.Started) != 50*time.Second {
		t.Errorf("lat %v, started %v ago", a.Lat, k.Now().Sub(a.Started))
	}
}

func TestOnlyTheOwnerCancels(t *testing.T) {
	k := start(t, `{}`)
	k.EventsFrom(alpha, on("b-a-o-tbl", "911 Alert"))
	k.EventsFrom(bravo, off)
	k.EventsFrom(bravo, on("b-a-o-pan", "Ring The Bell")) // under the same uid
	k.EventsFrom(sdk.Client{UID: "ANDROID-1", User: "mallory"}, off)
	a := k.Get("/api/v1/emergencies/ANDROID-1-9-1-1")
	if a.Status != 200 || !strings.Contains(a.Body, `"type":"b-a-o-tbl"`) {
		t.Errorf("after others have tried: %d %s", a.Status, a.Body)
	}
	k.EventsFrom(alpha, off)
	if a := k.Get("/api/v1/emergencies/ANDROID-1-9-1-1"); a.Status != 404 {
		t.Errorf("after the owner's cancel: %d", a.Status)
	}
}

func TestAnUnknownCancelIsNothing(t *testing.T) {
	k := start(t, `{}`)
	k.EventsFrom(alpha, off)
	same(t, "sent", nil, sent(k))
}

func TestDirectedAlertsStayDirected(t *testing.T) {
	k := start(t, `{}`)
	k.EventsFrom(alpha, strings.Replace(on("b-a-o-tbl", "911 Alert"), "<remarks/>", `<remarks/><marti><dest callsign="BRAVO"/></marti>`, 1))
	if ids := k.Documents("alerts"); len(ids) != 0 {
		t.Errorf("kept %v", ids)
	}
	k.EventsFrom(alpha, strings.Replace(on("b-a-o-tbl", "911 Alert"), "<remarks/>", `<remarks/><marti><dest callsign="All Streaming"/></marti>`, 1))
	if ids := k.Documents("alerts"); len(ids) != 1 {
		t.Errorf("one to all: kept %v", ids)
	}
}

func TestRadius(t *testing.T) {
	k := start(t, `{"radius": 1000, "repeat": "30s"}`)
	for _, c := range []sdk.Client{alpha, bravo, far, lost} {
		k.Connect(c)
	}
	k.Advance(time.Second)
	k.EventsFrom(alpha, on("b-a-o-tbl", "911 Alert"))
	k.Advance(30 * time.Second)
	same(t, "repeat", []string{"b-a-o-tbl ANDROID-1-9-1-1 set=1 to=ANDROID-2,ANDROID-4"}, sent(k))
	k.Disconnect("ANDROID-3")
	k.Connect(far)
	same(t, "to a newcomer who is far", nil, sent(k))
}

func TestGroups(t *testing.T) {
	k := start(t, `{}`)
	red, blue := k.Set("Red"), k.Set("Blue")
	k.EventsFrom(sdk.Client{UID: "ANDROID-1", User: "a", InSet: red, OutSet: red}, on("b-a-o-tbl", "911 Alert"))
	k.Connect(bravo)
	same(t, "to a newcomer", []string{fmt.Sprintf("b-a-o-tbl ANDROID-1-9-1-1 set=%d to=ANDROID-2", red)}, sent(k)) // the host lets groups decide
	for _, c := range []struct {
		out    int32
		status int
	}{{red, 200}, {blue, 404}} {
		who := &sdk.Caller{User: "x", Roles: []string{"operator"}, InSet: c.out, OutSet: c.out}
		if a := k.Do(plugintest.Request{Path: "/api/v1/emergencies/ANDROID-1-9-1-1", Caller: who}); a.Status != c.status {
			t.Errorf("seen by set %d: %d, want %d", c.out, a.Status, c.status)
		}
	}
}

func TestSurvives(t *testing.T) {
	for name, what := range map[string]func(k *plugintest.Kit){
		"a restart": func(k *plugintest.Kit) { k.Restart(10 * time.Minute) },
		"a crash":   func(k *plugintest.Kit) { k.Trap(1) },
		"a swap": func(k *plugintest.Kit) {
			if err := k.Swap(); err != nil {
				panic(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := start(t, `{"repeat": "30s"}`)
			k.EventsFrom(alpha, on("b-a-o-tbl", "911 Alert"))
			what(k)
			k.Emitted()
			k.Advance(30 * time.Second)
			if got := sent(k); len(got) != 1 {
				t.Errorf("repeats afterwards: %q, want one", got)
			}
			k.Connect(bravo)
			if got := sent(k); len(got) != 1 {
				t.Errorf("to a newcomer: %q, want one", got)
			}
		})
	}
}

func TestACrashOrConflictDoublesNothing(t *testing.T) {
	k := start(t, `{}`)
	k.Trap(2)
	k.EventsFrom(alpha, on("b-a-o-tbl", "911 Alert"))
	k.Conflict(2)
	k.Connect(bravo)
	if got := sent(k); len(got) != 1 {
		t.Errorf("sent %q, want one", got)
	}
	if n := k.Metric("alerts"); n < 1 {
		t.Errorf("counted %v alerts", n)
	}
}

func TestExpire(t *testing.T) {
	k := start(t, `{"repeat": "0s", "expire": "2m"}`)
	k.EventsFrom(alpha, on("b-a-o-tbl", "911 Alert"))
	k.Advance(90 * time.Second)
	if len(k.Documents("alerts")) != 1 {
		t.Fatal("gone too early")
	}
	k.Advance(time.Minute)
	same(t, "sent", nil, sent(k))
	if ids := k.Documents("alerts"); len(ids) != 0 {
		t.Errorf("left: %v", ids)
	}
}

func TestTooMany(t *testing.T) {
	k := start(t, `{"per_sender": 2, "most": 3}`)
	for i := range 4 {
		k.EventsFrom(alpha, strings.ReplaceAll(on("b-a-o-tbl", "911 Alert"), "ANDROID-1-9-1-1", fmt.Sprint("a", i)))
		k.Advance(time.Second)
	}
	same(t, "of one sender", []string{"a2", "a3"}, k.Documents("alerts"))
	for i := range 3 {
		k.EventsFrom(sdk.Client{UID: fmt.Sprint("X", i)}, strings.ReplaceAll(on("b-a-o-tbl", "911 Alert"), "ANDROID-1-9-1-1", fmt.Sprint("x", i)))
		k.Advance(time.Second)
	}
	same(t, "in all", []string{"x0", "x1", "x2"}, k.Documents("alerts"))
}

func TestHugeAndOddAlerts(t *testing.T) {
	k := start(t, `{"repeat": "30s"}`)
	huge := strings.Replace(on("b-a-o-tbl", "911 Alert"), "<remarks/>", "<remarks>"+strings.Repeat("x", 300<<10)+"</remarks>", 1)
	k.EventsFrom(alpha, huge)
	k.EventsFrom(bravo, `<event uid="bare" type="b-a-o-pan"/>`)
	k.Advance(30 * time.Second)
	list := k.Emitted()
	if len(list) != 2 {
		t.Fatalf("%d repeats, want 2", len(list))
	}
	for _, e := range list {
		if len(e.Event.XML()) > 20<<10 {
			t.Errorf("a repeat of %d bytes", len(e.Event.XML()))
		}
	}
}

func TestChangedPeriodCountsForActiveAlerts(t *testing.T) {
	for name, first := range map[string]string{"slow": `{"repeat": "1h"}`, "never": `{"repeat": "0s"}`} {
		t.Run(name, func(t *testing.T) {
			k := start(t, first)
			k.EventsFrom(alpha, on("b-a-o-tbl", "911 Alert"))
			if err := k.Reconfigure(`{"repeat": "10s"}`); err != nil {
				t.Fatal(err)
			}
			k.Advance(30 * time.Second)
			if n := len(k.Emitted()); n != 3 {
				t.Errorf("%d repeats in 30 s, want 3", n)
			}
			if err := k.Reconfigure(`{"repeat": "0s"}`); err != nil {
				t.Fatal(err)
			}
			k.Advance(30 * time.Second)
			if n := len(k.Emitted()); n != 0 {
				t.Errorf("%d repeats, want none", n)
			}
			if err := k.Reconfigure(`{"repeat": "10ms"}`); err == nil {
				t.Error("a period of 10 ms was taken")
			}
		})
	}
}

// Clients come back with the server, some before the plugin is there again.
func TestRepeatsSoonAfterARestart(t *testing.T) {
	k := start(t, `{"repeat": "1h"}`)
	k.EventsFrom(alpha, on("b-a-o-tbl", "911 Alert"))
	k.Restart(time.Minute)
	k.Advance(5 * time.Second)
	if n := len(k.Emitted()); n != 1 {
		t.Errorf("%d repeats within 5 s, want 1", n)
	}
	k.Advance(time.Hour)
	if n := len(k.Emitted()); n != 1 {
		t.Errorf("%d repeats in an hour, want 1", n)
	}
}

// The core has sent the alert to those who were there; the plugin may hear of a
// client that came after that before it hears of the alert.
func TestWhoComesJustAfterAnAlertIsTold(t *testing.T) {
	k := start(t, `{"repeat": "0s", "radius": 1000}`)
	k.Connect(lost)
	k.Advance(time.Second)
	for _, c := range []sdk.Client{alpha, bravo, far} {
		k.Connect(c)
	}
	k.EventsFrom(alpha, on("b-a-o-tbl", "911 Alert"))
	same(t, "sent", []string{"b-a-o-tbl ANDROID-1-9-1-1 set=1 to=ANDROID-2"}, sent(k))
	k.EventsFrom(alpha, on("b-a-o-tbl", "911 Alert"))
	same(t, "sent again by its sender", nil, sent(k))
}

// A repetition may leave between the owner's cancel, which the core passes on, and
// the plugin's handling of it. Then the alert would be back on the maps.
func TestACancelIsTheLastThatIsHeardOfAnAlert(t *testing.T) {
	k := start(t, `{"repeat": "30s"}`)
	k.EventsFrom(alpha, on("b-a-o-tbl", "911 Alert"))
	k.Advance(30 * time.Second)
	k.EventsFrom(alpha, off)
	same(t, "sent", []string{"b-a-o-tbl ANDROID-1-9-1-1 set=1 but=ANDROID-1", "b-a-o-can ANDROID-1-9-1-1 set=1 but=ANDROID-1"}, sent(k))

	k.EventsFrom(alpha, on("b-a-o-tbl", "911 Alert"))
	k.Advance(45 * time.Second)
	k.Emitted()
	k.EventsFrom(alpha, off)
	same(t, "long after a repetition", nil, sent(k))

	k.EventsFrom(alpha, on("b-a-o-tbl", "911 Alert"))
	k.Advance(10 * time.Second)
	k.Connect(bravo)
	k.EventsFrom(alpha, off)
	same(t, "just after a newcomer", []string{"b-a-o-tbl ANDROID-1-9-1-1 set=1 to=ANDROID-2", "b-a-o-can ANDROID-1-9-1-1 set=1 but=ANDROID-1"}, sent(k))
}
