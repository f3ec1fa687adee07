package tests

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/tests/takclient"
)

// webAs asks listen.web with a token of a user.
func (s *fileServer) webAs(t *testing.T, user string) *asker {
	t.Helper()
	return askAt(t, s.Server, "web").token(newToken(t, s.Admin, user))
}

// madeFile is a file as /api/v1/files shows it.
type madeFile struct {
	ID, Name, Hash, UID, Type string
	Size                      int64
	Keywords                  []string
}

// TestPackages does with one server what packages and offers are for.
func TestPackages(t *testing.T) {
	t.Parallel()
	srv := startFiles(t)
	for _, c := range []struct {
		name string
		test func(*testing.T, *fileServer)
	}{
		{"missioncreate", testMissionCreate}, {"offers and receipts", testOffersAndReceipts}, {"hostile archives", testHostileArchives}, {"for everybody", testForEverybody}, {"bounds", testBounds},
		{"of events and files", testPackageOfEvents},
		{"QR code", testPackageQR}, // the last one: the plugin is off then
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, srv) })
	}
}

// A package of what clients sent, made by REST and fetched by a phone.
func testPackageOfEvents(t *testing.T, srv *fileServer) {
	anna, bert := online(t, srv.Server, srv.anna), online(t, srv.Server, srv.bert)
	takclient.Must(t, anna.SA(1, 2))
	bert.ExpectUID(t, anna.UID())
	takclient.Must(t, bert.SA(1, 2))
	anna.ExpectUID(t, bert.UID())
	for _, remarks := range []string{"first", "<latest> & greatest"} {
		marker := takclient.Event{UID: "point/1:2", Type: "b-m-p-s-m", How: "h-e",
			Detail: `<contact callsign="POINT"/><remarks>` + takclient.Escape(remarks) + `</remarks>` + takclient.Marti(takclient.Dest{Kind: "uid", Value: anna.UID()})}
		takclient.Must(t, bert.Send(marker.XML()))
		anna.ExpectUID(t, "point/1:2")
	}
	takclient.Must(t, anna.Send(takclient.Event{UID: "for-all", Type: "b-m-p-s-m", How: "h-e", Detail: `<remarks>x</remarks>`}.XML()))
	bert.ExpectUID(t, "for-all")

	picture := strings.Repeat("picture ", 1000)
	srv.as(t, srv.anna).ask("POST", "/Marti/sync/upload?name=a%20b.png&uid=PIC", "image/png", picture).is(200)
	form, kind := formOf(t, "secret.txt", "text/plain", "for red")
	srv.as(t, srv.anna).ask("POST", "/Marti/sync/upload?uid=SECRET&groups=Red", kind, form).is(200)

	web := srv.webAs(t, "bert") // what he sent to certain clients is his to pack
	ask := map[string]any{"name": "Pack", "events": []string{"point/1:2", "for-all", anna.UID()}, "files": []string{"PIC"}, "keywords": []string{"exercise"}}
	// Events reach the archive a little later.
	eventually(t, "the events are in the archive", func() bool { return web.json("POST", "/api/v1/packages", ask).status != 404 })
	var made, again madeFile
	first := web.json("POST", "/api/v1/packages", ask).is(201)
	first.into(&made)
	web.json("POST", "/api/v1/packages", ask).is(201).into(&again)
	if diff := cmp.Diff(made, again); diff != "" || first.header.Get("Location") != "/api/v1/files/"+made.ID {
		t.Errorf("the same again, Location %q (-first +again):\n%s", first.header.Get("Location"), diff)
	}

	phone := srv.as(t, srv.anna)
	if list := phone.get("/Marti/sync/search?keywords=missionpackage&tool=public").is(200); !strings.Contains(list.body, made.Hash) {
		t.Errorf("a phone does not find it: %s", list.body)
	}
	got := phone.get("/Marti/sync/content?hash=" + made.Hash).is(200)
	if sha(got.body) != made.Hash || int64(len(got.body)) != made.Size || !strings.Contains(got.header.Get("Content-Disposition"), "Pack.zip") {
		t.Fatalf("got %d bytes %v, want %d of %s", len(got.body), got.header, made.Size, made.Hash)
	}
	files := unzip(t, []byte(got.body))
	manifest := string(files["MANIFEST/manifest.xml"])
	entries := regexp.MustCompile(`zipEntry="([^"]*)"`).FindAllStringSubmatch(manifest, -1)
	if len(entries) != 4 || len(files) != 5 {
		t.Fatalf("got %d files and %d entries in %s", len(files), len(entries), manifest)
	}
	for _, e := range entries {
		if _, ok := files[e[1]]; !ok {
			t.Errorf("the manifest has %s, the archive not", e[1])
		}
	}
	point := string(files["point_1_2/point_1_2.cot"])
	if !strings.Contains(point, "&lt;latest&gt; &amp; greatest") || strings.Contains(point, "<marti>") || !strings.Contains(manifest, `name="uid" value="point/1:2"`) {
		t.Errorf("the event is %s, the manifest %s", point, manifest)
	}
	if string(files[sha(picture)+"/a b.png"]) != picture {
		t.Errorf("the picture has %d bytes", len(files[sha(picture)+"/a b.png"]))
	}

	t.Run("not for him", func(t *testing.T) {
		for user, c := range map[string]struct {
			ask  map[string]any
			want string
		}{
			"bert": {map[string]any{"name": "x", "events": []string{"for-all", "none"}, "files": []string{"PIC", "SECRET"}}, "events none; files SECRET"},
			"carl": {ask, "events point/1:2, for-all, " + anna.UID() + "; files PIC"},
		} {
			if got := srv.webAs(t, user).json("POST", "/api/v1/packages", c.ask).is(404); !strings.Contains(got.body, c.want) {
				t.Errorf("%s: got %s, want %q", user, got.body, c.want)
			}
		}
		// Who is not the addressee does not have it by its uid either.
		setGroups(t, srv.Admin, "carl", memberOf("Blue")...)
		defer setGroups(t, srv.Admin, "carl", memberOf("Green")...)
		if got := srv.webAs(t, "carl").json("POST", "/api/v1/packages", ask).is(404); !strings.Contains(got.body, "events point/1:2") || strings.Contains(got.body, "for-all") {
			t.Errorf("carl in the same group: got %s", got.body)
		}
	})
}

