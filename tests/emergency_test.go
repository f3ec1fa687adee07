package tests

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// alertKinds are the alerts of ATAK by their CoT type (spec/rest.md 1.6).
var alertKinds = map[string]string{
	"b-a-o-tbl": "911 Alert", "b-a-o-pan": "Ring The Bell", "b-a-g": "Geo-fence Breached", "b-a-o-opn": "In Contact",
}

// alertOf is the alert that ATAK sends on a device (spec/fts-cot.md 8).
func alertOf(c *takclient.Client, typ string, lat, lon float64) takclient.Event {
	return takclient.Event{
		UID: c.UID() + "-9-1-1", Type: typ, How: "m-g", Time: time.Now(), Stale: 10 * time.Second, Lat: lat, Lon: lon,
		Detail: fmt.Sprintf(`<link uid="%s" type="a-f-G-U-C" relation="p-p"/><contact callsign="%[2]s-Alert"/><emergency type="%s">%[2]s</emergency>`,
			c.UID(), c.Callsign(), alertKinds[typ]),
	}
}

// cancelOf is how ATAK ends the alert of that uid.
func cancelOf(c *takclient.Client, uid string) takclient.Event {
	return takclient.Event{
		UID: uid, Type: "b-a-o-can", How: "m-g", Stale: 10 * time.Second,
		Detail: `<emergency cancel="true">` + c.Callsign() + `</emergency>`,
	}
}

// listedAlert is an alert in FreeTAKServer's list.
type listedAlert struct {
	Lat, Lon        float64
	Type, Name, UID string
}

func (r *rest) alerts() (list []listedAlert) {
	r.t.Helper()
	var all struct {
		List []listedAlert `json:"json_list"`
	}
	r.get("/ManageEmergency/getEmergency").is(200).into(&all)
	return all.List
}

func (r *rest) lists(uid string) bool {
	r.t.Helper()
	return slices.ContainsFunc(r.alerts(), func(a listedAlert) bool { return a.UID == uid })
}

// raised raises an alert by REST and gives its uid.
func (r *rest) raised(name string) string {
	r.t.Helper()
	var answer struct{ Message string }
	r.ask("POST", "/ManageEmergency/postEmergency", "text/plain",
		`{"name": "`+name+`", "emergencyType": "In Contact", "latitude": 50.5, "longitude": "8.25"}`).is(200).into(&answer)
	if answer.Message == "" {
		r.t.Fatal("postEmergency gives no uid")
	}
	return answer.Message
}

// newcomer connects a client and waits until it has been told of the alert of
// that uid. It is told of all active ones together, the oldest first: what it has
// not got of older ones by then is not active.
func newcomer(t *testing.T, srv clients, uid string, opts ...takclient.Option) *takclient.Client {
	t.Helper()
	c := srv.Client(t, opts...)
	takclient.Must(t, c.SA(1, 2))
	c.ExpectUID(t, uid)
	return c
}

// clients is where tests connect: a server in this process or another.
type clients interface {
	Client(testing.TB, ...takclient.Option) *takclient.Client
}

var pointElement = regexp.MustCompile(`<point [^>]*/>`)

const noRepeat = "  emergency: {config: {repeat: 0s}}"

func TestAlertStaysActiveUntilItsOwnerCancels(t *testing.T) {
	srv, api := startFeatures(t, noRepeat)
	for typ, kind := range alertKinds {
		t.Run(kind, func(t *testing.T) {
			eachPair(t, func(t *testing.T, from, to []takclient.Option) { alertIsKept(t, srv, api.in(t), typ, from, to) })
		})
	}
}

