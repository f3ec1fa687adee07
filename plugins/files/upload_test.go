package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/sdk/plugintest"
)

func TestUploadAnswersAsClientsNeed(t *testing.T) {
	b := start(t)
	got := b.raw(b.anna, "Name=f.png&KEYWORDS=a,b&keywords=c&CreatorUid=EUD-1&latitude=51.5&Longitude=-0.25&altitude=12&remarks=hi&UID=u1", "image/png", "picture")
	want := syncFile{
		UID: "u1", SubmissionDateTime: "2024-05-01T12:00:00.000Z", Keywords: []string{"a", "b", "c"}, MIMEType: "image/png", SubmissionUser: "anna",
		PrimaryKey: "1", Hash: hashOf("picture"), CreatorUid: "EUD-1", Name: "f.png", Size: "7", Tool: "public", EXPIRATION: "-1",
		Latitude: "51.5", Longitude: "-0.25", Altitude: "12", Remarks: "hi",
	}
	// The order of keywords is that of the spellings.
	if len(got.Keywords) == 3 {
		got.Keywords = want.Keywords
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("upload (-want +got):\n%s", diff)
	}
	a := b.get(b.anna, 200, "/Marti/sync/content?hash="+got.Hash)
	if a.Body != "picture" || a.ContentType != "image/png" || a.Header["last-modified"] != "Wed, 01 May 2024 12:00:00 GMT" {
		t.Errorf("content: got %q %q %v", a.Body, a.ContentType, a.Header)
	}
	if kept := b.Kept("1"); !cmp.Equal(kept, []string{got.Hash}) {
		t.Errorf("kept: got %v", kept)
	}
}

func TestUploadForms(t *testing.T) {
	for name, c := range map[string]struct {
		parts      []formPart
		query      string
		want, mime string // name, content type
		content    string
	}{
		"assetfile":          {[]formPart{{"assetfile", "a.kml", "application/vnd.google-earth.kml+xml", "<kml/>"}}, "", "a.kml", "application/vnd.google-earth.kml+xml", "<kml/>"},
		"resource":           {[]formPart{{"resource", "b.txt", "text/plain", "text"}}, "", "b.txt", "text/plain", "text"},
		"metadata in form":   {[]formPart{{"Name", "", "", "c.bin"}, {"assetfile", "x", "application/octet-stream", "\x00\x01"}}, "", "c.bin", "application/octet-stream", "\x00\x01"},
		"query before part":  {[]formPart{{"assetfile", "x.jpg", "image/jpeg", "jpg"}}, "name=d.jpg", "d.jpg", "image/jpeg", "jpg"},
		"no file name":       {[]formPart{{"assetfile", "", "application/zip", "PK"}}, "name=e.zip", "e.zip", "application/zip", "PK"},
		"text, no file name": {[]formPart{{"assetfile", "", "", "short"}}, "name=f", "f", "application/octet-stream", "short"},
		"of several":         {[]formPart{{"preview", "p.png", "image/png", "p"}, {"assetfile", "", "image/png", "the one"}}, "name=g", "g", "image/png", "the one"},
		"folders":            {[]formPart{{"assetfile", "x", "text/plain", "t"}}, "name=..%2f..%2fetc%2Fpasswd", "passwd", "text/plain", "t"},
		"backslashes":        {[]formPart{{"assetfile", "x", "text/plain", "t"}}, `name=C:%5cWindows%5Cwin.ini`, "win.ini", "text/plain", "t"},
		"header injection":   {[]formPart{{"assetfile", "x", "text/plain", "t"}}, "name=a%0d%0aSet-Cookie:%20x", "aSet-Cookie: x", "text/plain", "t"},
		"bad type":           {[]formPart{{"assetfile", "x", "no type", "t"}}, "name=h", "h", "application/octet-stream", "t"},
		"type in query":      {[]formPart{{"assetfile", "x", "text/plain", "t"}}, "name=i&MIMEType=model%2Fobj", "i", "model/obj", "t"},
		"empty":              {[]formPart{{"assetfile", "empty.txt", "text/plain", ""}}, "", "empty.txt", "text/plain", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t)
			body, kind := multi(t, c.parts...)
			got := b.raw(b.anna, c.query, kind, body)
			if got.Name != c.want || got.MIMEType != c.mime || got.Hash != hashOf(c.content) || got.CreatorUid != "EUD-anna" || got.UID == "" {
				t.Errorf("got %+v, want the name %q, the type %q and the content %q", got, c.want, c.mime, c.content)
			}
		})
	}
}

