package admin_test

import (
	"strings"
	"testing"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/onboard"
)

func TestProfiles(t *testing.T) {
	b := newBed(t)
	boss, op := b.admin(), b.user("op", "operator")
	var made admin.Profile
	boss.do("POST", "profiles", obj{"name": "maps", "kind": "enrollment"}).is(201).into(&made)
	same(t, admin.Profile{Name: "maps", Kind: "enrollment", Groups: []string{}, Active: true, Files: []admin.ProfileFile{}, Changed: made.Changed}, made)
	boss.do("POST", "profiles", obj{"name": "MAPS", "kind": "enrollment"}).refused(409, "already")
	boss.do("POST", "profiles", obj{"name": "x", "kind": "sometimes"}).refused(400, "")
	boss.do("POST", "profiles", obj{"name": "x", "kind": "enrollment", "groups": []string{"Green"}}).refused(400, "no group Green")
	boss.do("POST", "profiles", obj{"name": "a/b", "kind": "enrollment"}).refused(400, "slashes")
	boss.do("POST", "profiles", obj{"name": "x", "kind": "tool"}).refused(400, "tool")

	data := "\x00\x01<preferences/>\xff"
	boss.do("PUT", "profiles/maps/files/a.pref", data).is(200).into(&made)
	if len(made.Files) != 1 || made.Files[0].Size != int64(len(data)) || made.Files[0].Hash != hashOf(data) {
		t.Errorf("got %+v", made)
	}
	if got := op.get("profiles/Maps/files/a.pref").is(200); string(got.body) != data || got.header.Get("Content-Type") != "application/octet-stream" || got.header.Get("Content-Disposition") != "attachment" {
		t.Errorf("got %q %v", got.body, got.header)
	}
	boss.do("PUT", "profiles/maps/files/a.pref", "shorter").is(200)
	boss.do("PUT", "profiles/maps/files/b.pref", "b").is(200)
	boss.do("PUT", "profiles/maps/files/..%2fb", "b").refused(400, "")
	boss.do("PUT", "profiles/none/files/b", "b").refused(404, "none")
	boss.do("PUT", "profiles/maps/files/big", strings.Repeat("x", maxFile+1)).refused(413, "larger than 1 MiB")
	boss.do("PUT", "profiles/maps/files/largest", strings.Repeat("x", maxFile)).is(200)
	boss.do("DELETE", "profiles/maps/files/largest", nil).is(204)
	op.get("profiles/maps/files/c").refused(404, "no file c")

	boss.do("POST", "profiles", obj{"name": "tools", "kind": "tool", "tool": "vns", "active": false}).is(201)
	boss.do("PUT", "profiles/tools/files/x%2fy.txt", "y").is(200)
	if got := op.get("profiles/tools/files/x%2fy.txt").is(200); string(got.body) != "y" {
		t.Errorf("got %q", got.body)
	}
	boss.do("PUT", "profiles/maps", obj{"kind": "connection", "active": false}).is(200).into(&made)
	if made.Kind != "connection" || made.Active || len(made.Files) != 2 {
		t.Errorf("got %+v", made)
	}
	list := read[admin.ProfilePage](op, "profiles").Profiles
	if len(list) != 2 || list[0].Name != "maps" || list[1].Name != "tools" {
		t.Errorf("got %+v", list)
	}
	boss.do("DELETE", "profiles/maps/files/a.pref", nil).is(204)
	boss.do("DELETE", "profiles/maps/files/a.pref", nil).refused(404, "a.pref")

	// After a restart it is all there.
	again, err := admin.OpenProfiles(t.Context(), admin.ProfileOptions{Records: b.store, Files: b.store.Blobs()})
	b.must(err)
	all, err := again.Profiles(t.Context())
	b.must(err)
	if len(all) != 2 || len(all[0].Files) != 1 || b.content(again, all[0].Files[0]) != "b" || all[0].Kind != onboard.OnConnection {
		t.Errorf("got %+v", all)
	}
	boss.do("DELETE", "profiles/maps", nil).is(204)
	boss.do("DELETE", "profiles/maps", nil).refused(404, "maps")
	op.get("profiles/maps").refused(404, "maps")

	var actions []string
	for _, e := range read[admin.AuditPage](boss, "audit?action=profile.*&order=asc&user=boss").Entries {
		actions = append(actions, e.Action+" "+e.Subject)
	}
	same(t, []string{
		"profile.add maps", "profile.file maps/a.pref", "profile.file maps/a.pref", "profile.file maps/b.pref",
		"profile.file maps/largest", "profile.file-remove maps/largest", "profile.add tools",
		"profile.file tools/x/y.txt", "profile.set maps", "profile.file-remove maps/a.pref", "profile.remove maps",
	}, actions)
}