// alertIsKept follows an alert from its start to its owner's cancel.
func alertIsKept(t *testing.T, srv clients, api *rest, typ string, from, to []takclient.Option) {
	a, b := srv.Client(t, from...), srv.Client(t, to...)
	present(t, a, b)
	alert := alertOf(a, typ, 50.25, 8.5)
	takclient.Must(t, a.Send(alert.XML()))
	sameMeaning(t, alert.XML(), b.ExpectUID(t, alert.UID).XML)
	eventually(t, "the alert is listed", func() bool { return api.lists(alert.UID) })
	for _, l := range api.alerts() {
		if want := (listedAlert{50.25, 8.5, alertKinds[typ], a.Callsign(), alert.UID}); l.UID == alert.UID && l != want {
			t.Errorf("listed: got %+v, want %+v", l, want)
		}
	}

	c := srv.Client(t, to...)
	takclient.Must(t, c.SA(1, 2))
	got := c.ExpectUID(t, alert.UID)
	if got.Header.Type != typ || got.Header.Lat != 50.25 || !strings.Contains(got.XML, ">"+a.Callsign()+"</emergency>") {
		t.Errorf("a newcomer got %s", got.XML)
	}

	// Somebody else's cancel is an event like any other, and changes nothing.
	stranger := cancelOf(b, alert.UID)
	takclient.Must(t, b.Send(stranger.XML()))
	a.ExpectUID(t, alert.UID)
	d := newcomer(t, srv, alert.UID, from...)

	// The owner's counts, also on another connection.
	a.Close()
	again := srv.Client(t, append(slices.Clone(from), takclient.WithUID(a.UID()), takclient.WithCallsign(a.Callsign()))...)
	takclient.Must(t, again.SA(1, 2))
	cancel := cancelOf(again, alert.UID)
	takclient.Must(t, again.Send(cancel.XML()))
	for _, r := range []*takclient.Client{b, c, d} {
		r.Expect(t, takclient.UID(alert.UID).Both(takclient.Type("b-a-o-can")))
	}
	eventually(t, "the alert is not listed any more", func() bool { return !api.lists(alert.UID) })
	pilot := api.raised("PILOT")
	if e := newcomer(t, srv, pilot, to...); e.CountUID(alert.UID) > 0 {
		t.Error("a newcomer after the owner's cancel got the alert")
	}
	api.del("/ManageEmergency/deleteEmergency", `{"uid": "`+pilot+`"}`).is(200)
}

func TestAlertIsRepeatedToAllButItsSender(t *testing.T) {
	srv, api := startFeatures(t, noRepeat)
	a, b, c := srv.Client(t), srv.Client(t, takclient.WithProto()), srv.Client(t)
	present(t, a, b, c)
	alert := alertOf(a, "b-a-o-tbl", 0.5, 0.5) // c, at 2 and 2, is 236 km away
	takclient.Must(t, a.Send(alert.XML()))
	first := b.ExpectUID(t, alert.UID)
	c.ExpectUID(t, alert.UID)
	eventually(t, "the alert is listed", func() bool { return api.lists(alert.UID) })

	// A period that is set while alerts are active counts for those.
	srv.SetPlugins(t, "  emergency: {config: {repeat: 1s}}")
	srv.Must(t, "POST", "/api/v1/config/reload", nil)
	last := first.Header
	for range 2 {
		r := b.ExpectUID(t, alert.UID)
		if r.Header.Type != "b-a-o-tbl" || r.Header.Lat != 0.5 || !strings.Contains(r.XML, `<emergency type="911 Alert">`+a.Callsign()+`</emergency>`) {
			t.Errorf("repeated: %s", r.XML)
		}
		if r.Header.Time <= last.Time || r.Header.Stale-r.Header.Time < int64(30*time.Second/time.Microsecond) {
			t.Errorf("repeated for %d to %d, after one for %d", r.Header.Time, r.Header.Stale, last.Time)
		}
		last = r.Header
	}
	c.ExpectUID(t, alert.UID)
	a.Never(t, takclient.UID(alert.UID), b)

	// Within a radius only those who are near, or who knows where.
	unknown := srv.Client(t)
	takclient.Must(t, unknown.Send(pointElement.ReplaceAllString(unknown.Presence(0, 0).XML(), "")))
	b.ExpectUID(t, unknown.UID())
	srv.SetPlugins(t, "  emergency: {config: {repeat: 1s, radius: 100_000}}")
	srv.Must(t, "POST", "/api/v1/config/reload", nil)
	takclient.Fence(t, a, b, c)
	before, had := c.CountUID(alert.UID), b.CountUID(alert.UID)
	eventually(t, "two more repetitions reach who is near, or who knows where", func() bool {
		return b.CountUID(alert.UID) >= had+2 && unknown.CountUID(alert.UID) >= 2
	})
	takclient.Fence(t, a, c)
	if n := c.CountUID(alert.UID) - before; n > 1 { // one may have been under way
		t.Errorf("who is far away got %d repetitions", n)
	}
	for _, e := range srv.Archived(t, 1, url.Values{"uid": {alert.UID}}) {
		if e.Type != "b-a-o-tbl" || e.Time == nil || e.Time.UnixMicro() != first.Header.Time {
			t.Errorf("archived: %+v %s; repetitions are not archived (%d)", e, e.Time, first.Header.Time)
		}
	}

	// The end of it.
	takclient.Must(t, a.Send(cancelOf(a, alert.UID).XML()))
	b.Expect(t, takclient.Type("b-a-o-can"))
	eventually(t, "the alert is not listed any more", func() bool { return !api.lists(alert.UID) })
	srv.SetPlugins(t, "  emergency: {config: {repeat: 1s}}")
	srv.Must(t, "POST", "/api/v1/config/reload", nil)
	pilot := api.raised("PILOT")
	had = b.CountUID(alert.UID)
	eventually(t, "two repetitions of another alert", func() bool { return b.CountUID(pilot) >= 3 })
	if n := b.CountUID(alert.UID); n != had {
		t.Errorf("got %d repetitions after the cancel", n-had)
	}
}

