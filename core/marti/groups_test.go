package marti_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/marti"
	"github.com/takhost/takhost/hostapi"
)

// groupType is compared literally by ATAK.
const groupType = "com.bbn.marti.remote.groups.Group"

// member is a bed with a user in two groups, and his phone.
type member struct {
	*bed
	phone *device
	blue  hostapi.GroupID
}

func newMember(t *testing.T) *member {
	m := &member{bed: newBed(t)}
	m.blue = m.group("Blue")
	m.group("Green")
	m.group("Red")
	m.user("alice", "user", "Blue", "Green OUT")
	m.phone, _ = m.with("alice", "ANDROID-1", true)
	return m
}

// listed writes the groups of an answer, with a minus for those that are off.
func listed(a *answer) string {
	a.t.Helper()
	var out []string
	seen := map[string]int{}
	for _, g := range decode[[]marti.Group](a, groupType) {
		// ATAK refuses a group for any of these.
		if _, err := time.Parse("2006-01-02", g.Created); err != nil || g.BitPos < 0 || g.Type != "SYSTEM" || g.Name == "" {
			a.t.Errorf("%s: %+v is no group to ATAK", a.what, g)
		}
		if seen[g.Name+g.Direction]++; seen[g.Name+g.Direction] > 1 {
			a.t.Errorf("%s: %s %s is there twice", a.what, g.Name, g.Direction)
		}
		text := g.Name + " " + g.Direction
		if !g.Active {
			text = "-" + text
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func (a *answer) lists(want string) {
	a.t.Helper()
	if got := listed(a); got != want {
		a.t.Errorf("%s: got %q, want %q", a.what, got, want)
	}
}

func TestGroups(t *testing.T) {
	m := newMember(t)
	m.user("boss", "admin", "Red")
	m.user("eve", "readonly", "Blue")
	boss, _ := m.with("boss", "ANDROID-Z", true)
	eve, _ := m.with("eve", "ANDROID-E", true)
	m.phone.get("/Marti/api/groups/all").lists("Blue OUT, Green OUT")
	m.phone.get("/Marti/api/groups/all?useCache=true").lists("Blue IN, Blue OUT, Green OUT")
	eve.get("/Marti/api/groups/all?useCache=true").lists("Blue OUT")
	boss.get("/Marti/api/groups/all").lists("-Blue IN, -Blue OUT, -Green IN, -Green OUT, -__ANON__ IN, -__ANON__ OUT, Red IN, Red OUT")
	m.at("http").get("/Marti/api/groups/all?useCache=true").lists("__ANON__ IN, __ANON__ OUT")

	if did := m.core.done(); did != nil {
		t.Errorf("got %v, want nothing sent without asking", did)
	}
	m.phone.get("/Marti/api/groups/all?useCache=true&sendLatestSA=true").json()
	if did := m.core.done(); !slices.Equal(did, []string{"replay alice ANDROID-1"}) {
		t.Errorf("got %v, want the positions sent again", did)
	}

	g := decode[marti.Group](m.phone.get("/Marti/api/groups/Blue/IN"), groupType)
	if g.BitPos != m.blue || g.Description != "about Blue" || g.Direction != "IN" {
		t.Errorf("got %+v", g)
	}
	m.phone.get("/Marti/api/groups/Green/IN").refused(404, "Green")
	m.phone.get("/Marti/api/groups/Red/OUT").refused(404, "Red")
	decode[marti.Group](boss.get("/Marti/api/groups/Red/OUT"), groupType)

	m.phone.get("/Marti/api/groups/user?username=alice").refused(403, "admin")
	boss.get("/Marti/api/groups/user?username=ALICE").lists("Blue IN, Blue OUT, Green OUT")
	boss.get("/Marti/api/groups/user?username=nobody").refused(404, "nobody")

	boss.get("/Marti/api/groups/update/alice").is(200, "").text("")
	boss.do(http.MethodPost, "/Marti/api/groups/update", `["alice","eve"]`).is(200, "").text("")
	boss.do(http.MethodPost, "/Marti/api/groups/update", `["alice","nobody"]`).refused(404, "nobody")
	if did := m.core.done(); !slices.Equal(did, []string{"regroup alice  ", "regroup alice  ", "regroup eve  "}) {
		t.Errorf("got %q", did)
	}
	m.phone.get("/Marti/api/groups/update/alice").refused(403, "admin")
}

func TestUsersAll(t *testing.T) {
	c := newCrowd(t)
	type user = marti.User
	list := decode[[]user](c.alice.get("/Marti/api/users/all"), "com.bbn.marti.remote.groups.User")
	if len(list) != 2 || list[0].ConnectionID != "3" || list[1].ID != "alice" || list[1].Address != "192.0.2.7" {
		t.Errorf("got %+v", list)
	}
}

func TestChannels(t *testing.T) {
	m := newMember(t)
	const cached, active = "/Marti/api/groups/all?useCache=true", "/Marti/api/groups/active?clientUid=ANDROID-1"
	put := func(path, body string) *answer { return m.phone.do(http.MethodPut, path, body) }

	m.phone.get("/Marti/api/groups/groupCacheEnabled").json().text(`{"version":"3","type":"java.lang.Boolean","data":true,"nodeId":"` + nodeID + `"}`)
	m.at("http").get("/Marti/api/groups/groupCacheEnabled").json().text(`{"version":"3","type":"java.lang.Boolean","data":false,"nodeId":"` + nodeID + `"}`)

	// As ATAK sends it: what it read, with created as milliseconds.
	body := `[{"name":"Blue","direction":"OUT","created":1767225600000,"type":"SYSTEM","bitpos":2,"active":false},` +
		`{"name":"Blue","direction":"IN","created":"2026-01-01","type":"SYSTEM","bitpos":2,"active":false},` +
		`{"name":"Green","direction":"OUT","active":true},{"name":"Red","direction":"OUT","active":true}]`
	put(active, body).is(200, "").text("")
	if did := m.core.done(); !slices.Equal(did, []string{"regroup alice ANDROID-1 ANDROID-1"}) {
		t.Errorf("got %v", did)
	}
	m.phone.get(cached).lists("-Blue IN, -Blue OUT, Green OUT")
	in, out, err := m.ids.SetsOf("alice", "ANDROID-1", true)
	if err != nil || len(m.groups.Members(in)) != 0 || len(m.groups.Members(out)) != 1 {
		t.Errorf("got the sets %v, %v, %v, want Green alone", m.groups.Members(in), m.groups.Members(out), err)
	}

	t.Run("what is not named stays", func(t *testing.T) {
		put(active, `[{"name":"Green","direction":"OUT","active":false}]`).is(200, "")
		m.phone.get(cached).lists("-Blue IN, -Blue OUT, -Green OUT")
		put(active, `[{"name":"Blue","direction":"IN","active":false},{"name":"Blue","direction":"OUT"}]`).is(200, "")
		m.phone.get(cached).lists("-Green OUT, Blue IN, Blue OUT")
		put(active, `[]`).is(200, "")
		m.phone.get(cached).lists("-Green OUT, Blue IN, Blue OUT")
	})
	t.Run("bits", func(t *testing.T) {
		m.core.done()
		put("/Marti/api/groups/activebits", "[]").is(200, "").text("")
		m.phone.get(cached).lists("-Blue IN, -Blue OUT, -Green OUT")
		put("/Marti/api/groups/activebits?clientUid=X", fmt.Sprintf("[%d,99]", m.blue)).is(200, "").text("")
		m.phone.get(cached).lists("-Green OUT, Blue IN, Blue OUT")
		if did := m.core.done(); !slices.Equal(did, []string{"regroup alice ANDROID-1 ", "regroup alice ANDROID-1 X"}) {
			t.Errorf("got %q: the device is that of the certificate, the notice names the caller", did)
		}
	})
	t.Run("bad bodies", func(t *testing.T) {
		for _, body := range []string{"", "null", "{}", "[1]", `["a"]`, `[{"name":1}]`, `[{"name":"Blue","active":"x"}]`} {
			put(active, body).refused(400, "Body")
		}
		for _, body := range []string{"", "null", "{}", `["a"]`, "[1.5]"} {
			put("/Marti/api/groups/activebits", body).refused(400, "Body")
		}
		m.phone.get(cached).lists("-Green OUT, Blue IN, Blue OUT")
	})
	t.Run("each device has its own", func(t *testing.T) {
		other, _ := m.with("alice", "ANDROID-2", true)
		other.get(cached).lists("Blue IN, Blue OUT, Green OUT")
	})
	t.Run("without the key usage", func(t *testing.T) {
		old, _ := m.with("alice", "OLD-1", false)
		old.get("/Marti/api/groups/groupCacheEnabled").json().text(`{"version":"3","type":"java.lang.Boolean","data":false,"nodeId":"` + nodeID + `"}`)
		old.do(http.MethodPut, active, `[{"name":"Blue","active":false}]`).refused(403, "certificate")
		old.get(cached).lists("Blue IN, Blue OUT, Green OUT")
		m.at("http").do(http.MethodPut, active, `[{"name":"__ANON__","active":false}]`).refused(403, "")
	})
	t.Run("by token", func(t *testing.T) {
		d := m.bearer("https", "alice")
		m.core.done()
		d.do(http.MethodPut, "/Marti/api/groups/active?clientUid=CLOUD-1", `[{"name":"Blue","active":false}]`).is(200, "")
		d.get(cached).lists("-Blue IN, -Blue OUT, Green OUT")
		m.phone.get(cached).lists("-Green OUT, Blue IN, Blue OUT")
		// A device of his own he may name.
		d.do(http.MethodPut, "/Marti/api/groups/activebits?clientUid=ANDROID-1", "[]").is(200, "")
		d.get(cached + "&clientUid=ANDROID-1").lists("-Blue IN, -Blue OUT, -Green OUT")
		m.phone.get(cached).lists("-Blue IN, -Blue OUT, -Green OUT")
		if did := m.core.done(); !slices.Equal(did, []string{"regroup alice  CLOUD-1", "regroup alice ANDROID-1 ANDROID-1"}) {
			t.Errorf("got %q", did)
		}
	})
	t.Run("by force", func(t *testing.T) {
		m.user("boss", "admin")
		boss, _ := m.with("boss", "ANDROID-Z", true)
		m.core.done()
		boss.do(http.MethodPut, "/Marti/api/groups/activeForce?username=alice", `[{"name":"Blue","active":false},{"name":"Green","active":true}]`).is(200, "").text("")
		if did := m.core.done(); !slices.Equal(did, []string{"regroup alice  "}) {
			t.Errorf("got %q", did)
		}
		m.phone.get(cached).lists("-Blue IN, -Blue OUT, Green OUT")
		m.phone.do(http.MethodPut, "/Marti/api/groups/activeForce?username=alice", "[]").refused(403, "admin")
		boss.do(http.MethodPut, "/Marti/api/groups/activeForce?username=nobody", "[]").refused(404, "nobody")
	})
}
