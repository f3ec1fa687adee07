package tests

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// channel is a group as /Marti/api/groups/all lists it. ATAK sends created back as
// a number (spec/tak-marti.md 4).
type channel struct {
	Name      string `json:"name"`
	Direction string `json:"direction"`
	Created   any    `json:"created"`
	Type      string `json:"type"`
	BitPos    int    `json:"bitpos"`
	Active    bool   `json:"active"`
}

// channelsOf asks as ATAK does, and holds the answer against what ATAK wants.
func channelsOf(t *testing.T, a *asker) []channel {
	t.Helper()
	r := a.get("/Marti/api/groups/all?useCache=true")
	if got := r.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("groups/all: content type %q, want the very application/json", got)
	}
	var answer struct {
		Version, Type, NodeID string
		Data                  []channel
	}
	r.into(&answer)
	if answer.Type != "com.bbn.marti.remote.groups.Group" || answer.Version != "3" {
		t.Errorf("groups/all: got type %q, version %q", answer.Type, answer.Version)
	}
	for _, c := range answer.Data {
		day, ok := c.Created.(string)
		if _, err := time.Parse("2006-01-02", day); !ok || err != nil {
			t.Errorf("group %s: created is %v, want a day", c.Name, c.Created)
		}
	}
	return answer.Data
}

// active names what is on, as name and direction.
func active(list []channel) (names []string) {
	for _, c := range list {
		if c.Active {
			names = append(names, c.Name+" "+c.Direction)
		}
	}
	slices.Sort(names)
	return names
}

// choose switches channels as ATAK does: the whole list goes back, with the time
// as a number.
func choose(t *testing.T, a *asker, uid string, on func(name string) bool) {
	t.Helper()
	list := channelsOf(t, a)
	for i := range list {
		list[i].Active, list[i].Created = on(list[i].Name), 1_700_000_000_000
	}
	a.json("PUT", "/Marti/api/groups/active?clientUid="+url.QueryEscape(uid), list).is(200)
}

// noticed wants the notice of a change of groups, which ends in the uid of the
// device that has made it.
func noticed(t *testing.T, c *takclient.Client, device string) {
	t.Helper()
	r := c.ExpectType(t, "t-x-g-c")
	if !strings.HasSuffix(r.Header.UID, device) {
		t.Errorf("the notice of changed groups has the uid %q, want one that ends in %q", r.Header.UID, device)
	}
}

func TestChannels(t *testing.T) {
	for name, opts := range map[string][]taktest.Option{"SQLite": nil, "PostgreSQL": {taktest.WithPostgres()}} {
		t.Run(name, func(t *testing.T) { channels(t, wholeServer(t, opts...)) })
	}
}