func TestOlderPathsOfUploads(t *testing.T) {
	b := start(t)
	for _, at := range []string{"POST /Marti/sync/content", "PUT /Marti/sync/content", "PUT /Marti/api/sync/upload"} {
		method, path, _ := strings.Cut(at, " ")
		var got syncFile
		b.JSON(b.ask(b.anna, 200, method, path+"?filename=x.txt&hash="+hashOf(at), "text/plain", at), &got)
		if got.Name != "x.txt" || got.Hash != hashOf(at) {
			t.Errorf("%s: got %+v", at, got)
		}
		if a := b.get(b.anna, 200, "/Marti/api/sync/content?uid="+got.UID); a.Body != at {
			t.Errorf("%s: got %q back", at, a.Body)
		}
	}
}

func TestUploadRefused(t *testing.T) {
	b := start(t)
	noGroup := *b.anna
	noGroup.InSet = 0
	for name, c := range map[string]struct {
		query, want string
		status      int
	}{
		"another hash":   {"hash=" + hashOf("other"), "SHA-256", 400},
		"long uid":       {"uid=" + strings.Repeat("u", 300), "300 bytes", 400},
		"latitude":       {"latitude=91&longitude=0", "latitude", 400},
		"no number":      {"latitude=NaN&longitude=0", "latitude", 400},
		"expired":        {"expiration=1000", "has passed", 400},
		"milliseconds":   {"EXPIRATION=1714564800000000", "seconds since 1970", 400},
		"foreign group":  {"groups=Blue,Ops", `"Ops"`, 403},
		"many keywords":  {"keywords=" + strings.Repeat("a,", 1) + manyWords(200), "keywords", 400},
		"not an archive": {"keywords=missionpackage", "no data package", 400},
	} {
		t.Run(name, func(t *testing.T) {
			if a := b.in(t).ask(b.anna, c.status, "POST", "/Marti/sync/upload?name=x&"+c.query, "text/plain", "text"); !strings.Contains(a.Body, c.want) {
				t.Errorf("got %q, want %q in it", a.Body, c.want)
			}
		})
	}
	b.ask(&noGroup, 403, "POST", "/Marti/sync/upload?name=x", "text/plain", "text")
	form, kind := multi(t, formPart{"other", "", "", "a field"})
	b.ask(b.anna, 400, "POST", "/Marti/sync/upload?name=x", kind, form)
	if got := b.found(b.anna, ""); got != "" {
		t.Errorf("what was refused is found: %s", got)
	}
}

func manyWords(n int) string {
	var list []string
	for i := range n {
		list = append(list, strings.Repeat("k", i+1))
	}
	return strings.Join(list, ",")
}