// A client that connects while an alert is on its way must not fall between the
// core, which has sent it to those who were there, and the plugin.
func TestNobodyMissesAnAlertByConnectingWithIt(t *testing.T) {
	srv, api := startFeatures(t, noRepeat)
	a := srv.Client(t)
	takclient.Must(t, a.SA(1, 1))
	a.Sync(t)
	var busy []string // what the plugin has to look at before
	for range 500 {
		busy = append(busy, cancelOf(a, "nobody's").XML())
	}
	for i := range 10 {
		alert := alertOf(a, "b-a-o-opn", 1, 1)
		alert.UID = fmt.Sprintf("%s-%d", a.UID(), i)
		takclient.Must(t, a.SendAll(append(busy, alert.XML())...))
		a.Sync(t)
		late := takclient.Dial(t, srv.Addr("tcp"))
		takclient.Must(t, late.SA(1, 2))
		late.ExpectUID(t, alert.UID)
		late.Close()

		// And nobody keeps one by connecting with its cancel.
		takclient.Must(t, a.SendAll(append(busy, cancelOf(a, alert.UID).XML())...))
		a.Sync(t)
		late = takclient.Dial(t, srv.Addr("tcp"))
		takclient.Must(t, late.SA(1, 2))
		eventually(t, "the alert is over", func() bool { return !api.lists(alert.UID) })
		pilot := api.raised("PILOT")
		late.ExpectUID(t, pilot)
		last := ""
		for _, r := range late.All() {
			if r.Header.UID == alert.UID {
				last = r.Header.Type
			}
		}
		if last != "" && last != "b-a-o-can" {
			t.Errorf("the last that a newcomer got of an alert that is over is %s, want its cancel", last)
		}
		late.Close()
		api.del("/ManageEmergency/deleteEmergency", `{"uid": "`+pilot+`"}`).is(200)
	}
}

// A device that lost its network is back before the server has seen that it was gone.
func TestADeviceThatIsBackIsToldOfAlerts(t *testing.T) {
	srv, api := startFeatures(t, noRepeat)
	a, b := srv.Client(t), srv.Client(t)
	present(t, a, b)
	takclient.Must(t, b.StopReading())
	uid := api.raised("WHILE-GONE")
	a.ExpectUID(t, uid)
	newcomer(t, srv, uid, takclient.WithUID(b.UID()), takclient.WithCallsign(b.Callsign()))
}

func TestNobodyCancelsInAnothersName(t *testing.T) {
	srv, api := startFeatures(t, noRepeat, taktest.WithTLS())
	a := srv.TLSClient(t, "alice")
	takclient.Must(t, a.SA(1, 1))
	a.Sync(t)
	alert := alertOf(a, "b-a-o-tbl", 1, 1)
	takclient.Must(t, a.Send(alert.XML()))
	eventually(t, "the alert is listed", func() bool { return api.lists(alert.UID) })
	for _, opts := range [][]takclient.Option{
		{takclient.WithUID(a.UID()), takclient.WithCallsign(a.Callsign())},                                                  // nobody
		{takclient.WithUID(a.UID()), takclient.WithCallsign(a.Callsign()), takclient.WithTLS(srv.PKI.Client(t, "mallory"))}, // somebody else
	} {
		addr := srv.Addr("tcp")
		if len(opts) > 2 {
			addr = srv.Addr("tls")
		}
		m := takclient.Dial(t, addr, opts...)
		takclient.Must(t, m.SA(1, 1))
		takclient.Must(t, m.Send(cancelOf(m, alert.UID).XML()))
		a.Expect(t, takclient.Type("b-a-o-can"))
		newcomer(t, srv, alert.UID)
	}
	if got := srv.Plugin(t, "emergency").Counts; got.DeadLetters > 0 || got.Refused > 0 || got.Crashes > 0 {
		t.Errorf("counts: %+v", got)
	}
	takclient.Must(t, a.Send(cancelOf(a, alert.UID).XML()))
	eventually(t, "the alert is over", func() bool { return !api.lists(alert.UID) })
}

