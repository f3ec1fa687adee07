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

// Two fences of 500 m around the same place, one of each kind.
const (
	yard = `{"fences": [{"id": "yard", "name": "the yard", "lat": 50, "lon": 8, "radius": 500}]}`
	camp = `{"fences": [{"id": "camp", "lat": 50, "lon": 8, "radius": 500, "alert": "leave"}]}`
)

// at is ALPHA's position so many metres north of the middle. It is good for a minute.
func at(metres float64) string { return unitAt("A", "ALPHA", 50+metres/111_195) }

func unitAt(uid, callsign string, lat float64) string {
	return fmt.Sprintf(`<event version="2.0" uid="%s" type="a-f-G-U-C" how="m-g" time="2024-05-01T12:00:00Z" start="2024-05-01T12:00:00Z" stale="2024-05-01T12:01:00Z">`+
		`<point lat="%f" lon="8" hae="0" ce="5" le="5"/><detail><contact callsign="%s"/></detail></event>`, uid, lat, callsign)
}

// sent tells what was emitted: type, uid and what stands in the remarks.
func sent(k *plugintest.Kit) []string {
	var list []string
	for _, e := range k.Emitted() {
		text := e.Event.Detail().Root().Child("remarks").Text()
		list = append(list, strings.TrimSpace(e.Event.Type()+" "+e.Event.UID()+" "+text))
	}
	return list
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestCrossing(t *testing.T) {
	const up, down = "b-a-g geofence.yard.A ALPHA ", "b-a-o-can geofence.yard.A"
	const campUp, campDown = "b-a-g geofence.camp.A ALPHA ", "b-a-o-can geofence.camp.A"
	type step struct {
		do   func(k *plugintest.Kit)
		want []string
	}
	go2 := func(metres float64) func(k *plugintest.Kit) {
		return func(k *plugintest.Kit) { k.Events(at(metres)) }
	}
	wait := func(d time.Duration) func(k *plugintest.Kit) { return func(k *plugintest.Kit) { k.Advance(d) } }
	tests := []struct {
		name, config string
		steps        []step
	}{
		{"in and out", yard, []step{
			{go2(600), nil}, {go2(499), []string{up + "entered the yard"}}, {go2(10), nil}, {go2(501), []string{down}}, {go2(700), nil},
		}},
		{"in and out in one batch", yard, []step{
			{func(k *plugintest.Kit) { k.Events(at(600), at(100), at(900)) }, []string{up + "entered the yard", down}},
		}},
		{"not heard of again", yard, []step{
			{go2(0), []string{up + "entered the yard"}}, {wait(50 * time.Second), nil}, {go2(1), nil}, {wait(55 * time.Second), nil},
			{wait(20 * time.Second), []string{down}}, {wait(time.Hour), nil},
		}},
		{"who leaves the camp", camp, []step{
			{go2(600), nil}, {go2(0), nil}, {go2(600), []string{campUp + "left camp"}}, {go2(5000), nil}, {wait(time.Hour), nil},
			{go2(0), []string{campDown}}, {wait(70 * time.Second), []string{campUp + "is no longer heard of in camp"}},
		}},
		{"without a fix", yard, []step{
			{func(k *plugintest.Kit) {
				k.Events(strings.NewReplacer(`"50.000000"`, `"0"`, `lon="8"`, `lon="0"`).Replace(at(0)))
			}, nil},
		}},
		{"the fence goes", yard, []step{
			{go2(0), []string{up + "entered the yard"}},
			{func(k *plugintest.Kit) {
				if err := k.Reconfigure(`{}`); err != nil {
					panic(err)
				}
			}, nil},
			{go2(0), []string{down}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := plugintest.Start(t, "plugin.json", plugintest.Config(tt.config))
			for i, s := range tt.steps {
				s.do(k)
				same(t, fmt.Sprint("step ", i), sent(k), s.want...)
			}
		})
	}
}

func TestAlertIsForWhoeverMaySeeTheUnit(t *testing.T) {
	k := plugintest.Start(t, "plugin.json", plugintest.Config(yard))
	red := k.Set("Red")
	k.EventsFrom(sdk.Client{UID: "A", User: "a", InSet: red, OutSet: red}, at(0))
	list := k.Emitted()
	if len(list) != 1 || list[0].Audience.Set != red {
		t.Fatalf("emitted %v, want one alert to set %d", list, red)
	}
	for _, who := range []struct {
		set  int32
		want int
	}{{red, 1}, {k.Set("Blue"), 0}} {
		var got struct{ Members []struct{ UID string } }
		k.JSON(k.Do(plugintest.Request{Path: "/api/plugins/geofence/fences/yard", Caller: &sdk.Caller{User: "x", InSet: who.set, OutSet: who.set}}), &got)
		if len(got.Members) != who.want {
			t.Errorf("set %d sees %v, want %d members", who.set, got.Members, who.want)
		}
	}
}

// Whatever happens to the plugin, nobody is told twice and nobody is forgotten.
func TestSurvives(t *testing.T) {
	for name, what := range map[string]func(k *plugintest.Kit){
		"a restart":  func(k *plugintest.Kit) { k.Restart(time.Second) },
		"a crash":    func(k *plugintest.Kit) { k.Trap(3) },
		"a conflict": func(k *plugintest.Kit) { k.Conflict(2) },
		"a swap": func(k *plugintest.Kit) {
			if err := k.Swap(); err != nil {
				panic(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := plugintest.Start(t, "plugin.json", plugintest.Config(yard))
			what(k)
			k.Events(at(0))
			what(k)
			k.Events(at(1))
			what(k)
			k.Events(at(900))
			same(t, "sent", sent(k), "b-a-g geofence.yard.A ALPHA entered the yard", "b-a-o-can geofence.yard.A")
		})
	}
}

func TestREST(t *testing.T) {
	const fences = "/api/plugins/geofence/fences"
	const gate = `{"name": "the gate", "lat": 50, "lon": 8, "radius": 200}`
	guest := &sdk.Caller{User: "guest", Roles: []string{"user"}, InSet: 1, OutSet: 1}
	k := plugintest.Start(t, "plugin.json", plugintest.Config(yard))
	steps := []struct {
		name   string
		do     plugintest.Request
		status int
		body   string // in the answer
		sent   []string
	}{
		{name: "of the config", do: plugintest.Request{Path: fences}, status: 200, body: `{"fences":[{"id":"yard","name":"the yard","lat":50,"lon":8,"radius":500,"alert":"enter"}]}`},
		{name: "not by anybody", do: plugintest.Request{Method: "PUT", Path: fences + "/gate", Body: gate, Caller: guest}, status: 403},
		{name: "bad name", do: plugintest.Request{Method: "PUT", Path: fences + "/The_Gate", Body: gate}, status: 400},
		{name: "bad place", do: plugintest.Request{Method: "PUT", Path: fences + "/gate", Body: `{"lat": 95, "lon": 8, "radius": 1}`}, status: 400, body: "lat"},
		{name: "one of the config", do: plugintest.Request{Method: "PUT", Path: fences + "/yard", Body: gate}, status: 409},
		{name: "made", do: plugintest.Request{Method: "PUT", Path: fences + "/gate", Body: gate}, status: 201, body: `"name":"the gate"`},
		{name: "ALPHA comes", status: 200, sent: []string{"b-a-g geofence.yard.A ALPHA entered the yard", "b-a-g geofence.gate.A ALPHA entered the gate"}},
		{name: "who is inside", do: plugintest.Request{Path: fences + "/gate", Caller: guest}, status: 200, body: `"uid":"A","callsign":"ALPHA","lat":50,"lon":8,"out":false,"alert":true`},
		{name: "changed", do: plugintest.Request{Method: "PUT", Path: fences + "/gate", Body: gate}, status: 200, sent: []string{"b-a-o-can geofence.gate.A"}},
		{name: "ALPHA is still there", status: 200, sent: []string{"b-a-g geofence.gate.A ALPHA entered the gate"}},
		{name: "removed", do: plugintest.Request{Method: "DELETE", Path: fences + "/gate"}, status: 204, sent: []string{"b-a-o-can geofence.gate.A"}},
		{name: "removed before", do: plugintest.Request{Method: "DELETE", Path: fences + "/gate"}, status: 404},
		{name: "not there", do: plugintest.Request{Path: fences + "/gate"}, status: 404},
	}
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			if s.do.Path == "" {
				k.Events(at(0))
			} else if a := k.Do(s.do); a.Status != s.status || !strings.Contains(a.Body, s.body) {
				t.Errorf("got %d %s, want %d with %s", a.Status, a.Body, s.status, s.body)
			}
			same(t, "sent", sent(k), s.sent...)
		})
	}
}

