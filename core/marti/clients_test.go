package marti_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/marti"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// crowd is a bed with two groups and a client in each, and one that hides.
type crowd struct {
	*bed
	alice, bob, boss *device
	blue, red        hostapi.SetID
}

func newCrowd(t *testing.T) *crowd {
	c := &crowd{bed: newBed(t)}
	c.clock = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	blue, red := c.group("Blue"), c.group("Red")
	c.blue, c.red = c.set(blue), c.set(red)
	c.user("alice", "user", "Blue")
	c.user("bob", "user", "Red")
	c.user("boss", "admin")
	var serial string
	c.alice, serial = c.phone("alice", "ANDROID-A")
	c.bob, _ = c.phone("bob", "ANDROID-B")
	c.boss, _ = c.phone("boss", "ANDROID-Z")
	seen := c.clock.Add(-3 * time.Second)
	c.connect(marti.Client{
		Client: web.Client{
			Addr: "192.0.2.7:4711", Listener: "tls", User: "alice", Since: c.clock.Add(-time.Minute), Protocol: "tak1",
			EventsIn: 12, Queued: 3, UID: "ANDROID-A", Callsign: "ALPHA", Team: "Cyan", Role: "Team Lead", Platform: "ATAK-CIV",
			Version: "4.6.0.5", LastSeen: &seen, Stats: map[string]string{"battery": "80", "heap_max_size": "512"},
		},
		In: c.blue, Out: c.blue, Serial: serial,
	})
	c.connect(marti.Client{
		Client: web.Client{Addr: "[2001:db8::1]:99", Listener: "tcp", User: "bob", Since: c.clock.Add(-time.Hour), Protocol: "xml", UID: "ANDROID-B", Callsign: "BRAVO"},
		In:     c.red, Out: c.red,
	})
	c.connect(marti.Client{Client: web.Client{Addr: "192.0.2.9:1", Listener: "tls", User: "alice", Since: c.clock, Protocol: "xml"}, In: c.blue, Out: c.blue})
	c.connect(marti.Client{
		Client: web.Client{Addr: "192.0.2.10:1", Listener: "tls", User: "carol", Since: c.clock, Protocol: "xml", UID: "ANDROID-C", Callsign: "GHOST"},
		In:     c.blue, Out: c.blue, Incognito: true,
	})
	return c
}

func (b *bed) phone(user, uid string) (*device, string) {
	d, cert := b.with(user, uid, true)
	return d, cert.SerialNumber.Text(16)
}