func TestListeners(t *testing.T) {
	b := newBed(t)
	boss, op := b.admin(), b.user("op", "operator")
	if list := read[admin.ListenerList](op, "listeners").Listeners; len(list) != 2 || list[1].Name != "tls" || list[1].Addr != "0.0.0.0:8089" {
		t.Errorf("got %+v", list)
	}
	got := boss.do("PUT", "listeners/tcp", obj{"addr": "127.0.0.1:9999"}).is(200)
	if !strings.Contains(string(got.body), `"addr":"127.0.0.1:9999"`) {
		t.Errorf("got %s", got.body)
	}
	boss.do("POST", "listeners/tcp/stop", nil).is(200)
	boss.do("POST", "listeners/tcp/start", nil).is(200)
	boss.do("PUT", "listeners/tcp", obj{"addr": "taken:1"}).refused(409, "in use")
	boss.do("POST", "listeners/udp/stop", nil).refused(404, "udp")
	op.do("POST", "listeners/tcp/stop", nil).refused(403, "")
	same(t, []string{"move tcp 127.0.0.1:9999", "stop tcp ", "start tcp 127.0.0.1:1"}, b.listeners.did)
	var actions []string
	for _, e := range read[admin.AuditPage](boss, "audit?action=listener.*&order=asc").Entries {
		actions = append(actions, strings.TrimSpace(strings.Join([]string{e.Action, e.Subject, e.Detail, e.User, e.Via, map[bool]string{true: "ok"}[e.OK]}, " ")))
	}
	same(t, []string{
		"listener.move tcp 127.0.0.1:9999 boss rest ok", "listener.stop tcp  boss rest ok", "listener.start tcp  boss rest ok",
		"listener.move tcp taken:1 boss rest", "listener.stop udp  boss rest",
	}, actions)
}

func TestAudit(t *testing.T) {
	b := newBed(t)
	boss := b.admin()
	for _, n := range []string{"ann", "ben", "cay"} {
		boss.do("POST", "users", obj{"name": n}).is(201)
	}
	boss.do("DELETE", "users/ann", nil).is(204)
	for query, want := range map[string]int{
		"user=boss": 4, "user=boss&action=user.add": 3, "user=boss&action=user.*": 4, "subject=ann": 2, "user=nobody": 0,
		"user=boss&from=1h": 4, "user=boss&to=1h": 0, "user=boss&from=2026-01-01T00:00:00Z&to=2126-01-01T00:00:00Z": 4, "user=boss&limit=1": 1,
	} {
		if got := len(read[admin.AuditPage](boss, "audit?"+query).Entries); got != want {
			t.Errorf("%s: got %d, want %d", query, got, want)
		}
	}
	page := read[admin.AuditPage](boss, "audit?user=boss&limit=3")
	if e := page.Entries[0]; e.Action != "user.remove" || e.Subject != "ann" || e.User != "boss" || e.Addr != "127.0.0.1" || e.Via != "rest" || !e.OK || page.Next == "" {
		t.Errorf("got %+v", page)
	}
	if rest := read[admin.AuditPage](boss, "audit?user=boss&limit=3&after="+page.Next); len(rest.Entries) != 1 || rest.Next != "" {
		t.Errorf("got %+v", rest)
	}
	boss.get("audit?from=soon").refused(400, "query.from")
	boss.get("audit?after=x").refused(400, "")
}
