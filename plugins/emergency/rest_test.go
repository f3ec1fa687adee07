package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/sdk"
	"github.com/takhost/takhost/sdk/plugintest"
)

func TestFreeTAKServerRaisesAndCancels(t *testing.T) {
	k := start(t, `{}`)
	a := k.Post("/ManageEmergency/postEmergency", `{"name": "Corvo", "emergencyType": "In Contact", "latitude": "50.1", "longitude": 8.2, "unknown": [1]}`)
	var answer struct{ Message string }
	k.JSON(a, &answer)
	list := k.Emitted()
	if a.Status != 200 || len(list) != 1 || list[0].Event.UID() != answer.Message || list[0].Event.Type() != "b-a-o-opn" {
		t.Fatalf("answer %d %s, sent %d", a.Status, a.Body, len(list))
	}
	e := list[0]
	if e.Fleeting || e.Audience.Set == 0 || e.Event.Lat() != 50.1 || e.Event.Lon() != 8.2 || e.Event.Hae() != sdk.Unknown || e.Event.How() != "h-e" {
		t.Errorf("sent %s", e.Event.XML())
	}
	for _, want := range []string{`<contact callsign="Corvo"/>`, `<emergency type="In Contact">Corvo</emergency>`} {
		if !strings.Contains(e.Event.XML(), want) {
			t.Errorf("sent %s\nwithout %s", e.Event.XML(), want)
		}
	}
	if got, want := k.Get("/ManageEmergency/getEmergency").Body, fmt.Sprintf(`{"json_list":[{"lat":50.1,"lon":8.2,"type":"In Contact","name":"Corvo","uid":%q}]}`, answer.Message); got != want {
		t.Errorf("list\ngot  %s\nwant %s", got, want)
	}
	d := k.Do(plugintest.Request{Method: "DELETE", Path: "/ManageEmergency/deleteEmergency", Body: fmt.Sprintf(`{"uid": %q, "status": "off"}`, answer.Message)})
	if d.Status != 200 || d.Body != fmt.Sprintf(`{"message":%q}`, answer.Message) {
		t.Errorf("delete: %d %s", d.Status, d.Body)
	}
	list = k.Emitted()
	if len(list) != 1 || list[0].Event.Type() != "b-a-o-can" || !strings.Contains(list[0].Event.XML(), `<emergency cancel="true">`) {
		t.Errorf("cancel sent %d events", len(list))
	}
	d = k.Do(plugintest.Request{Method: "DELETE", Path: "/ManageEmergency/deleteEmergency", Body: `{"uid": "nobody"}`})
	if d.Status != 200 {
		t.Errorf("delete of an unknown one: %d %s, want 200", d.Status, d.Body)
	}
	if got := k.Get("/ManageEmergency/getEmergency").Body; got != `{"json_list":[]}` {
		t.Errorf("list at the end: %s", got)
	}
}

// An alert that no client sent is its user's: nobody else ends it or puts another
// in its place by sending an event of its uid.
func TestAnAlertByRESTIsItsUsers(t *testing.T) {
	k := start(t, `{}`)
	a := k.Do(plugintest.Request{
		Method: "POST", Path: "/ManageEmergency/postEmergency", Body: `{"name": "Corvo", "emergencyType": "In Contact", "latitude": 50, "longitude": 8}`,
		Caller: &sdk.Caller{User: "dispatch", Roles: []string{"operator"}, InSet: 1, OutSet: 1},
	})
	var answer struct{ Message string }
	k.JSON(a, &answer)
	cancel := strings.Replace(off, "ANDROID-1-9-1-1", answer.Message, 1)
	for _, stranger := range []sdk.Client{bravo, {UID: "", User: ""}, {UID: answer.Message, User: "mallory"}} {
		k.EventsFrom(stranger, cancel)
		if ids := k.Documents("alerts"); len(ids) != 1 {
			t.Fatalf("%q of %q ended the alert", stranger.UID, stranger.User)
		}
	}
	k.EventsFrom(sdk.Client{UID: "ANDROID-9", User: "dispatch"}, cancel)
	if ids := k.Documents("alerts"); len(ids) != 0 {
		t.Errorf("its user cannot end it: %v is left", ids)
	}
}

