package main

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/sdk"
	"github.com/takhost/takhost/sdk/plugintest"
)

// The form of the official server's page.
func TestMissionCreate(t *testing.T) {
	b := start(t, plain)
	b.Connect(sdk.Client{UID: "A", Callsign: "ALPHA", Listener: "tls", InSet: b.anna.InSet})
	there := b.raw(b.bert, "name=there.txt", "text/plain", "there")
	form, kind := multi(t,
		formPart{"assetfile", "a.png", "image/png", "picture"}, formPart{"assetfile", "../b.kml", "application/vnd.google-earth.kml+xml", "<kml/>"},
		formPart{"assetfile", "A.png", "image/png", "picture"}, formPart{"resource", "", "", "short text"},
		formPart{"filename", "", "", "pack"}, formPart{"contacts", "", "", "A"}, formPart{"contacts", "", "", "AWAY"})
	a := b.ask(b.anna, 200, "POST", "/Marti/sync/missioncreate?hash="+strings.ToUpper(there.Hash), kind, form)
	hash := a.Body[strings.LastIndexByte(a.Body, '=')+1:]
	if want := "https://tak.example.org:8443/Marti/sync/content?hash=" + hash; a.Body != want || a.ContentType != "text/plain" || !isHash(hash) {
		t.Fatalf("got %q %q, want %s", a.ContentType, a.Body, want)
	}
	names, content := b.unzip(hash)
	pic := hashOf("picture")
	if diff := cmp.Diff([]string{manifestName, pic + "/a.png", hashOf("<kml/>") + "/b.kml", pic + "/A-2.png", hashOf("short text") + "/file", there.Hash + "/there.txt"}, names); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if m := content[manifestName]; !strings.Contains(m, `name="name" value="pack"`) || strings.Count(m, "<Content ") != 5 {
		t.Errorf("manifest: got %s", m)
	}
	b.offered("Blue,Red uids A callsigns  except  " + a.Body)
	var f syncFile
	b.JSON(b.get(b.anna, 200, "/Marti/sync/"+hash+"/metadata"), &f)
	if f.UID != hash || f.Name != "pack.zip" || f.Tool != "private" || f.MIMEType != packageType || f.CreatorUid != "EUD-anna" || !cmp.Equal(f.Keywords, []string{"missionpackage"}) {
		t.Errorf("got %+v", f)
	}
	b.Connect(sdk.Client{UID: "AWAY", Callsign: "AWAY", Listener: "tls", InSet: b.bert.InSet})
	b.offered("Blue,Red uids AWAY callsigns  except  " + a.Body)
	// The same to a callsign.
	again := b.ask(b.anna, 200, "POST", "/Marti/sync/missioncreate?contacts=ALPHA&hash="+there.Hash, kind, form)
	b.offered("Blue,Red uids A,AWAY callsigns ALPHA except  " + again.Body)
	if again.Body != a.Body {
		t.Errorf("the same again: got %s, want %s", again.Body, a.Body)
	}

	for name, c := range map[string]struct {
		as     *sdk.Caller
		status int
		query  string
		want   string
	}{
		"nothing":       {b.anna, 400, "filename=x", "no file"},
		"not there":     {b.anna, 404, "filename=x&hash=" + hashOf("none") + "&hash=nothing", "files " + hashOf("none") + ", nothing"},
		"not for him":   {b.nobody, 404, "filename=x&hash=" + there.Hash, there.Hash},
		"long name":     {b.anna, 400, "filename=" + strings.Repeat("x", 10_000), "10000 bytes"},
		"many contacts": {b.anna, 400, "filename=x&hash=" + there.Hash + "&contacts=" + manyWords(101), "contacts"},
	} {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			form, kind := multi(t, formPart{"other", "", "", "x"})
			if a := b.ask(c.as, c.status, "POST", "/Marti/sync/missioncreate?"+c.query, kind, form); !strings.Contains(a.Body, c.want) {
				t.Errorf("got %q, want %q in it", a.Body, c.want)
			}
			b.offered()
		})
	}
	public := b.ask(b.anna, 200, "POST", "/Marti/sync/missioncreate", kind, strings.ReplaceAll(form, `"contacts"`, `"nobody"`))
	if got := b.found(b.bert, "keywords=missionpackage&tool=public"); got != "pack.zip" {
		t.Errorf("without contacts, %s: others find %q", public.Body, got)
	}
}

func TestSequence(t *testing.T) {
	b := start(t)
	next := func(as *sdk.Caller, key, want string) {
		t.Helper()
		if a := b.get(as, 200, "/Marti/api/sync/sequence/"+key); a.Body != want || a.ContentType != "text/plain" {
			t.Errorf("sequence %s: got %q %q, want %q", key, a.ContentType, a.Body, want)
		}
	}
	next(b.anna, "a%20b", "1")
	next(b.bert, "a%20b", "2")
	next(b.nobody, "other", "1")
	b.Restart(0)
	next(b.anna, "a%20b", "3")
	for i := range mostSequences - 1 {
		next(b.anna, "k"+strconv.Itoa(i), "1")
	}
	if a := b.get(b.anna, 429, "/Marti/api/sync/sequence/more"); !strings.Contains(a.Body, "100") {
		t.Errorf("one too many: got %q", a.Body)
	}
	next(b.anna, "a%20b", "4")
	next(b.bert, "more", "1")
	for _, key := range []string{strings.Repeat("k", 256), "a%00b", "a%0ab"} {
		b.get(b.carl, 400, "/Marti/api/sync/sequence/"+key)
	}
}