func TestPackageAtTheDoor(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"good":        {zipOf(t, "MANIFEST/manifest.xml", "a/f.kml"), ""},
		"at the root": {zipOf(t, "manifest.xml", "fts.pref"), ""},
		"no manifest": {zipOf(t, "a/f.kml"), "MANIFEST/manifest.xml"},
		"leads up":    {zipOf(t, "MANIFEST/manifest.xml", "../../evil"), "no data package"},
		"broken":      {zipOf(t, "MANIFEST/manifest.xml")[:40], "no data package"},
		"no zip":      {"hello", "no data package"},
		"empty":       {"", "no data package"},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t)
			form, kind := multi(t, formPart{"assetfile", "p.zip", "application/x-zip-compressed", c.content})
			a := b.Do(plugintest.Request{Method: "POST", Path: "/Marti/sync/missionupload?filename=p.zip&hash=" + hashOf(c.content), ContentType: kind, Body: form, Caller: b.anna})
			if c.want == "" {
				if want := "https://tak.example.org:8443/Marti/sync/content?hash=" + hashOf(c.content); a.Status != 200 || a.Body != want || a.ContentType != "text/plain" {
					t.Errorf("got %d %q %q, want 200 %q", a.Status, a.Body, a.ContentType, want)
				}
				return
			}
			if a.Status != 400 || !strings.Contains(a.Body, c.want) {
				t.Errorf("got %d %q, want 400 and %q", a.Status, a.Body, c.want)
			}
			if got := b.found(b.anna, ""); got != "" {
				t.Errorf("what was refused is found: %s", got)
			}
		})
	}
	b := start(t)
	b.ask(b.anna, 400, "POST", "/Marti/sync/missionupload?filename=p.zip", "application/zip", zipOf(t, "manifest.xml"))
}

// The way of ATAK: asked, sent, made private, given on (spec/fts-datapackage.md 2).
func TestPackageFromClientToClient(t *testing.T) {
	b := start(t)
	content := zipOf(t, "MANIFEST/manifest.xml", "a/f.kml")
	hash := hashOf(content)
	query := "/Marti/sync/missionquery?hash=" + hash
	b.get(b.anna, 404, query)
	url := b.pack(b.anna, "p.zip", content)
	if got := b.get(b.anna, 200, query); got.Body != url || got.ContentType != "text/plain" {
		t.Errorf("missionquery: got %q %q, want %q", got.ContentType, got.Body, url)
	}
	if got := b.found(b.bert, "keywords=missionpackage&tool=public"); got != "p.zip" {
		t.Errorf("search before it is private: got %q", got)
	}
	a := b.ask(b.anna, 200, "PUT", "/Marti/api/sync/metadata/"+hash+"/tool", "text/plain", "private")
	if a.Body != "Okay" {
		t.Errorf("metadata: got %q", a.Body)
	}
	if got := b.found(b.bert, "keywords=missionpackage&tool=public"); got != "" {
		t.Errorf("search when it is private: got %q", got)
	}
	_, path, _ := strings.Cut(url, ":8443")
	for _, p := range []string{path, "/Marti/api/sync/metadata/" + hash + "/tool", "/Marti/sync/content?uid=" + hash} {
		if got := b.get(b.bert, 200, p); got.Body != content || got.ContentType != "application/x-zip-compressed" {
			t.Errorf("%s: got %d bytes of %s", p, len(got.Body), got.ContentType)
		}
	}
	// The same again is the same, and stays private.
	b.pack(b.anna, "p.zip", content)
	if got := len(b.Documents("files")); got != 1 {
		t.Errorf("after a second upload there are %d files", got)
	}
	if got := b.found(b.bert, "keywords=missionpackage&tool=public"); got != "" {
		t.Errorf("after a second upload others find %q", got)
	}
}

// Who is in other groups has to send a file anew, or those to whom he gives it on
// could not have it.
func TestMissionQueryKnowsGroups(t *testing.T) {
	b := start(t)
	content := zipOf(t, "manifest.xml")
	query := "/Marti/sync/missionquery?hash=" + hashOf(content)
	b.pack(b.bert, "p.zip", content) // for Blue
	for name, c := range map[string]struct {
		as     string
		status int
	}{"his own": {"bert", 200}, "also red": {"anna", 404}, "other groups": {"nobody", 404}} {
		t.Run(name, func(t *testing.T) {
			as := b.bert
			switch c.as {
			case "anna":
				as = b.anna
			case "nobody":
				as = b.nobody
			}
			b.in(t).get(as, c.status, query)
		})
	}
	b.pack(b.anna, "p.zip", content)
	b.get(b.anna, 200, query)
	b.get(b.carl, 200, query)
	b.get(b.carl, 404, "/Marti/sync/missionquery?hash=nonsense")
	b.get(b.carl, 404, "/Marti/sync/missionquery")
}

