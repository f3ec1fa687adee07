package marti_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/marti"
	"github.com/takhost/takhost/core/onboard"
)

const devices = "/Marti/api/device/profile"

func hashOf(content []byte) string {
	h := sha256.Sum256(content)
	return hex.EncodeToString(h[:])
}

// shown gives a profile as an administrator sees it.
func shown(d *device, name string) marti.DeviceProfile {
	d.b.t.Helper()
	return decode[marti.DeviceProfile](d.get(devices+"/"+name), "Profile")
}

// TestProfileAdministration goes the way of the official server's web pages.
func TestProfileAdministration(t *testing.T) {
	c := newCrowd(t)
	c.user("op", "operator")
	boss, op := c.boss, c.bearer("https", "op")
	boss.get(devices).json().golden("profiles_none.json")
	boss.do(http.MethodPost, devices+"/maps?group=Blue", "").is(201, "").text("")
	boss.do(http.MethodPost, devices+"/maps?group=Red", "").is(200, "").text("") // it stays as it is
	boss.do(http.MethodPost, devices+"/all?group=Red,Blue", "").is(201, "")
	boss.do(http.MethodPost, devices+"/every?group=APPLY_TO_ALL_GROUPS", "").is(201, "")
	for _, tt := range []struct{ path, words string }{
		{"/x", "APPLY_TO_ALL_GROUPS"}, {"/x?group=", "APPLY_TO_ALL_GROUPS"}, {"/x?group=Green", `no group "Green"`}, {"/connection?group=Blue", "is no name"},
		{"/" + strings.Repeat("x", 65) + "?group=Blue", "64 bytes"},
	} {
		boss.do(http.MethodPost, devices+tt.path, "").refused(400, tt.words)
	}
	tool := "vns"
	want := marti.DeviceProfile{ID: 1, Name: "maps", Active: true, ApplyOnEnrollment: true, Type: "Enrollment", Groups: []string{"Blue"}, Updated: "2026-11-20T12:00:00.000Z"}
	if diff := cmp.Diff(want, shown(op, "maps")); diff != "" {
		t.Errorf("added (-want +got)\n%s", diff)
	}
	boss.do(http.MethodPut, devices+"/MAPS", `{"id":1,"name":"maps","active":false,"type":"Tool","tool":"vns","groups":["Red","Red","Blue"],"updated":"x"}`).is(200, "").text("")
	want.Active, want.ApplyOnEnrollment, want.Type, want.Tool, want.Groups = false, false, "Tool", &tool, []string{"Red", "Blue"}
	if diff := cmp.Diff(want, shown(boss, "maps")); diff != "" {
		t.Errorf("changed (-want +got)\n%s", diff)
	}
	boss.do(http.MethodPut, devices+"/maps", `{"type":"connection","active":true}`).is(200, "") // the tool goes with its type
	want.Active, want.ApplyOnConnect, want.Type, want.Tool = true, true, "Connection", nil
	if diff := cmp.Diff(want, shown(boss, "maps")); diff != "" {
		t.Errorf("changed again (-want +got)\n%s", diff)
	}
	for body, words := range map[string]string{
		`[`: "Body", `{"type":"Never"}`: "Never", `{"type":"Tool"}`: "tool", `{"groups":[]}`: "everybody", `{"groups":["Green"]}`: "Green", `{"name":"other"}`: "name",
	} {
		boss.do(http.MethodPut, devices+"/maps", body).refused(400, words)
	}
	if diff := cmp.Diff(want, shown(boss, "maps")); diff != "" {
		t.Errorf("after refusals (-want +got)\n%s", diff)
	}

	file := decode[marti.DeviceProfileFile](boss.do(http.MethodPut, devices+"/maps/file?filename=a%20b.xml", "<map/>\x00", "Content-Type", "application/octet-stream"), "ProfileFile")
	second := decode[marti.DeviceProfileFile](boss.do(http.MethodPut, devices+"/maps/file?filename=c.pref", "c"), "ProfileFile")
	again := decode[marti.DeviceProfileFile](boss.do(http.MethodPut, devices+"/maps/file?filename=a%20b.xml", "<maps/>"), "ProfileFile")
	if file.Name != "a b.xml" || file.ID == 0 || again != file || second.ID == file.ID {
		t.Errorf("got %+v, then %+v and %+v", file, again, second)
	}
	if diff := cmp.Diff([]marti.DeviceProfileFile{file, second}, decode[[]marti.DeviceProfileFile](op.get(devices+"/maps/files"), "ProfileFile")); diff != "" {
		t.Errorf("files (-want +got)\n%s", diff)
	}
	path := fmt.Sprint(devices, "/maps/file/", file.ID)
	a := op.get(path).is(200, "application/octet-stream").text("<maps/>")
	if got := a.header.Get("Content-Disposition"); got != `attachment; filename="a b.xml"` {
		t.Errorf("got Content-Disposition %q", got)
	}
	op.get(fmt.Sprint(devices, "/all/file/", file.ID)).refused(404, "no file") // of another profile
	for _, tt := range []struct {
		path, body string
		status     int
		words      string
	}{
		{"/maps/file", "x", 400, "filename"},
		{"/maps/file?filename=..%2Fx", "x", 400, "folders"},
		{"/maps/file?filename=a%0Ab", "x", 400, "control"},
		{"/maps/file?filename=large", strings.Repeat("x", maxFile+1), 413, "1 MiB"},
		{"/none/file?filename=x", "x", 404, "none"},
	} {
		boss.do(http.MethodPut, devices+tt.path, tt.body).refused(tt.status, tt.words)
	}
	boss.do(http.MethodDelete, path, "").is(200, "").text("")
	boss.do(http.MethodDelete, path, "").refused(404, "no file")
	boss.get(devices+"/maps/file/x").refused(404, "no file")

	if got := decode[[]string](boss.get(devices+"/directories"), "String"); len(got) > 0 {
		t.Errorf("got the folders %v", got)
	}
	if got := decode[[]marti.ProfileDirectory](boss.get(devices+"/maps/directories"), "ProfileDirectory"); len(got) > 0 {
		t.Errorf("got the folders %v", got)
	}
	boss.do(http.MethodDelete, devices+"/maps/directories", "").is(200, "").text("")
	boss.do(http.MethodPut, devices+"/maps/directories/maps", "").refused(400, "no folders")
	for _, path := range []string{"", "/files", "/directories", "/missionpackage"} {
		boss.get(devices+"/none"+path).refused(404, "")
	}

	boss.get(devices).json().golden("profiles.json")
	boss.do(http.MethodDelete, devices+"/1", "").is(200, "").text("")
	boss.do(http.MethodDelete, devices+"/All", "").is(200, "")
	boss.do(http.MethodDelete, devices+"/1", "").refused(404, "no profile 1")
	if got := decode[[]marti.DeviceProfile](op.get(devices), "Profile"); len(got) != 1 || got[0].Name != "every" {
		t.Errorf("got %+v", got)
	}

	// Saved as it was shown, a profile for everybody is one still; a narrower one not.
	every := shown(boss, "every")
	if want := []string{"Blue", "Red", "__ANON__"}; !slices.Equal(every.Groups, want) {
		t.Errorf("got the groups %v, want %v", every.Groups, want)
	}
	save := func(v marti.DeviceProfile) onboard.Profile {
		t.Helper()
		b, err := json.Marshal(v)
		c.must(err)
		boss.do(http.MethodPut, devices+"/every", string(b)).is(200, "")
		p, err := c.keeper.Profile("every")
		c.must(err)
		return p
	}
	if p := save(every); p.Groups != nil {
		t.Errorf("saved as it was: got the groups %v, want everybody", p.Groups)
	}
	every.Groups = every.Groups[:2]
	if p := save(every); len(p.Groups) != 2 {
		t.Errorf("narrowed: got the groups %v", p.Groups)
	}
	every.Groups = []string{"Blue", "Red", "__ANON__"}
	if p := save(every); len(p.Groups) != 3 {
		t.Errorf("those of today: got the groups %v", p.Groups)
	}
}

