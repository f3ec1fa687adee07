package marti_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/takhost/takhost/core/onboard"
)

func TestProfiles(t *testing.T) {
	m := newMember(t)
	old, fresh := m.clock.Add(-time.Hour), m.clock.Add(-time.Minute)
	file := func(name, data string, at time.Time) onboard.File {
		f := onboard.Made(name, []byte(data))
		f.Changed = at
		return f
	}
	m.profiles = profiles{
		{Name: "all", Kind: onboard.OnConnection, Active: true, Files: []onboard.File{file("all.pref", "1", old), file("new.pref", "2", fresh)}},
		{Name: "red", Kind: onboard.OnConnection, Active: true, Groups: []string{"Red"}, Files: []onboard.File{file("red.pref", "3", fresh)}},
		{Name: "green", Kind: onboard.OnConnection, Active: true, Groups: []string{"Green", "Red"}, Files: []onboard.File{file("green.pref", "4", old)}},
		{Name: "off", Kind: onboard.OnConnection, Files: []onboard.File{file("off.pref", "5", fresh)}},
		{Name: "tool", Kind: onboard.OfTool, Tool: "drone kit", Active: true, Files: []onboard.File{file("a/one.txt", "eins", old), file("two.bin", "zwei", fresh)}},
	}
	tests := []struct {
		name, path string
		d          *device
		want       []string // nil: 204
	}{
		{"connection", "connection?syncSecago=-1&clientUid=X", m.phone, []string{"MANIFEST/manifest.xml", "file0/all.pref", "file1/new.pref", "file2/green.pref"}},
		{"lately", "connection?syncSecago=600&clientUid=X", m.phone, []string{"MANIFEST/manifest.xml", "file0/new.pref"}},
		{"nothing since", "connection?syncSecago=1&clientUid=X", m.phone, nil},
		{"anonymous", "connection?clientUid=X", m.at("http"), []string{"MANIFEST/manifest.xml", "file0/all.pref", "file1/new.pref"}},
		{"tool", "tool/drone%20kit?syncSecago=-1&clientUid=X", m.phone, []string{"MANIFEST/manifest.xml", "file0/one.txt", "file1/two.bin"}},
		{"another tool", "tool/other?clientUid=X", m.phone, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := tt.d.get("/Marti/api/device/profile/" + tt.path)
			if tt.want == nil {
				a.is(204, "").text("")
				return
			}
			a.is(200, "application/zip")
			if got := zipEntries(t, a); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if got := a.header.Get("Content-Disposition"); got != "attachment; filename=profile.zip" {
				t.Errorf("got Content-Disposition %q", got)
			}
		})
	}
	m.phone.get("/Marti/api/device/profile/connection?syncSecago=x").refused(400, "syncSecago")

	t.Run("file", func(t *testing.T) {
		const path = "/Marti/api/device/profile/tool/drone%20kit/file?clientUid=X&relativePath="
		a := m.phone.get(path+"/a/one.txt").is(200, "text/plain; charset=utf-8").text("eins")
		if got, want := a.header.Get("Last-Modified"), old.Format(http.TimeFormat); got != want {
			t.Errorf("got Last-Modified %q, want %q", got, want)
		}
		same := m.phone.do(http.MethodGet, path+"/a/one.txt", "", "If-Modified-Since", a.header.Get("Last-Modified")).is(304, "").text("")
		if got, want := same.header.Get("Last-Modified"), old.Format(http.TimeFormat); got != want {
			t.Errorf("got Last-Modified %q of 304, want %q", got, want)
		}
		m.phone.do(http.MethodGet, path+"/a/one.txt", "", "If-Modified-Since", old.Add(-time.Hour).Format(http.TimeFormat)).is(200, "text/plain; charset=utf-8")
		m.phone.get(path+"two.bin").is(200, "application/octet-stream").text("zwei")
		both := m.phone.get(path+"/a/one.txt&relativePath=/two.bin").is(200, "application/zip")
		if got := zipEntries(t, both); !slices.Contains(got, "file1/two.bin") {
			t.Errorf("got %v", got)
		}
		// Of two, the one that changed.
		m.phone.do(http.MethodGet, path+"/a/one.txt&relativePath=/two.bin", "", "If-Modified-Since", old.Format(http.TimeFormat)).
			is(200, "application/octet-stream").text("zwei")
		for _, missing := range []string{"/three", "/../two.bin", "/a"} {
			m.phone.get(path+missing).is(404, "").text("")
		}
		m.phone.get("/Marti/api/device/profile/tool/drone%20kit/file").refused(400, "relativePath")
		m.bearer("web", "alice").get("/Marti/api/tls/profile/tool/drone%20kit/file?clientUid=X&relativePath=/a/one.txt").text("eins")
	})
}