// testMissionCreate sends the form of the official server's page.
func testMissionCreate(t *testing.T, srv *fileServer) {
	bert, carl := online(t, srv.Server, srv.bert), online(t, srv.Server, srv.carl)
	takclient.Must(t, bert.SA(1, 2))
	takclient.Must(t, carl.SA(1, 2))
	bert.Sync(t)
	carl.Sync(t)
	form, kind := formOf(t, "a.kml", "application/vnd.google-earth.kml+xml", "<kml/>")
	q := url.Values{"filename": {"sent"}, "contacts": {bert.UID(), carl.UID()}}
	got := srv.as(t, srv.anna).ask("POST", "/Marti/sync/missioncreate?"+q.Encode(), kind, form).is(200)
	if !strings.HasPrefix(got.body, "https://"+publicName+":") || got.header.Get("Content-Type") != "text/plain" {
		t.Fatalf("got %q %q", got.header.Get("Content-Type"), got.body)
	}
	offer := bert.ExpectType(t, "b-f-t-r")
	if !strings.Contains(offer.XML, takclient.Escape(got.body)) {
		t.Errorf("the offer has another URL: %s", offer.XML)
	}
	files := unzip(t, []byte(srv.as(t, srv.bert).get(pathOf(t, got.body)).is(200).body))
	if string(files[sha("<kml/>")+"/a.kml"]) != "<kml/>" || !strings.Contains(string(files["MANIFEST/manifest.xml"]), "/a.kml") {
		t.Errorf("got %s", files)
	}
	notOffered(t, carl) // is in no group of it
	srv.as(t, srv.carl).get(pathOf(t, got.body)).is(404)
	for i, want := range []string{"1", "2", "3"} {
		if got := srv.as(t, srv.bert).get("/Marti/api/sync/sequence/markers").is(200); got.body != want {
			t.Errorf("number %d of the sequence: got %q", i+1, got.body)
		}
	}
}

