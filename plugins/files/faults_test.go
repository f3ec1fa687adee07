package main

import (
	"mime"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/sdk"
	"github.com/takhost/takhost/sdk/plugintest"
)

func TestCleanType(t *testing.T) {
	for in, want := range map[string]string{
		"image/png": "image/png", " Image/PNG ": "image/png", "text/plain; charset=UTF-8": "text/plain; charset=utf-8", `text/plain;charset="utf-8"`: "text/plain; charset=utf-8",
		"text/html x": unknownType, "text/html ;evil=\x01": "text/html", "text/plain; charset=a b": "text/plain", "text/plain; format=flowed; charset=x": "text/plain; charset=x",
		"text/html;charset=" + strings.Repeat("x", 300): "text/html", "MULTIPART/form-data; boundary=x": unknownType, "Application/X-WWW-Form-Urlencoded": unknownType,
		"text": unknownType, "/": unknownType, "a/b/c": unknownType, "a/" + strings.Repeat("b", 200): unknownType, "text/plain\r\nX: y": unknownType, "": unknownType, "text/pläin": unknownType,
	} {
		got := cleanType(in)
		if got != want {
			t.Errorf("cleanType(%q): got %q, want %q", in, got, want)
		}
		if _, _, err := mime.ParseMediaType(got); err != nil {
			t.Errorf("cleanType(%q) = %q: %v", in, got, err)
		}
	}
}

func TestRecord(t *testing.T) {
	b := start(t)
	at := b.Now()
	for name, f := range map[string]*file{
		"bare": {added: at},
		"full": {hash: hashOf("x"), size: 1 << 40, uid: "u", name: "n ä", mime: "a/b", tool: "t", submitter: "s", creator: "c", remarks: "r\n", path: "p", mission: "m",
			keywords: []string{"k", ""}, permissions: []string{"p"}, contacts: []string{"c"}, groups: []string{"g", strings.Repeat("h", 200)},
			located: true, lat: -51.25, lon: 179.5, high: true, altitude: -3e7, added: at, expires: at.Add(1000)},
	} {
		t.Run(name, func(t *testing.T) {
			f.key, f.set = 7, 3
			body := f.body()
			got, err := parse(&sdk.Document{ID: "7", Set: 3, Body: body})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(f, got, cmp.AllowUnexported(file{})); diff != "" {
				t.Errorf("read back (-want +got):\n%s", diff)
			}
			for n := range body {
				if _, err := parse(&sdk.Document{ID: "7", Body: body[:n]}); err == nil {
					t.Errorf("%d of %d bytes are read", n, len(body))
				}
			}
			if _, err := parse(&sdk.Document{ID: "7", Body: append(body, 0)}); err == nil {
				t.Error("a byte too many is read")
			}
		})
	}
	for _, body := range []string{"{}", "\x02", "\x01" + strings.Repeat("\xff", 30), "\x01\x00\x00\x00\x00" + strings.Repeat("\xff", 30)} {
		if _, err := parse(&sdk.Document{ID: "7", Body: []byte(body)}); err == nil {
			t.Errorf("%q is read", body)
		}
	}
}