func channels(t *testing.T, srv *taktest.Server) {
	addGroups(t, srv.Admin, "Red", "Blue")
	for name, groups := range map[string][]string{"ann": {"Red", "Blue"}, "red": {"Red"}, "blue": {"Blue"}} {
		addUser(t, srv.Admin, name, memberOf(groups...)...)
	}
	phone, tablet := enrol(t, srv, "ann", "ANDROID-phone"), enrol(t, srv, "ann", "ANDROID-tablet")
	redDev, blueDev := enrol(t, srv, "red", "ANDROID-red"), enrol(t, srv, "blue", "ANDROID-blue")
	red, blue := online(t, srv, redDev), online(t, srv, blueDev)
	takclient.Must(t, red.SA(1, 1))
	takclient.Must(t, blue.SA(2, 2))
	red.Sync(t)
	blue.Sync(t)

	// What is new is active, and the position of all comes at once.
	api := func() *asker { return askAt(t, srv, "https").certificate(phone.Cert) }
	all := []string{"Blue IN", "Blue OUT", "Red IN", "Red OUT"}
	same(t, "channels of a new device", all, active(channelsOf(t, api())))
	a, b := online(t, srv, phone), online(t, srv, tablet)
	for _, c := range []*takclient.Client{a, b} {
		c.ExpectUID(t, redDev.UID)
		c.ExpectUID(t, blueDev.UID)
		takclient.Must(t, c.SA(3, 3))
	}
	red.ExpectUID(t, phone.UID)
	blue.ExpectUID(t, phone.UID)
	var enabled struct {
		Type string
		Data bool
	}
	api().get("/Marti/api/groups/groupCacheEnabled").into(&enabled)
	if !enabled.Data || enabled.Type != "java.lang.Boolean" {
		t.Errorf("groupCacheEnabled: got %+v, want true", enabled)
	}

	// Without Red: the notice, then Blue's position anew; Red sees the phone leave.
	choose(t, api(), phone.UID, func(name string) bool { return name == "Blue" })
	noticed(t, a, "."+phone.UID)
	a.ExpectUID(t, blueDev.UID)
	red.Expect(t, takclient.Type("t-x-d-d").Both(takclient.Contains(phone.UID)))
	same(t, "channels that are on", []string{"Blue IN", "Blue OUT"}, active(channelsOf(t, api())))
	apart := func(a *takclient.Client) {
		t.Helper()
		takclient.Must(t, red.SA(1.5, 1))
		b.ExpectUID(t, redDev.UID) // the tablet has its own choice
		takclient.Must(t, a.SA(3.5, 3))
		blue.ExpectUID(t, phone.UID)
		red.Sync(t)
		a.Never(t, takclient.UID(redDev.UID), blue)
		red.Never(t, takclient.UID(phone.UID), b)
	}
	apart(a)
	b.Never(t, takclient.Type("t-x-g-c"), red)

	// It is remembered: over a reconnect and a restart.
	a.Close()
	a = online(t, srv, phone)
	a.ExpectUID(t, blueDev.UID)
	apart(a)
	srv.Restart(t)
	red, blue, b = online(t, srv, redDev), online(t, srv, blueDev), online(t, srv, tablet)
	for _, c := range []*takclient.Client{red, blue, b} {
		takclient.Must(t, c.SA(4, 4))
		c.Sync(t)
	}
	same(t, "channels after a restart", []string{"Blue IN", "Blue OUT"}, active(channelsOf(t, api())))
	a = online(t, srv, phone)
	a.ExpectUID(t, blueDev.UID)
	apart(a)

	// By number, all others off; then none; then all.
	byName := map[string]int{}
	for _, c := range channelsOf(t, api()) {
		byName[c.Name] = c.BitPos
	}
	bits := func(list ...int) {
		t.Helper()
		if list == nil {
			list = []int{}
		}
		api().json("PUT", "/Marti/api/groups/activebits?clientUid="+phone.UID, list).is(200)
	}
	bits(byName["Red"])
	noticed(t, a, "."+phone.UID)
	a.ExpectUID(t, redDev.UID)
	same(t, "channels by number", []string{"Red IN", "Red OUT"}, active(channelsOf(t, api())))
	bits()
	noticed(t, a, "."+phone.UID)
	same(t, "no channels", []string(nil), active(channelsOf(t, api())))
	takclient.Must(t, red.SA(1.7, 1))
	red.Sync(t)
	a.Sync(t)
	if got := a.Count(takclient.Contains(`lat="1.7"`)); got != 0 {
		t.Errorf("without channels %d positions came", got)
	}
	bits(byName["Red"], byName["Blue"])
	noticed(t, a, "."+phone.UID)

	// A group that an administrator adds is active, and the notice names no device.
	addGroups(t, srv.Admin, "Green")
	setGroups(t, srv.Admin, "ann", memberOf("Red", "Blue", "Green")...)
	a.Expect(t, takclient.Type("t-x-g-c"))
	same(t, "channels with a new group", append([]string{"Blue IN", "Blue OUT", "Green IN", "Green OUT"}, all[2:]...), active(channelsOf(t, api())))

	for name, body := range map[string]string{"no JSON": "[", "no list": `{"name": "Red"}`, "null": "null", "empty": ""} {
		if r := api().ask("PUT", "/Marti/api/groups/active?clientUid="+phone.UID, "application/json", body); r.status != 400 {
			t.Errorf("groups/active with %s: got %d %s, want 400", name, r.status, r.body)
		}
	}
}

// Whose certificate is not made for it takes part in all groups, whatever others
// choose, and is told that he cannot choose.
func TestChannelsNeedTheirKeyUsage(t *testing.T) {
	srv := wholeServer(t)
	addGroups(t, srv.Admin, "Red")
	addUser(t, srv.Admin, "feed", memberOf("Red")...)
	dev := issue(t, srv.Admin, "feed", false)
	api := askAt(t, srv, "https").certificate(dev.Cert)
	var enabled struct{ Data bool }
	api.get("/Marti/api/groups/groupCacheEnabled").into(&enabled)
	if enabled.Data {
		t.Error("groupCacheEnabled without the key usage: got true")
	}
	list, err := json.Marshal([]channel{{Name: "Red", Direction: "OUT"}})
	takclient.Must(t, err)
	api.ask("PUT", "/Marti/api/groups/active?clientUid="+dev.UID, "application/json", string(list)).is(403)
	same(t, "channels", []string{"Red IN", "Red OUT"}, active(channelsOf(t, api)))
}