// What clients answer to an offer of the server is told to who made it, and an offer
// waits for who is not there.
func testOffersAndReceipts(t *testing.T, srv *fileServer) {
	bert := online(t, srv.Server, srv.bert)
	takclient.Must(t, bert.SA(1, 2))
	bert.Sync(t)
	content := packageOf(t, "offered")
	srv.as(t, srv.anna).upload("p.zip", "ANNA", content)
	web := srv.webAs(t, "anna")
	var list struct{ Files []madeFile }
	web.get("/api/v1/files?hash=" + strings.ToUpper(sha(content))).is(200).into(&list)
	if len(list.Files) != 1 {
		t.Fatalf("list: got %+v", list)
	}
	id := list.Files[0].ID
	live := srv.rest(t).sse("/api/v1/live?stream=files")
	var sent struct {
		Event            string
		Missing, Waiting []string
	}
	web.json("POST", "/api/v1/files/"+id+"/send", map[string]any{"callsigns": []string{bert.Callsign()}, "uids": []string{"LATER"}, "wait": true}).is(200).into(&sent)
	if !cmp.Equal(sent.Missing, []string{"LATER"}) || !cmp.Equal(sent.Waiting, sent.Missing) {
		t.Errorf("send: got %+v", sent)
	}
	got := bert.Expect(t, takclient.UID(sent.Event))
	// The way of ATAK: to the contact that the offer came from, by its callsign.
	callsign := regexp.MustCompile(`<contact callsign="([^"]*)" endpoint="\*:-1:stcp"/>`).FindStringSubmatch(got.XML)
	if callsign == nil || !strings.Contains(got.XML, `senderUid="`+sent.Event+`"`) {
		t.Fatalf("the offer names no contact to answer to: %s", got.XML)
	}
	answer := takclient.Event{UID: bert.UID(), Type: "b-f-t-a", How: "m-g",
		Detail: fmt.Sprintf(`<contact callsign="%s" endpoint="*:-1:stcp"/><ackresponse uid="%s" senderUid="%s" success="true" tag="p.zip" reason="" sha256="%s" sizeInBytes="%d"/>`,
			bert.Callsign(), sent.Event, bert.UID(), sha(content), len(content)) + takclient.Marti(takclient.Dest{Kind: "callsign", Value: callsign[1]})}
	takclient.Must(t, bert.Send(answer.XML()))
	type offers struct {
		Offers []struct {
			Event    string
			Waiting  []string
			Received []struct {
				UID, Callsign, User string
				Success             bool
			}
		}
	}
	received := func(n int) (o offers) {
		t.Helper()
		eventually(t, fmt.Sprintf("%d clients have the file", n), func() bool {
			o = offers{}
			web.get("/api/v1/files/" + id + "/offers").is(200).into(&o)
			return len(o.Offers) == 1 && len(o.Offers[0].Received) == n
		})
		return o
	}
	if o := received(1).Offers[0]; o.Received[0].UID != bert.UID() || o.Received[0].User != "bert" || o.Received[0].Callsign != bert.Callsign() || !o.Received[0].Success || o.Event != sent.Event {
		t.Errorf("offers: got %+v", o)
	}
	var told struct {
		File, UID string
		Success   bool
	}
	if err := json.Unmarshal(live.expect(t, 1)[0].Data, &told); err != nil || told.File != id || told.UID != bert.UID() || !told.Success {
		t.Errorf("live: got %+v, error %v", told, err)
	}
	srv.webAs(t, "bert").get("/api/v1/files/" + id + "/offers").is(404) // it is private: he has the hash, no number
	srv.webAs(t, "carl").get("/api/v1/files/" + id + "/offers").is(404)

	later := online(t, srv.Server, issue(t, srv.Admin, "bert", false), takclient.WithUID("LATER"))
	takclient.Must(t, later.SA(5, 6))
	if got := later.Expect(t, takclient.UID(sent.Event)); !strings.Contains(got.XML, sha(content)) {
		t.Errorf("the offer that waited: got %s", got.XML)
	}
	answer.UID, answer.Detail = "LATER", strings.ReplaceAll(answer.Detail, bert.UID(), "LATER")
	takclient.Must(t, later.Send(answer.XML()))
	if o := received(2).Offers[0]; len(o.Waiting) != 0 || o.Received[1].UID != "LATER" {
		t.Errorf("offers: got %+v", o)
	}
	web.ask("DELETE", "/api/v1/files/"+id, "", "").is(200)
	web.get("/api/v1/files/" + id + "/offers").is(404)
}