func TestDescriptionIsBounded(t *testing.T) {
	b := start(t)
	words := url.QueryEscape(strings.TrimSuffix(strings.Repeat(strings.Repeat("w", 88)+"N,", 99), ","))
	unique := ""
	for i := range 90 {
		unique += strconv.Itoa(i) + strings.Repeat("w", 96) + ","
	}
	for name, c := range map[string]struct{ query, want string }{
		"much of all":     {"keywords=" + unique + "&contacts=" + unique + "&permissions=" + unique, "8192 are possible"},
		"names what most": {"keywords=a&contacts=" + unique, "most of it is contacts"},
		"NUL in a uid":    {"uid=a%00b", "uid"},
		"CRLF in a uid":   {"uid=a%0d%0ab", "uid"},
		"in a keyword":    {"keywords=a%0ab", "keywords"},
		"in a creator":    {"creatorUid=a%1bb", "creatorUid"},
		"NUL in remarks":  {"remarks=a%00b", "remarks"},
		"another's hash":  {"uid=" + hashOf("other"), "SHA-256 of another"},
		"in upper case":   {"uid=" + strings.ToUpper(hashOf("other")), "SHA-256 of another"},
	} {
		t.Run(name, func(t *testing.T) {
			if a := b.in(t).ask(b.anna, 400, "POST", "/Marti/sync/upload?name=x&"+c.query, "text/plain", "text"); !strings.Contains(a.Body, c.want) {
				t.Errorf("got %q, want %q in it", a.Body, c.want)
			}
		})
	}
	f := b.raw(b.anna, "name=x&keywords="+words+"&remarks=a%0ab&uid="+hashOf("text"), "text/plain", "text")
	if f.Remarks != "a\nb" || f.UID != f.Hash {
		t.Errorf("got %+v", f)
	}
	list := `["` + strings.ReplaceAll(strings.Trim(unique, ","), ",", `","`) + `"]`
	b.ask(b.anna, 400, "PUT", "/Marti/api/sync/metadata/"+f.Hash+"/keywords", "text/plain", list)
}

func TestFilesPerUser(t *testing.T) {
	b := start(t, plugintest.Config(`{"files_per_user": 3}`))
	upload := func(as *sdk.Caller, status int, name string) string {
		t.Helper()
		return b.ask(as, status, "POST", "/Marti/sync/upload?name="+name, "text/plain", name).Body
	}
	for i := range 3 {
		upload(b.anna, 200, itoa(i))
		upload(b.nobody, 200, "n"+itoa(i))
	}
	if got := upload(b.anna, 429, "3"); !strings.Contains(got, "3 files") {
		t.Errorf("got %q", got)
	}
	upload(b.anna, 200, "2") // the same again
	upload(b.bert, 200, "b")
	other := *b.nobody
	other.Client = "ANOTHER"
	upload(&other, 429, "x")
	for i := range 5 {
		upload(b.admin, 200, "a"+itoa(i))
	}
	b.ask(b.anna, 200, "DELETE", "/Marti/sync/delete?hash="+hashOf("0"), "", "")
	upload(b.anna, 200, "3")
}

// A change by hash holds for all uploads of it, or for none.
func TestChangesHoldForAll(t *testing.T) {
	b := start(t)
	var last syncFile
	for i := range mostCopies {
		last = b.raw(b.anna, "name=n"+itoa(i), "text/plain", "same")
	}
	if a := b.ask(b.anna, 429, "POST", "/Marti/sync/upload?name=more", "text/plain", "same"); !strings.Contains(a.Body, "50 times") {
		t.Errorf("one too many: got %q", a.Body)
	}
	b.ask(b.anna, 200, "PUT", "/Marti/api/sync/metadata/"+last.Hash+"/tool", "text/plain", "private")
	if got := b.found(b.bert, ""); got != "" {
		t.Errorf("after all are private others find %s", got)
	}
	b.raw(b.bert, "name=his", "text/plain", "same")
	for _, at := range []string{"/Marti/sync/delete?hash=" + last.Hash, "/Marti/api/files/" + last.Hash} {
		if a := b.ask(b.otto, 429, "DELETE", at, "", ""); !strings.Contains(a.Body, "nothing was changed") {
			t.Errorf("%s by an operator: got %q", at, a.Body)
		}
	}
	if got := len(b.Documents("files")); got != mostCopies+1 {
		t.Errorf("after refusals there are %d files, want %d", got, mostCopies+1)
	}
	b.ask(b.anna, 200, "DELETE", "/Marti/sync/delete?hash="+last.Hash, "", "")
	if got := b.found(b.otto, ""); got != "his" {
		t.Errorf("after a deletion there are %q, want his", got)
	}
}