func TestPackageURL(t *testing.T) {
	b := start(t, plain)
	public, private := zipOf(t, "manifest.xml"), zipOf(t, "manifest.xml", "x")
	b.pack(b.anna, "p.zip", public)
	b.pack(b.bert, "q.zip", private)
	b.ask(b.bert, 200, "PUT", "/Marti/api/sync/metadata/"+hashOf(private)+"/tool", "text/plain", "private")
	b.raw(b.bert, "name=f", "text/plain", "no package")
	ops := &sdk.Caller{User: "ops", Roles: []string{"user"}, OutSet: b.Set("Ops")}
	stranger := &sdk.Caller{} // as the web server gives who does not log in
	for name, c := range map[string]struct {
		as   *sdk.Caller
		hash string
		want sdk.Status
	}{
		"his":                 {b.anna, hashOf(public), sdk.OK},
		"upper case":          {b.bert, strings.ToUpper(hashOf(public)), sdk.OK},
		"private":             {b.carl, hashOf(private), sdk.OK},
		"other groups":        {ops, hashOf(public), sdk.NotFound},
		"a picture":           {stranger, hashOf(public), sdk.OK},
		"a picture, private":  {stranger, hashOf(private), sdk.NotFound},
		"none":                {b.anna, hashOf("none"), sdk.NotFound},
		"no package":          {b.anna, hashOf("no package"), sdk.NotFound},
		"a picture of a file": {stranger, hashOf("no package"), sdk.NotFound},
		"no hash":             {b.anna, "../x", sdk.Invalid},
		"nothing":             {b.anna, "", sdk.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := b.in(t).Action("package-url", []byte(`{"hash": "`+c.hash+`"}`), c.as)
			if sdk.StatusOf(err) != c.want {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if want := `{"url":"http://plain:8080/Marti/api/sync/metadata/` + strings.ToLower(c.hash) + `/tool"}`; err == nil && string(res.Body) != want {
				t.Errorf("got %s, want %s", res.Body, want)
			}
		})
	}
}

// Phones cannot reach an address of the server's own machine.
func TestPhonesNeedAnAddress(t *testing.T) {
	for config, want := range map[string]string{
		`{"url": "https://tak:8443", "plain_url": "http://tak:8080/"}`:       "http://tak:8080",
		`{"url": "https://tak:8443", "plain_url": "http://localhost:8080"}`:  "https://tak:8443",
		`{"url": "https://tak:8443/", "plain_url": "http://127.0.0.1:8080"}`: "https://tak:8443",
		`{"url": "https://tak:8443"}`:                                        "https://tak:8443",
	} {
		b := start(t, plugintest.Config(config))
		content := zipOf(t, "manifest.xml")
		b.pack(b.anna, "p.zip", content)
		res, err := b.Action("package-url", []byte(`{"hash": "`+hashOf(content)+`"}`), b.anna)
		if want := `{"url":"` + want + "/Marti/api/sync/metadata/" + hashOf(content) + `/tool"}`; err != nil || string(res.Body) != want {
			t.Errorf("%s: got %s, error %v, want %s", config, res.Body, err, want)
		}
	}
}

// iTAK sends a package to the server, and all others find it there.
func TestPackageOfITAK(t *testing.T) {
	b := start(t)
	content := zipOf(t, "MANIFEST/manifest.xml", "a/f.kml")
	form, kind := multi(t, formPart{"assetfile", "itak.zip", "application/zip", content})
	var f syncFile
	b.JSON(b.ask(b.bert, 200, "POST", "/Marti/sync/upload?keywords=missionpackage&creatorUid=IPHONE", kind, form), &f)
	raw := zipOf(t, "MANIFEST/manifest.xml", "b/g.kml")
	b.raw(b.bert, "keywords=missionpackage&creatorUid=IPHONE&name=raw.zip", "application/zip", raw)
	for _, as := range []*sdk.Caller{b.anna, b.carl, b.otto} {
		for _, query := range []string{"keywords=missionpackage", "keyword=missionpackage", "keywords=missionpackage&tool=public", "keyword=missionpackage&tool=public", "tool=public", ""} {
			if got := b.found(as, query); got != "raw.zip itak.zip" {
				t.Errorf("search %q of %s: got %q", query, as.User, got)
			}
		}
		if table := b.get(as, 200, "/DataPackageTable").Body; strings.Count(table, `"Privacy":0`) != 2 || !strings.Contains(table, hashOf(raw)) || !strings.Contains(table, f.Hash) {
			t.Errorf("FreeTAKServer's table of %s: got %s", as.User, table)
		}
		if got := b.get(as, 200, "/Marti/sync/content?hash="+f.Hash).Body; got != content {
			t.Errorf("content of %s: got %d bytes of %d", as.User, len(got), len(content))
		}
	}
	if got := b.found(b.nobody, "keywords=missionpackage"); got != "" {
		t.Errorf("in other groups: got %q", got)
	}
}