func TestContacts(t *testing.T) {
	c := newCrowd(t)
	t.Run("shape", func(t *testing.T) {
		a := c.alice.get("/Marti/api/contacts/all").json()
		a.golden("contacts.json")
		// node-tak trims notes, so no text may be null.
		var list []map[string]any
		if err := json.Unmarshal(a.body, &list); err != nil {
			t.Fatal(err)
		}
		for _, item := range list {
			for _, key := range []string{"notes", "callsign", "team", "role", "takv", "uid"} {
				if _, text := item[key].(string); !text {
					t.Errorf("%s is %v, want text", key, item[key])
				}
			}
		}
		c.alice.get("/Marti/api/contacts/all/lite").json().golden("contacts-lite.json")
		c.boss.get("/Marti/api/contacts/all/full?sortBy=UID&direction=DESCENDING").json().golden("contacts-full.json")
	})
	tests := []struct {
		name string
		d    *device
		path string
		want []string
	}{
		{"own group, without who hides", c.alice, "", []string{"ANDROID-A"}},
		{"another group", c.bob, "", []string{"ANDROID-B"}},
		{"administrator", c.boss, "", []string{"ANDROID-A", "ANDROID-B", "ANDROID-C"}},
		{"by uid, descending", c.boss, "?sortBy=UID&direction=DESCENDING", []string{"ANDROID-C", "ANDROID-B", "ANDROID-A"}},
		{"anonymous sees his own group alone", c.at("http"), "", []string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := uidsOf[[]marti.Contact](t, tt.d.get("/Marti/api/contacts/all"+tt.path)); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	c.alice.get("/Marti/api/contacts/all?sortBy=AGE").refused(400, "sortBy")
	c.alice.get("/Marti/api/contacts/all?direction=UP").refused(400, "direction")
}

func uidsOf[T []marti.Contact](t *testing.T, a *answer) []string {
	t.Helper()
	var list T
	if err := json.Unmarshal(a.json().body, &list); err != nil {
		t.Fatal(err)
	}
	uids := []string{}
	for _, item := range list {
		uids = append(uids, item.UID)
	}
	return uids
}

func TestClientEndpoints(t *testing.T) {
	c := newCrowd(t)
	gone := func(user, uid, callsign string, set hostapi.SetID, ago time.Duration) {
		c.roster.Changed(wire.ClientChange{Kind: wire.ClientChangeKindDisconnected, At: c.clock.Add(-ago).UnixMicro(), Client: &wire.Client{
			UID: uid, User: user, Callsign: callsign, InSet: int32(set), Team: "Red",
		}})
	}
	gone("dora", "ANDROID-D", "DELTA", c.blue, 10*time.Minute)
	gone("emil", "ANDROID-E", "ECHO", c.red, 20*time.Minute)
	gone("alice", "ANDROID-A", "ALPHA", c.blue, time.Minute)  // is back
	gone("carol", "ANDROID-C", "GHOST", c.blue, time.Minute)  // hides
	gone("frida", "ANDROID-F", "", c.blue, time.Minute)       // had no callsign
	gone("dan", "ANDROID-D", "DELTA", c.blue, 30*time.Minute) // the same uid by another user
	list := func(d *device, query string) []string {
		t.Helper()
		out := []string{}
		for _, e := range decode[[]marti.ClientEndpoint](d.get("/Marti/api/clientEndPoints"+query), "com.bbn.marti.remote.ClientEndpoint") {
			out = append(out, e.UID+" "+e.Username+" "+e.LastStatus)
			if e.UID == "" || e.Callsign == "" {
				t.Errorf("%+v: ATAK takes none without uid and callsign", e)
			}
			if _, err := time.Parse("2006-01-02T15:04:05.000Z", e.LastEventTime); err != nil {
				t.Errorf("lastEventTime: %v", err)
			}
		}
		return out
	}
	tests := []struct {
		name  string
		d     *device
		query string
		want  []string
	}{
		{"all", c.alice, "", []string{"ANDROID-A alice Connected", "ANDROID-D dora Disconnected", "ANDROID-D dan Disconnected"}},
		{"connected", c.alice, "?showCurrentlyConnectedClients=true", []string{"ANDROID-A alice Connected"}},
		{"each uid once", c.alice, "?showMostRecentOnly=TRUE", []string{"ANDROID-A alice Connected", "ANDROID-D dora Disconnected"}},
		{"lately", c.alice, "?secAgo=660", []string{"ANDROID-A alice Connected", "ANDROID-D dora Disconnected"}},
		{"by group", c.boss, "?group=Red", []string{"ANDROID-E emil Disconnected", "ANDROID-B bob Connected"}},
		{"by two groups", c.boss, "?group=Red&group=Blue&secAgo=600&showCurrentlyConnectedClients=true", []string{"ANDROID-C carol Connected", "ANDROID-A alice Connected"}},
		{"of another group", c.bob, "", []string{"ANDROID-E emil Disconnected", "ANDROID-B bob Connected"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, list(tt.d, tt.query)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	c.alice.get("/Marti/api/clientEndPoints?showCurrentlyConnectedClients=true").golden("endpoints.json")
	c.alice.get("/Marti/api/clientEndPoints?group=Red").refused(403, "Red")
	c.alice.get("/Marti/api/clientEndPoints?group=Nobody").refused(403, "Nobody")
	c.alice.get("/Marti/api/clientEndPoints?secAgo=-1").refused(400, "secAgo")
	c.alice.get("/Marti/api/clientEndPoints?secAgo=soon").refused(400, "secAgo")
}

func TestSubscriptions(t *testing.T) {
	c := newCrowd(t)
	c.alice.get("/Marti/api/subscriptions/all?sortBy=CALLSIGN&direction=ASCENDING&page=-1&limit=-1").golden("subscriptions.json")
	type sub = marti.Subscription
	uids := func(d *device, query string) (out []string) {
		for _, s := range decode[[]sub](d.get("/Marti/api/subscriptions/all"+query), "SubscriptionInfo") {
			out = append(out, s.UID)
		}
		return out
	}
	for query, want := range map[string][]string{
		"?sortBy=UID":                {"3", "1", "2", "4"},
		"?sortBy=UID&page=1&limit=2": {"2", "4"},
		"?sortBy=UID&page=9&limit=2": nil,
		"?sortBy=UID&page=0&limit=0": nil,
		"?sortBy=UID&page=9223372036854775807&limit=9223372036854775807": nil,
		"?sortBy=UID&page=1&limit=9223372036854775807":                   nil,
		"?sortBy=UID&page=0&limit=100":                                   {"3", "1", "2", "4"},
	} {
		if got := uids(c.boss, query); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
	}
	if got := decode[sub](c.alice.get("/Marti/api/subscription/ANDROID-A"), "SubscriptionInfo"); got.Callsign != "ALPHA" {
		t.Errorf("got %+v, want ALPHA", got)
	}
	c.alice.get("/Marti/api/subscription/ANDROID-B").refused(404, "ANDROID-B")
	c.alice.get("/Marti/api/subscriptions/all?page=x").refused(400, "page")

	t.Run("addresses", func(t *testing.T) {
		c.user("erin", "user", "Blue")
		c.user("oscar", "operator", "Blue")
		erin, _ := c.phone("erin", "ANDROID-E")
		oscar, _ := c.phone("oscar", "ANDROID-O")
		for who, d := range map[string]*device{"alice": c.alice, "boss": c.boss, "oscar": oscar, "erin": erin} {
			got := decode[sub](d.get("/Marti/api/subscription/ANDROID-A"), "SubscriptionInfo")
			if want := who != "erin"; (got.IPAddress == "192.0.2.7" && got.Port == "4711") != want || (got.IPAddress == "" && got.Port == "") == want {
				t.Errorf("%s is told %q port %q", who, got.IPAddress, got.Port)
			}
		}
		for _, path := range []string{"/Marti/api/subscriptions/all", "/Marti/api/contacts/all/full", "/Marti/api/users/all"} {
			if a := erin.get(path).json(); strings.Contains(string(a.body), "192.0.2.7") {
				t.Errorf("%s tells erin the address of alice: %s", path, a.body)
			}
		}
	})

	t.Run("delete", func(t *testing.T) {
		c.alice.do(http.MethodDelete, "/Marti/api/subscriptions/delete/ANDROID-A", "").refused(403, "role admin")
		got := decode[string](c.boss.do(http.MethodDelete, "/Marti/api/subscriptions/delete/ANDROID-B", ""), "String")
		if did := c.core.done(); !strings.Contains(got, "ANDROID-B") || !slices.Equal(did, []string{"disconnect ended by boss"}) {
			t.Errorf("got %q and %v", got, did)
		}
		c.boss.do(http.MethodDelete, "/Marti/api/subscriptions/delete/nobody", "").refused(404, "nobody")
	})
	t.Run("incognito", func(t *testing.T) {
		c.alice.do(http.MethodPost, "/Marti/api/subscriptions/incognito/ANDROID-A", "").is(200, "").text("")
		if got := decode[sub](c.alice.get("/Marti/api/subscription/ANDROID-A"), "SubscriptionInfo"); !got.Incognito {
			t.Error("the client does not hide")
		}
		c.alice.do(http.MethodPost, "/Marti/api/subscriptions/incognito/1", "").is(200, "")
		if got := decode[sub](c.alice.get("/Marti/api/subscription/ANDROID-A"), "SubscriptionInfo"); got.Incognito {
			t.Error("the client hides still")
		}
		c.user("dave", "user", "Blue")
		dave, _ := c.phone("dave", "ANDROID-V")
		dave.do(http.MethodPost, "/Marti/api/subscriptions/incognito/ANDROID-A", "").refused(403, "another user")
	})
}

func TestRosterRecall(t *testing.T) {
	c := newCrowd(t)
	c.event("zoe", "ANDROID-Y", c.blue, sa("ANDROID-Y", "YANKEE", 1, 2))
	c.event("zoe", "ANDROID-Y", c.blue, sa("marker-1", "MARKER", 1, 2)) // not of the client itself
	if err := c.roster.Recall(t.Context(), c.core.Query, c.clock); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range decode[[]marti.ClientEndpoint](c.alice.get("/Marti/api/clientEndPoints"), "com.bbn.marti.remote.ClientEndpoint") {
		got = append(got, e.Callsign+" "+e.LastStatus)
	}
	if want := []string{"YANKEE Disconnected", "ALPHA Connected"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRosterIsBounded(t *testing.T) {
	r := marti.NewRoster()
	for i := range 45_000 {
		r.Changed(wire.ClientChange{At: int64(i + 1), Client: &wire.Client{UID: string(rune('a'+i%26)) + time.Duration(i).String()}})
	}
	if got := r.Len(); got > 20_000 || got < 15_000 {
		t.Errorf("got %d clients, want at most 20,000 and most of those", got)
	}
}