func testPackageQR(t *testing.T, srv *fileServer) {
	content := packageOf(t, "by QR")
	form, kind := formOf(t, "p.zip", "application/zip", content)
	srv.as(t, srv.anna).ask("POST", "/Marti/sync/upload?keywords=missionpackage", kind, form).is(200)
	api := srv.rest(t)
	picture := func(r *rest) {
		t.Helper()
		got := r.get("/GenerateQR?datapackage_hash=" + strings.ToUpper(sha(content))).is(200)
		if _, err := jpeg.Decode(strings.NewReader(got.body)); err != nil || got.header.Get("Content-Type") != "image/jpeg" {
			t.Errorf("got %q, %v", got.header.Get("Content-Type"), err)
		}
	}
	picture(api)
	picture(api.nobody())
	none := func(hash, why string) {
		t.Helper()
		if got := api.nobody().get("/GenerateQR?datapackage_hash=" + hash).is(404); got.body != `{"message":"`+why+`"}` {
			t.Errorf("got %s, want %s", got.body, why)
		}
	}
	none(sha("none"), "there is no data package with that hash")
	srv.as(t, srv.anna).ask("PUT", "/Marti/api/sync/metadata/"+sha(content)+"/tool", "text/plain", "private").is(200)
	none(sha(content), "there is no data package with that hash")
	picture(api)
	var where struct{ URL string }
	api.post("/v2/files/package-url", `{"hash":"`+sha(content)+`"}`).is(200).into(&where)
	if got := askAt(t, srv.Server, "https").certificate(srv.bert.Cert).get(pathOf(t, where.URL)).is(200); got.body != content {
		t.Errorf("%s: got %d bytes of %d", where.URL, len(got.body), len(content))
	}
	api.post("/api/v1/plugins/files/disable", "").is(200)
	srv.Reaches(t, "files", plugin.Disabled)
	none(sha(content), "the plugin files is not active")
}

// Archives that are made to harm, at the door of each way in.
func testHostileArchives(t *testing.T, srv *fileServer) {
	anna := srv.as(t, srv.anna)
	for name, c := range map[string]struct {
		content string
		want    string // of the reason; empty: it is fine
	}{
		"zip in zip":          {zipped(t, zip.Deflate, "MANIFEST/manifest.xml", emptyManifest, "inner.zip", packageOf(t, "inner")), ""},
		"stored":              {zipped(t, zip.Store, "MANIFEST/manifest.xml", emptyManifest, "a", "b"), ""},
		"no such manifest":    {zipped(t, zip.Deflate, "MANIFEST/manifest.xml", "<m/>"), "not a MissionPackageManifest"},
		"manifest, no XML":    {zipped(t, zip.Deflate, "MANIFEST/manifest.xml", "hello"), "cannot be read"},
		"manifest of 2 MiB":   {zipped(t, zip.Store, "MANIFEST/manifest.xml", emptyManifest+strings.Repeat(" ", 2<<20)), "at most 1048576 are possible"},
		"zip64":               {zip64(t), ""},
		"manifest of 500 MiB": {bomb(t, "MANIFEST/manifest.xml", 500), "more than 200 times"},
		"a file of 5 GiB":     {claims(t, 5<<30), "more than 4294967296 bytes"},
		"100,000 entries":     {manyEntries(t, 100_000), "100000 files"},
		"backslashes":         {zipWith(t, "MANIFEST/manifest.xml", `..\..\evil`), `has the part \"..\"`},
		"absolute":            {zipWith(t, "MANIFEST/manifest.xml", "/etc/passwd"), "no relative one"},
		"a drive":             {zipWith(t, "MANIFEST/manifest.xml", "C:/x"), "that of a drive"},
		"up":                  {zipWith(t, "MANIFEST/manifest.xml", "a/../../x"), `has the part \"..\"`},
		"control characters":  {zipWith(t, "MANIFEST/manifest.xml", "a\r\nb"), "control characters"},
		"NUL":                 {zipWith(t, "MANIFEST/manifest.xml", "a\x00b"), "control characters"},
		"twice":               {zipWith(t, "MANIFEST/manifest.xml", "a", "a"), "is there twice"},
		"file and folder":     {zipWith(t, "MANIFEST/manifest.xml", "a", "a/b"), "a file and a folder"},
		"a long name":         {zipWith(t, "MANIFEST/manifest.xml", strings.Repeat("n", 10_000)), "more than 512 bytes"},
		"deep":                {zipWith(t, "MANIFEST/manifest.xml", strings.Repeat("d/", 200)+"x"), "200 folders deep"},
		"a link":              {link(t), "is a link"},
		"encrypted":           {flagged(t, 1), "is encrypted"},
		"no directory":        {packageOf(t, "x")[:40], "broken, or none"},
		"broken directory":    {broken(t), "broken, or none"},
		"no manifest":         {zipWith(t, "MANIFEST/other.xml"), "MANIFEST/manifest.xml"},
		"nothing":             {"", "broken, or none"},
		"no archive":          {strings.Repeat("PK", 1000), "broken, or none"},
	} {
		t.Run(name, func(t *testing.T) {
			form, kind := formOf(t, "p.zip", "application/zip", c.content)
			for _, way := range []string{"/Marti/sync/missionupload?filename=hostile.zip", "/Marti/sync/upload?name=hostile.zip&keywords=missionpackage"} {
				got := anna.in(t).ask("POST", way, kind, form)
				if c.want == "" {
					got.is(200)
					if back := anna.in(t).get("/Marti/sync/content?hash=" + sha(c.content)).is(200); back.body != c.content {
						t.Errorf("got %d bytes of %d back", len(back.body), len(c.content))
					}
					continue
				}
				if got.is(400); !strings.Contains(got.body, c.want) || len(got.body) > 2000 || strings.ContainsAny(got.body, "\r\x00") {
					t.Errorf("%s: got %.300q, want %q in it", way, got.body, c.want)
				}
				anna.in(t).get("/Marti/sync/content?hash=" + sha(c.content)).is(404)
			}
		})
	}
	if got := anna.get("/Marti/sync/search?keywords=missionpackage&name=hostile.zip").is(200); strings.Count(got.body, `"UID"`) != 3 {
		t.Errorf("after all: got %s", got.body)
	}
}