// A fence may hold more units than one call can deal with.
func TestFullFence(t *testing.T) {
	const gate = "/api/plugins/geofence/fences/gate"
	k := plugintest.Start(t, "plugin.json")
	k.Put(gate, `{"lat": 50, "lon": 8, "radius": 200}`)
	for i := range 250 {
		k.Events(unitAt(fmt.Sprint("U", i), "U", 50))
	}
	if n := len(sent(k)); n != 250 {
		t.Fatalf("%d alerts, want 250", n)
	}
	k.Delete(gate)
	k.Advance(5 * time.Second)
	if n, left := len(sent(k)), k.Documents("members"); n != 250 || len(left) != 0 {
		t.Errorf("%d alerts ended, want 250; members left: %v", n, left)
	}
}

func TestConfig(t *testing.T) {
	twice := strings.Replace(yard, `]}`, `, {"id": "yard", "lat": 0, "lon": 0, "radius": 1}]}`, 1)
	for name, tt := range map[string]struct{ config, want string }{
		"twice":  {twice, `fences: "yard" is there twice`},
		"radius": {strings.Replace(yard, "500", "0", 1), "config.fences[0].radius"},
		"key":    {`{"fence": []}`, "config.fence"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := plugintest.TryStart(t, "plugin.json", plugintest.Config(tt.config))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