// TestProfilePackage: whoever is not in a group of a profile gets nothing of it, as
// if there were none.
func TestProfilePackage(t *testing.T) {
	c := newCrowd(t)
	ctx := t.Context()
	put := func(name string, active bool, groups ...string) {
		t.Helper()
		c.must(c.keeper.Add(ctx, admin, onboard.Profile{Name: name, Kind: onboard.OnConnection, Active: active, Groups: groups}))
		_, err := c.keeper.PutFile(ctx, admin, name, name+".txt", 0, strings.NewReader("the text of "+name))
		c.must(err)
	}
	put("blue", true, "Blue")
	put("all", true)
	put("off", false)
	c.must(c.keeper.Add(ctx, admin, onboard.Profile{Name: "empty", Kind: onboard.OnConnection, Active: true}))
	callers := map[string]*device{"alice": c.alice, "bob": c.bob, "boss": c.boss, "anonymous": c.at("http")}
	for _, tt := range []struct {
		profile string
		gets    string
	}{{"blue", "alice boss"}, {"BLUE", "alice boss"}, {"all", "alice anonymous bob boss"}, {"off", "boss"}, {"none", ""}} {
		for name, d := range callers {
			a := d.get(devices + "/" + tt.profile + "/missionpackage")
			head := d.do(http.MethodHead, devices+"/"+tt.profile+"/missionpackage", "")
			if !strings.Contains(tt.gets, name) {
				a.refused(404, "no such device profile")
				if head.status != 404 {
					t.Errorf("%s: HEAD of %s: got %d", name, tt.profile, head.status)
				}
				continue
			}
			a.is(200, "application/zip")
			lower := strings.ToLower(tt.profile)
			if got := zipEntries(t, a); !slices.Equal(got, []string{"MANIFEST/manifest.xml", "file0/" + lower + ".txt"}) {
				t.Errorf("%s: got %v", name, got)
			}
			if a.header.Get("Content-Disposition") != "attachment; filename=profile.zip" || a.header.Get("Content-Length") != fmt.Sprint(len(a.body)) {
				t.Errorf("got the headers %v", a.header)
			}
			if head.status != 200 || len(head.body) > 0 || head.header.Get("Content-Length") != fmt.Sprint(len(a.body)) {
				t.Errorf("%s: HEAD of %s: got %d, %v", name, tt.profile, head.status, head.header)
			}
			tag := a.header.Get("ETag")
			if tag == "" || tag != head.header.Get("ETag") {
				t.Errorf("got the tags %q and %q", tag, head.header.Get("ETag"))
			}
			d.do(http.MethodGet, devices+"/"+tt.profile+"/missionpackage", "", "If-None-Match", tag).is(304, "").text("")
			part := d.do(http.MethodGet, devices+"/"+tt.profile+"/missionpackage", "", "Range", "bytes=10-19").is(206, "application/zip")
			if string(part.body) != string(a.body[10:20]) {
				t.Errorf("got the part %q", part.body)
			}
		}
	}
	c.boss.get(devices+"/empty/missionpackage").is(204, "").text("")

	// The packages of a kind have tags too, which change with what is in them.
	a := c.alice.get(devices+"/connection?clientUid=X").is(200, "application/zip")
	tag := a.header.Get("ETag")
	c.alice.do(http.MethodGet, devices+"/connection?clientUid=X", "", "If-None-Match", tag).is(304, "").text("")
	c.bob.do(http.MethodGet, devices+"/connection?clientUid=X", "", "If-None-Match", tag).is(200, "application/zip")
	_, err := c.keeper.PutFile(ctx, admin, "all", "all.txt", 0, strings.NewReader("another text"))
	c.must(err)
	c.alice.do(http.MethodGet, devices+"/connection?clientUid=X", "", "If-None-Match", tag).is(200, "application/zip")

	// A file that was lost is no package with a hole in it.
	v, err := c.keeper.Profile("blue")
	c.must(err)
	c.lose(v.Files[0].Hash)
	c.alice.get(devices+"/blue/missionpackage").refused(500, "")
	if !strings.Contains(c.logged(), "there is no file "+v.Files[0].Hash) {
		t.Error("the log does not say that a file is lost")
	}
}