// Numbers can be counted up to: a private file opens by its hash or uid alone.
func TestPrivateFilesByNumber(t *testing.T) {
	b := start(t)
	content := zipOf(t, "manifest.xml", "x")
	f := b.raw(b.anna, "name=p.zip&keywords=missionpackage&tool=private&uid=U", "application/zip", content)
	b.send(b.anna, 200, f.PrimaryKey, `{"all": true}`)
	for _, at := range []string{
		"GET /api/v1/files/1", "GET /api/v1/files/1/content", "GET /api/v1/files/1/offers", "DELETE /api/v1/files/1", "DELETE /Marti/sync/delete?PrimaryKey=1",
		`POST /api/v1/files/1/send {"all":true}`, `POST /api/v1/packages {"name":"x","files":["1"]}`,
		`PUT /DataPackageTable {"DataPackages":[{"PrimaryKey":"1","Privacy":0}]}`, `DELETE /DataPackageTable {"DataPackages":[{"PrimaryKey":"1"}]}`,
	} {
		parts := strings.SplitN(at, " ", 3)
		body, kind := "", ""
		if len(parts) == 3 {
			body, kind = parts[2], "application/json"
		}
		b.ask(b.carl, 404, parts[0], parts[1], kind, body)
	}
	for _, name := range []string{f.Hash, "U"} {
		b.get(b.carl, 200, "/Marti/sync/content?hash="+name)
		b.create(b.carl, 201, `{"name": "`+name+`", "files": ["`+name+`"]}`)
	}
	for _, who := range []*sdk.Caller{b.anna, b.otto, b.admin} {
		b.get(who, 200, "/api/v1/files/1")
	}
}