func TestEmergenciesByREST(t *testing.T) {
	srv, api := startFeatures(t, noRepeat)
	emergencyREST(t, srv, api)
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", "/ManageEmergency/postEmergency", `{"name": "X", "emergencyType": "Fire"}`, "911 Alert"},
		{"POST", "/ManageEmergency/postEmergency", `{"name": "X", "emergencyType": "911 Alert", "latitude": 91}`, "latitude"},
		{"POST", "/ManageEmergency/postEmergency", `{"name": "X", "emergencyType": "911 Alert", "address": "Main Street 1"}`, "latitude and longitude"},
		{"POST", "/ManageEmergency/postEmergency", `not JSON`, "JSON"},
		{"POST", "/ManageEmergency/postEmergency", ``, ""},
		{"DELETE", "/ManageEmergency/deleteEmergency", `{}`, "uid"},
	} {
		var answer struct{ Message string }
		a := api.ask(c.method, c.path, "text/plain", c.body).is(400)
		if err := json.Unmarshal([]byte(a.body), &answer); err != nil || answer.Message == "" || !strings.Contains(answer.Message, c.want) {
			t.Errorf("%s %s: got %s, want a message with %q", c.path, c.body, a.body, c.want)
		}
	}
	if list := api.alerts(); len(list) != 0 {
		t.Errorf("left: %v", list)
	}
}

// emergencyREST raises, lists and cancels over FreeTAKServer's endpoints and ours.
func emergencyREST(t *testing.T, srv clients, api *rest) {
	t.Helper()
	a, b := srv.Client(t), srv.Client(t, takclient.WithProto())
	present(t, a, b)

	// As FreeTAKServer's web UI does it.
	uid := api.raised("Corvo")
	for _, c := range []*takclient.Client{a, b} {
		got := c.ExpectUID(t, uid)
		if h := got.Header; h.Type != "b-a-o-opn" || h.How != "h-e" || h.Lat != 50.5 || h.Lon != 8.25 || h.Callsign != "Corvo" ||
			!strings.Contains(got.XML, `<emergency type="In Contact">Corvo</emergency>`) {
			t.Errorf("raised by REST: %s", got.XML)
		}
	}
	if got, want := api.alerts(), (listedAlert{50.5, 8.25, "In Contact", "Corvo", uid}); len(got) != 1 || got[0] != want {
		t.Errorf("list: got %+v, want %+v", got, want)
	}
	newcomer(t, srv, uid)
	if got := api.del("/ManageEmergency/deleteEmergency", `{"uid": "`+uid+`", "status": "off"}`).is(200).body; got != `{"message":"`+uid+`"}` {
		t.Errorf("delete: got %s", got)
	}
	isCancel := takclient.UID(uid).Both(takclient.Type("b-a-o-can")).Both(takclient.Contains(`cancel="true"`))
	a.Expect(t, isCancel)
	b.Expect(t, isCancel)
	api.del("/ManageEmergency/deleteEmergency", `{"uid": "`+uid+`"}`).is(200) // it is over anyway

	// As a program does it.
	raised := api.post("/api/v1/emergencies", `{"type": "911 Alert", "callsign": "Delta", "lat": -33.5, "lon": 151.25, "hae": 12, "remarks": "leg broken"}`).is(201)
	var one, shown struct {
		UID, Type, Kind, Callsign, Remarks, User string
		Lat, Lon, Hae                            float64
		Started                                  time.Time
	}
	raised.into(&one)
	if got, want := raised.header.Get("Location"), "/api/v1/emergencies/"+one.UID; got != want {
		t.Errorf("Location: got %q, want %q", got, want)
	}
	if one.Type != "b-a-o-tbl" || one.Kind != "911 Alert" || one.Hae != 12 || one.Remarks != "leg broken CALL 911 NOW" || one.User != "(admin)" {
		t.Errorf("raised: %+v", one)
	}
	if got := a.ExpectUID(t, one.UID); got.Header.Type != "b-a-o-tbl" || !strings.Contains(got.XML, "leg broken CALL 911 NOW") {
		t.Errorf("raised by REST: %s", got.XML)
	}
	api.get("/api/v1/emergencies/" + one.UID).is(200).into(&shown)
	if shown != one {
		t.Errorf("shown %+v, raised %+v", shown, one)
	}

	// An operator ends what a client started; also the client learns of it.
	alert := alertOf(b, "b-a-o-pan", 1, 2)
	takclient.Must(t, b.Send(alert.XML()))
	a.ExpectUID(t, alert.UID)
	eventually(t, "the alert is listed", func() bool { return api.lists(alert.UID) })
	var page struct {
		Emergencies []struct{ UID, Sender string }
		Next        string
	}
	api.get("/api/v1/emergencies?limit=1").into(&page)
	if len(page.Emergencies) != 1 || page.Emergencies[0].UID != alert.UID || page.Emergencies[0].Sender != b.UID() || page.Next == "" {
		t.Errorf("first page: %+v", page)
	}
	api.get("/api/v1/emergencies?limit=1&after=" + page.Next).into(&page)
	if len(page.Emergencies) != 1 || page.Emergencies[0].UID != one.UID {
		t.Errorf("second page: %+v", page)
	}
	api.del("/api/v1/emergencies/"+alert.UID, "").is(200)
	isCancel = takclient.UID(alert.UID).Both(takclient.Type("b-a-o-can"))
	a.Expect(t, isCancel)
	b.Expect(t, isCancel)
	api.del("/api/v1/emergencies/"+alert.UID, "").is(404)
	if c := newcomer(t, srv, one.UID); c.CountUID(alert.UID) > 0 {
		t.Error("a newcomer got an alert that an operator had cancelled")
	}
	api.del("/api/v1/emergencies/"+one.UID, "").is(200)
}