// TestSendProfile: clients of the profile's groups are told of a package, and get
// exactly that, also when the profile has changed since.
func TestSendProfile(t *testing.T) {
	c := newCrowd(t)
	ctx := t.Context()
	c.core.urls = map[string]string{"https": "https://tak.example.org:8443", "http": "http://tak.example.org:8080"}
	c.must(c.keeper.Add(ctx, admin, onboard.Profile{Name: "ma ps", Kind: onboard.OnConnection, Groups: []string{"Blue"}})) // not active: sent by hand only
	_, err := c.keeper.PutFile(ctx, admin, "ma ps", "a.txt", 0, strings.NewReader("first"))
	c.must(err)
	const path = devices + "/ma%20ps/send"
	for _, tt := range []struct {
		body   string
		status int
		words  string
	}{
		{`{}`, 400, "Body"}, {`["ANDROID-B"]`, 404, "ANDROID-B"}, {`["", "nobody"]`, 404, "nobody"},
		{`["` + strings.Repeat(`x","`, 10) + `"]`, 404, "x"},
	} {
		c.boss.do(http.MethodPost, path, tt.body).refused(tt.status, tt.words)
	}
	c.boss.do(http.MethodPost, devices+"/none/send", `["ANDROID-A"]`).refused(404, "none")
	c.alice.do(http.MethodPost, path, `["ANDROID-A"]`).refused(403, "admin")
	c.boss.do(http.MethodPost, path, `[]`).json()
	if got := c.core.emitted(); len(got) > 0 {
		t.Fatalf("got %v", got)
	}
	missing := decode[[]string](c.boss.do(http.MethodPost, path, `["ANDROID-B","ANDROID-A","nobody","ANDROID-A"]`), "String")
	if diff := cmp.Diff([]string{"ANDROID-B", "nobody"}, missing); diff != "" {
		t.Errorf("not reached (-want +got)\n%s", diff)
	}
	got := c.core.emitted()
	if len(got) != 1 || !slices.Equal(got[0].uids, []string{"ANDROID-A"}) || got[0].groups != c.blue {
		t.Fatalf("got %+v", got)
	}
	share := offerIn(t, got[0].xml)
	// The caller names the server as he reached it.
	if !strings.HasPrefix(share["senderUrl"], c.url["https"]+devices+"/ma%20ps/missionpackage?hash=") || share["name"] != "ma ps" || share["filename"] == "" || share["senderCallsign"] == "" {
		t.Errorf("got %v", share)
	}
	fetch := strings.TrimPrefix(share["senderUrl"], c.url["https"])
	check := func(d *device) {
		t.Helper()
		a := d.get(fetch).is(200, "application/zip")
		if hashOf(a.body) != share["sha256"] || fmt.Sprint(len(a.body)) != share["sizeInBytes"] || !strings.Contains(string(a.body), "first") {
			t.Errorf("got %d bytes of hash %s, told were %v", len(a.body), hashOf(a.body), share)
		}
	}
	check(c.alice)
	_, err = c.keeper.PutFile(ctx, admin, "ma ps", "a.txt", 0, strings.NewReader("second"))
	c.must(err)
	check(c.alice)
	check(c.boss)
	c.bob.get(fetch).refused(404, "no such device profile")
	c.at("http").get(fetch).refused(404, "no such device profile")
	c.alice.get(fetch+"0").refused(404, "no longer")
	c.alice.get(devices+"/ma%20ps/missionpackage").refused(404, "") // it is not active

	// For everybody: to those without certificates by http.
	c.must(c.keeper.Set(ctx, admin, "ma ps", func(v *onboard.Profile) error { v.Groups = nil; return nil }))
	if missing := decode[[]string](c.boss.do(http.MethodPost, path, `["ANDROID-B","ANDROID-A"]`), "String"); len(missing) > 0 {
		t.Errorf("not reached: %v", missing)
	}
	urls := map[string]string{}
	for _, s := range c.core.emitted() {
		if s.groups != 0 {
			t.Errorf("got the groups %v, want no bound", s.groups)
		}
		urls[strings.Join(s.uids, " ")], _, _ = strings.Cut(offerIn(t, s.xml)["senderUrl"], "/Marti")
	}
	if diff := cmp.Diff(map[string]string{"ANDROID-A": c.url["https"], "ANDROID-B": "http://tak.example.org:8080"}, urls); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	c.core.urls = nil
	boss := c.bearer("web", "boss")
	boss.do(http.MethodPost, path, `["ANDROID-A"]`).refused(503, "listen.https")

	// Its groups are gone: for nobody.
	c.must(c.keeper.Set(ctx, admin, "ma ps", func(v *onboard.Profile) error { v.Groups = []string{"Gone"}; return nil }))
	c.boss.do(http.MethodPost, path, `["ANDROID-A"]`).refused(400, "gone")
	c.alice.get(fetch).refused(404, "no such device profile")
}