// What the host allows in one call is enough for the most that there can be.
func testBounds(t *testing.T, srv *fileServer) {
	const copies, longest, largest = 50, 3900, 300
	anna, web := srv.as(t, srv.anna), srv.webAs(t, "anna")
	for i := range copies {
		anna.ask("POST", fmt.Sprintf("/Marti/sync/upload?name=copy-%d", i), "text/plain", "copies").is(200)
	}
	anna.ask("POST", "/Marti/sync/upload?name=copy", "text/plain", "copies").is(429)
	at := "/Marti/api/sync/metadata/" + sha("copies") + "/tool"
	anna.ask("PUT", at, "text/plain", "private").is(200)
	if got := srv.as(t, srv.bert).get("/Marti/sync/search?name=copy-.*").is(200); !strings.Contains(got.body, `"resultCount":0`) {
		t.Errorf("after all are private others find %s", got.body)
	}
	anna.ask("DELETE", "/Marti/sync/delete?hash="+sha("copies"), "", "").is(200)
	anna.get("/Marti/sync/content?hash=" + sha("copies")).is(404)

	remarks := url.QueryEscape(strings.Repeat(`"\`, longest))
	for i := range largest {
		anna.ask("POST", fmt.Sprintf("/Marti/sync/upload?name=long-%d&remarks=%s", i, remarks), "text/plain", fmt.Sprint("long ", i)).is(200)
	}
	for _, path := range []string{"/Marti/sync/search", "/Marti/api/files/metadata?limit=2000&sort=name", "/Marti/api/files/metadata/count"} {
		anna.get(path).is(200)
	}
	files, after := 0, ""
	for pages := 0; ; pages++ {
		var page struct {
			Files []madeFile
			Next  string
		}
		web.get("/api/v1/files?limit=1000&after=" + url.QueryEscape(after)).is(200).into(&page)
		files += len(page.Files)
		if after = page.Next; after == "" || pages > largest {
			break
		}
	}
	if files < largest {
		t.Errorf("pages give %d files, want %d and more", files, largest)
	}
}

// What the administrator puts is for everybody, in groups too that are made later.
func testForEverybody(t *testing.T, srv *fileServer) {
	srv.rest(t).ask("POST", "/api/v1/files?name=for-all.txt", "text/plain", "for all").is(201)
	addGroups(t, srv.Admin, "Later")
	addUser(t, srv.Admin, "late", memberOf("Later")...)
	late := srv.as(t, issue(t, srv.Admin, "late", false))
	if got := late.get("/Marti/sync/search").is(200); !strings.Contains(got.body, `"resultCount":1,`) || !strings.Contains(got.body, "for-all.txt") {
		t.Errorf("who is in a later group finds %s", got.body)
	}
	if got := late.get("/Marti/sync/content?hash=" + sha("for all")).is(200); got.body != "for all" {
		t.Errorf("he gets %q", got.body)
	}
}