// A uid stays that of its first sender, also where the other one cannot know of him.
func TestUidsAreNotTaken(t *testing.T) {
	b := start(t)
	red, blue := *b.anna, *b.bert
	red.InSet, red.OutSet, red.User = b.Set("Red"), b.Set("Red"), "ruth"
	b.raw(&red, "name=red&uid=U", "text/plain", "red")
	b.raw(&blue, "name=blue&uid=U", "text/plain", "blue") // he does not see the other
	for name, c := range map[string]struct {
		as   *sdk.Caller
		want string
	}{"sees both": {b.carl, "red"}, "the first": {&red, "red"}, "the second has his own": {&blue, "blue"}} {
		if got := b.get(c.as, 200, "/Marti/sync/content?uid=U").Body; got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	if got := b.found(b.carl, "uid=U"); got != "red" {
		t.Errorf("search: got %q, want red", got)
	}
	if a := b.ask(b.carl, 409, "POST", "/Marti/sync/upload?uid=U&name=c", "text/plain", "carl"); !strings.Contains(a.Body, "uid") {
		t.Errorf("a uid that is taken: got %q", a.Body)
	}
	b.raw(b.carl, "uid=U&name=same", "text/plain", "red") // the same content does no harm
	b.Advance(1e9)
	b.raw(&red, "name=red2&uid=U", "text/plain", "red, new")
	if got := b.get(b.anna, 200, "/Marti/sync/content?uid=U").Body; got != "red, new" {
		t.Errorf("after an update of his own: got %q", got)
	}
	// What is a hash is never a uid.
	b.get(b.carl, 404, "/Marti/sync/content?hash="+hashOf("none"))
}

// Who is connected and does not get an offer is told as missing, and whom the caller may
// not see is as if he were not there.
func TestWhoIsMissing(t *testing.T) {
	b := start(t)
	f := b.raw(b.bert, "name=f", "text/plain", "x") // for Blue
	b.Connect(
		sdk.Client{UID: "OPS", Callsign: "OPS", Listener: "tls", InSet: b.Set("Ops")}, // bert does not see it
		sdk.Client{UID: "RED", Callsign: "RED", Listener: "tls", InSet: b.anna.InSet, OutSet: b.Set("Red")},
		sdk.Client{UID: "HIDDEN", Callsign: "HIDDEN", Listener: "tls", InSet: b.Set("Red"), OutSet: b.Set("Blue")},
		sdk.Client{UID: "OK", Callsign: "OK", Listener: "tls", InSet: b.bert.InSet},
	)
	sent := b.send(b.bert, 200, f.PrimaryKey, `{"callsigns": ["OPS", "RED", "HIDDEN", "OK", "NONE"], "uids": ["RED", "OK"]}`)
	if want := []string{"RED", "OPS", "RED", "HIDDEN", "NONE"}; !cmp.Equal(sent.Missing, want) {
		t.Errorf("missing: got %v, want %v", sent.Missing, want)
	}
	b.offered("Blue uids OK callsigns OK except  https://tak.example.org:8443/Marti/sync/content?hash=" + f.Hash)
	var texts []string
	for _, name := range []string{"OPS", "RED", "HIDDEN", "NONE"} {
		a := b.ask(b.bert, 404, "POST", "/api/v1/files/1/send", "application/json", `{"callsigns": ["`+name+`"]}`)
		texts = append(texts, strings.ReplaceAll(a.Body, name, "X"))
	}
	if slices.Sort(texts); len(slices.Compact(texts)) != 1 {
		t.Errorf("answers differ: %q", texts)
	}
	b.offered()
}

func TestPaceOfOffers(t *testing.T) {
	b := start(t)
	f := b.raw(b.anna, "name=f", "text/plain", "x")
	for range offersAtOnce {
		b.send(b.anna, 200, f.PrimaryKey, `{"all": true}`)
	}
	b.send(b.anna, 429, f.PrimaryKey, `{"all": true}`)
	b.ask(b.anna, 429, "POST", "/BroadcastDataPackage?uid="+f.Hash, "", "")
	b.send(b.carl, 200, f.PrimaryKey, `{"all": true}`)
	b.Advance(2 * offerEvery)
	b.send(b.anna, 200, f.PrimaryKey, `{"all": true}`)
	b.send(b.anna, 200, f.PrimaryKey, `{"all": true}`)
	b.send(b.anna, 429, f.PrimaryKey, `{"all": true}`)
	b.Emitted()
}

// Who administers the server sends for everybody, also for groups that are made later.
func TestFilesForEverybody(t *testing.T) {
	b := start(t, plain)
	all := *b.admin
	all.User, all.InSet, all.OutSet = everybody, b.Set("Blue", "Ops", "Red"), b.Set("Blue", "Ops", "Red")
	var f cleanFile
	a := b.ask(&all, 201, "POST", "/api/v1/files?name=x", "text/plain", "1")
	if b.JSON(a, &f); !strings.Contains(a.Body, `"everybody":true`) {
		t.Errorf("got %s", a.Body)
	}
	b.ask(&all, 201, "POST", "/api/v1/files?name=ops&groups=Ops", "text/plain", "2")
	late := *b.anna
	late.User, late.InSet, late.OutSet = "late", b.Set("Later"), b.Set("Later")
	for _, who := range []*sdk.Caller{&late, b.bert, b.nobody} {
		if got := b.found(who, ""); got != "x" {
			t.Errorf("%s finds %q, want x", who.User, got)
		}
		b.get(who, 200, "/Marti/sync/missionquery?hash="+f.Hash)
	}
	b.Connect(sdk.Client{UID: "L", Callsign: "L", Listener: "tls", InSet: late.InSet})
	b.send(&late, 200, f.ID, `{"uids": ["L"]}`)
	b.Emitted()
	b.send(&all, 200, f.ID, `{"uids": ["WAITS"], "wait": true}`)
	b.Connect(sdk.Client{UID: "WAITS", Callsign: "W", Listener: "tls", InSet: b.bert.InSet})
	b.offered("Blue,Ops,Red uids WAITS callsigns  except  https://tak.example.org:8443/Marti/sync/content?hash=" + f.Hash)
	b.ask(&late, 403, "DELETE", "/api/v1/files/"+f.ID, "", "")
}