func TestGroupsSeeFiles(t *testing.T) {
	b := start(t)
	blue := b.raw(b.bert, "name=blue", "text/plain", "1")
	red := b.raw(b.anna, "name=red&groups=Red", "text/plain", "2")
	both := b.raw(b.anna, "name=both&groups=Red,Blue", "text/plain", "3")
	for name, c := range map[string]struct {
		as   string
		want string
	}{"anna": {"anna", "both red blue"}, "bert": {"bert", "both blue"}, "nobody": {"nobody", ""}, "admin": {"admin", "both red blue"}} {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			who := b.anna
			switch c.as {
			case "bert":
				who = b.bert
			case "nobody":
				who = b.nobody
			case "admin":
				who = b.admin
			}
			if got := b.found(who, ""); got != c.want {
				t.Errorf("search: got %q, want %q", got, c.want)
			}
			for _, f := range []syncFile{blue, red, both} {
				status := 404
				if strings.Contains(c.want, f.Name) {
					status = 200
				}
				b.get(who, status, "/Marti/sync/content?hash="+f.Hash)
				b.get(who, status, "/Marti/sync/content?uid="+f.UID)
				b.get(who, status, "/api/v1/files/"+f.PrimaryKey)
				b.get(who, status, "/Marti/sync/"+f.Hash+"/metadata")
				b.get(who, status, "/Marti/api/files/"+f.Hash)
			}
		})
	}
}

// One who sends to groups that he does not see has his own files.
func TestOwnFileOfAnUnseenGroup(t *testing.T) {
	b := start(t)
	feed := *b.anna
	feed.User, feed.OutSet = "feed", b.Set("Ops")
	f := b.raw(&feed, "name=x", "text/plain", "1")
	b.get(&feed, 200, "/Marti/sync/content?hash="+f.Hash)
	b.get(&feed, 200, "/Marti/sync/missionquery?hash="+f.Hash)
	b.ask(&feed, 200, "DELETE", "/Marti/sync/delete?hash="+f.Hash, "", "")
	b.get(b.anna, 404, "/Marti/sync/content?hash="+f.Hash)
}

func TestFilesExpire(t *testing.T) {
	b := start(t, plugintest.Config(`{"keep": "2h"}`))
	soon := b.Now().Add(time.Minute + 30*time.Second)
	f := b.raw(b.anna, "name=soon&EXPIRATION="+unix(soon), "text/plain", "1")
	b.raw(b.anna, "name=later", "text/plain", "1")
	b.raw(b.anna, "name=never&expiration=-1", "text/plain", "1")
	if f.EXPIRATION != unix(soon) {
		t.Errorf("EXPIRATION: got %s, want %s", f.EXPIRATION, unix(soon))
	}
	b.Advance(soon.Sub(b.Now()))
	if got := b.found(b.anna, ""); got != "never later" {
		t.Errorf("when it has expired, before the sweep: got %q", got)
	}
	b.get(b.anna, 404, "/api/v1/files/"+f.PrimaryKey)
	b.Advance(time.Minute)
	if got, kept := len(b.Documents("files")), b.Kept(f.PrimaryKey); got != 2 || len(kept) != 0 {
		t.Errorf("after the sweep: got %d files, and %v kept", got, kept)
	}
	b.ask(b.anna, 200, "PUT", "/Marti/api/sync/metadata/"+f.Hash+"/expiration?expiration=-1", "", "")
	b.Advance(3 * time.Hour)
	if got := b.found(b.anna, ""); got != "never later" {
		t.Errorf("when nothing expires any more: got %q", got)
	}
}