func TestEmergenciesSurviveARestart(t *testing.T) {
	srv, api := startFeatures(t, "  emergency: {config: {repeat: 1s}}")
	a := srv.Client(t)
	takclient.Must(t, a.SA(1, 1))
	alert := alertOf(a, "b-a-o-tbl", 1, 1)
	takclient.Must(t, a.Send(alert.XML()))
	eventually(t, "the alert is listed", func() bool { return api.lists(alert.UID) })
	before := api.get("/api/v1/emergencies/" + alert.UID).is(200).body
	srv.Restart(t)
	b := newcomer(t, srv, alert.UID) // it is back before the plugin is
	srv.Reaches(t, "emergency", plugin.Active)
	if after := api.get("/api/v1/emergencies/" + alert.UID).is(200).body; after != before {
		t.Errorf("after a restart\n got %s\nwant %s", after, before)
	}
	b.ExpectUID(t, alert.UID) // repeated
	again := srv.Client(t, takclient.WithUID(a.UID()), takclient.WithCallsign(a.Callsign()))
	takclient.Must(t, again.SA(1, 1))
	again.Sync(t)
	takclient.Must(t, again.Send(cancelOf(again, alert.UID).XML()))
	b.Expect(t, takclient.Type("b-a-o-can"))
	eventually(t, "the alert is not listed any more", func() bool { return !api.lists(alert.UID) })
}

// Routes and queues are there before the plugins are: what comes while the server
// starts waits for them.
func TestAnAlertWhileTheServerStartsIsKept(t *testing.T) {
	srv, api := startFeatures(t, "  emergency: {config: {repeat: 0s}}")
	srv.Restart(t)
	a := srv.Client(t)
	takclient.Must(t, a.SA(1, 1))
	alert := alertOf(a, "b-a-o-tbl", 1, 1)
	takclient.Must(t, a.Send(alert.XML()))
	a.Sync(t)
	api.get("/ManageEmergency/getEmergency").is(200)
	eventually(t, "the alert is listed", func() bool { return api.lists(alert.UID) })
}

// What the REST API has answered is there after a crash.
func TestWhatRESTAnsweredSurvivesKill9(t *testing.T) {
	needBuiltIn(t)
	srv := taktest.Run(t)
	api := &rest{t: t, data: srv.Data, addr: func() string { return srv.Addr(t, "rest") }}
	ready := func() {
		for _, name := range features {
			srv.Reaches(t, name, plugin.Active)
		}
	}
	ready()
	var active, texts []string
	for i := range 3 {
		over, text := api.raised("OVER"), fmt.Sprint("message ", i)
		active, texts = append(active, api.raised(fmt.Sprint("ACTIVE-", i))), append(texts, text)
		api.del("/ManageEmergency/deleteEmergency", `{"uid": "`+over+`"}`).is(200)
		api.post("/api/v1/chat", `{"text": "`+text+`", "sender": "HQ", "uid": "AWAY"}`).is(201)
		srv.Kill9(t)
		srv.Restart(t)
		ready()
		var uids []string
		for _, l := range api.alerts() {
			uids = append(uids, l.UID)
		}
		same(t, fmt.Sprintf("active after crash %d", i+1), active, uids)
	}
	var got []string
	c := newcomer(t, srv, active[2], takclient.WithUID("AWAY"))
	for range texts {
		got = append(got, remarksOf(t, c.ExpectType(t, "b-t-f")))
	}
	same(t, "handed over", texts, got)
	for _, uid := range active {
		if c.CountUID(uid) == 0 {
			t.Errorf("a newcomer did not get %s", uid)
		}
	}
}