func TestFreeTAKServerFaults(t *testing.T) {
	for body, want := range map[string]string{
		`{"name": "X", "emergencyType": "Fire"}`:                                     "911 Alert",
		`{"name": "X"}`:                                                              "emergencyType",
		`{"emergencyType": "911 Alert"}`:                                             "name",
		`{"name": "X", "emergencyType": "911 Alert", "latitude": 91}`:                "latitude",
		`{"name": "X", "emergencyType": "911 Alert", "longitude": "east"}`:           "longitude",
		`{"name": "X", "emergencyType": "911 Alert", "address": "Unter den Linden"}`: "latitude and longitude",
	} {
		k := start(t, `{}`)
		if a := k.Post("/ManageEmergency/postEmergency", body); a.Status != 400 || !strings.Contains(a.Body, want) {
			t.Errorf("%s: %d %s, want 400 with %q", body, a.Status, a.Body, want)
		}
		if n := len(k.Emitted()); n != 0 {
			t.Errorf("%s: %d events sent", body, n)
		}
	}
}

func Test911Remarks(t *testing.T) {
	k := start(t, `{}`)
	k.Post("/ManageEmergency/postEmergency", `{"name": "X", "emergencyType": "911 Alert", "remarks": "leg broken"}`)
	list := k.Emitted()
	if len(list) != 1 || !strings.Contains(list[0].Event.XML(), "leg broken CALL 911 NOW") {
		t.Errorf("sent %v", list)
	}
}

func TestAPI(t *testing.T) {
	k := start(t, `{}`)
	for i := range 3 {
		a := k.Post("/api/v1/emergencies", fmt.Sprintf(`{"type": "b-a-o-pan", "callsign": "C%d", "lat": 1, "lon": 2, "hae": 30}`, i))
		if a.Status != 201 || !strings.HasPrefix(a.Header["location"], "/api/v1/emergencies/") {
			t.Fatalf("raise: %d %s %v", a.Status, a.Body, a.Header)
		}
		k.Advance(time.Second)
	}
	var names []string
	for after := ""; ; {
		var page struct {
			Emergencies []struct {
				UID, Callsign, Kind string
				Hae                 float64
			}
			Next string
		}
		k.JSON(k.Get("/api/v1/emergencies?limit=2&after="+after), &page)
		for _, e := range page.Emergencies {
			names = append(names, e.Callsign)
			if e.Kind != "Ring The Bell" || e.Hae != 30 {
				t.Errorf("listed %+v", e)
			}
		}
		if after = page.Next; after == "" {
			break
		}
	}
	same(t, "pages, newest first", []string{"C2", "C1", "C0"}, names)
	for path, want := range map[string]int{"/api/v1/emergencies/none": 404, "/api/v1/emergencies?limit=0": 400} {
		if a := k.Get(path); a.Status != want {
			t.Errorf("%s: %d %s, want %d", path, a.Status, a.Body, want)
		}
	}
	var one struct{ UID string }
	if err := json.Unmarshal([]byte(k.Post("/api/v1/emergencies", `{"type": "911 Alert", "callsign": "D", "lat": 1, "lon": 2}`).Body), &one); err != nil {
		t.Fatal(err)
	}
	path := "/api/v1/emergencies/" + one.UID
	user := &sdk.Caller{User: "u", Roles: []string{"user"}, InSet: 1, OutSet: 1}
	if a := k.Do(plugintest.Request{Method: "DELETE", Path: path, Caller: user}); a.Status != 403 {
		t.Errorf("cancelled by anybody: %d, want 403", a.Status)
	}
	if a := k.Do(plugintest.Request{Method: "DELETE", Path: path, Caller: &sdk.Caller{User: "o", Roles: []string{"operator"}, InSet: 1, OutSet: 1}}); a.Status != 200 {
		t.Errorf("cancelled by an operator: %d %s", a.Status, a.Body)
	}
}

func TestWithoutAGrant(t *testing.T) {
	k := plugintest.Start(t, "plugin.json", plugintest.Without("events.emit"))
	if a := k.Post("/api/v1/emergencies", `{"type": "911 Alert", "callsign": "D", "lat": 1, "lon": 2}`); a.Status != 403 {
		t.Errorf("raise without the right to emit: %d %s, want 403", a.Status, a.Body)
	}
	if ids := k.Documents("alerts"); len(ids) != 0 {
		t.Errorf("kept %v", ids)
	}
}
