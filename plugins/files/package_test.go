package main

import (
	"archive/zip"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/sdk"
)

// marker is an event that a client sent.
func marker(uid, callsign, more string) string {
	return `<event version="2.0" uid="` + uid + `" type="b-m-p-s-m" how="h-e" time="2024-05-01T12:00:00Z" start="2024-05-01T12:00:00Z" stale="2024-05-02T12:00:00Z">` +
		`<point lat="1" lon="2" hae="3" ce="4" le="5"/><detail><contact callsign="` + callsign + `"/>` + more + `</detail></event>`
}

// unzip gives the files of an archive that the server keeps, in their order.
func (b *bed) unzip(hash string) (names []string, content map[string]string) {
	b.t.Helper()
	file, ok := b.File(hash)
	if !ok {
		b.t.Fatalf("there is no file %s", hash)
	}
	z, err := zip.NewReader(strings.NewReader(string(file)), int64(len(file)))
	if err != nil {
		b.t.Fatal(err)
	}
	content = map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			b.t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			b.t.Fatal(err)
		}
		names, content[f.Name] = append(names, f.Name), string(text)
	}
	return names, content
}

// create makes a package by REST.
func (b *bed) create(as *sdk.Caller, status int, body string) (f cleanFile, text string) {
	b.t.Helper()
	a := b.ask(as, status, "POST", "/api/v1/packages", "application/json", body)
	if status == 201 {
		b.JSON(a, &f)
		if want := "/api/v1/files/" + f.ID; a.Header["location"] != want {
			b.t.Errorf("Location: got %q, want %q", a.Header["location"], want)
		}
	}
	return f, a.Body
}

func TestCreatePackage(t *testing.T) {
	b := start(t)
	red := sdk.Client{UID: "EUD-red", User: "anna", InSet: b.Set("Red")}
	blue := sdk.Client{UID: "EUD-blue", User: "bert", InSet: b.Set("Blue")}
	b.EventsFrom(blue, marker("ANDROID-1:2", "First", ""))
	b.EventsFrom(blue, marker("ANDROID-1:2", "Latest", `<marti><dest callsign="All Streaming"/></marti><remarks>a &amp; b</remarks>`))
	b.EventsFrom(red, marker("secret", "Secret", ""))
	picture := b.raw(b.bert, "name=p.png&uid=PIC", "image/png", "picture")
	hidden := b.raw(b.anna, "name=red.txt&groups=Red", "text/plain", "red")

	const body = `{"name": "Pack <1>", "events": ["ANDROID-1:2"], "files": ["PIC"], "keywords": ["k"], "remarks": "r", "private": true, "expires": "2024-05-02T12:00:00Z", "delete": true}`
	f, _ := b.create(b.bert, 201, body)
	entry := picture.Hash + "/p.png"
	names, content := b.unzip(f.Hash)
	if diff := cmp.Diff([]string{"MANIFEST/manifest.xml", "ANDROID-1_2/ANDROID-1_2.cot", entry}, names); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	want := `<?xml version="1.0" encoding="UTF-8"?><MissionPackageManifest version="2"><Configuration><Parameter name="uid" value="` + f.UID + `"/>` +
		`<Parameter name="name" value="Pack &lt;1&gt;"/><Parameter name="remarks" value="r"/><Parameter name="onReceiveImport" value="true"/><Parameter name="onReceiveDelete" value="true"/></Configuration>` +
		`<Contents><Content ignore="false" zipEntry="ANDROID-1_2/ANDROID-1_2.cot"><Parameter name="uid" value="ANDROID-1:2"/><Parameter name="name" value="Latest"/><Parameter name="isCOT" value="true"/></Content>` +
		`<Content ignore="false" zipEntry="` + entry + `"><Parameter name="name" value="p.png"/><Parameter name="contentType" value="image/png"/></Content></Contents></MissionPackageManifest>`
	if diff := cmp.Diff(want, content[manifestName]); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(`<?xml version="1.0" encoding="UTF-8"?>`+"\n"+marker("ANDROID-1:2", "Latest", "<remarks>a &amp; b</remarks>"), content["ANDROID-1_2/ANDROID-1_2.cot"]); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
	if content[entry] != "picture" || !f.Private || f.Expires != "2024-05-02T12:00:00.000Z" || f.Name != "Pack <1>.zip" || f.Type != packageType ||
		!cmp.Equal(f.Keywords, []string{"missionpackage", "k"}) || f.User != "bert" || f.UID == "" {
		t.Errorf("got %+v", f)
	}

	again, _ := b.create(b.bert, 201, body)
	if again.ID != f.ID || again.Hash != f.Hash || again.UID != f.UID {
		t.Errorf("the same again: got %+v, want the one of before", again)
	}
	other, _ := b.create(b.bert, 201, strings.Replace(body, "Pack <1>", "Other", 1))
	if other.UID == f.UID || other.Hash == f.Hash {
		t.Errorf("another name: got the same uid or content")
	}

	id := strconv.FormatInt(b.Now().UnixMilli()<<22|1, 10) // as the kit numbers the first
	old, _ := b.create(b.bert, 201, `{"name": "old", "events": ["`+id+`", "`+id+`"], "files": ["`+picture.PrimaryKey+`", "`+strings.ToUpper(picture.Hash)+`"], "uid": "MINE", "import": false}`)
	names, content = b.unzip(old.Hash)
	if old.UID != "MINE" || len(names) != 3 || !strings.Contains(content[names[1]], `callsign="First"`) || !strings.Contains(content[manifestName], `name="onReceiveImport" value="false"`) {
		t.Errorf("by ids: got %+v, %v, %s", old, names, content[manifestName])
	}

	for name, c := range map[string]struct {
		as     *sdk.Caller
		status int
		body   string
		want   string
	}{
		"nothing":       {b.bert, 400, `{"name": "x"}`, "at least one"},
		"no name":       {b.bert, 400, `{"events": ["ANDROID-1:2"]}`, "name"},
		"bad name":      {b.bert, 400, `{"name": "../", "files": ["PIC"]}`, "no name of a file"},
		"long name":     {b.bert, 400, `{"name": "` + strings.Repeat("ä", 200) + `", "files": ["PIC"]}`, "400 bytes"},
		"unknown key":   {b.bert, 400, `{"name": "x", "file": ["PIC"]}`, "file"},
		"not there":     {b.bert, 404, `{"name": "x", "events": ["ANDROID-1:2", "none", "secret", "77"], "files": ["PIC", "nofile", "` + hidden.Hash + `", "` + hidden.PrimaryKey + `"]}`, "events none, secret, 77; files nofile, " + hidden.Hash + ", " + hidden.PrimaryKey},
		"many events":   {b.bert, 400, `{"name": "x", "events": [` + strings.Repeat(`"a",`, 300) + `"b"]}`, "events"},
		"many keywords": {b.bert, 400, `{"name": "x", "files": ["PIC"], "keywords": [` + strings.Repeat(`"a",`, 9_999) + `"b"]}`, "keywords"},
		"over":          {b.bert, 400, `{"name": "x", "files": ["PIC"], "expires": "2020-01-01T00:00:00Z"}`, "expires"},
		"no time":       {b.bert, 400, `{"name": "x", "files": ["PIC"], "expires": "99999999999999999999"}`, "expires"},
		"foreign group": {b.bert, 403, `{"name": "x", "files": ["PIC"], "groups": ["Red"]}`, "Red"},
		"other groups":  {b.nobody, 404, `{"name": "x", "files": ["PIC"]}`, "files PIC"},
		"deep JSON":     {b.bert, 400, `{"name": ` + strings.Repeat("[", 10_000), "body"},
		"wrong kind":    {b.bert, 400, `{"name": 5, "files": {"a": 1}}`, "name"},
	} {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			before := len(b.Documents("files"))
			if _, text := b.create(c.as, c.status, c.body); !strings.Contains(text, c.want) {
				t.Errorf("got %q, want %q in it", text, c.want)
			}
			if got := len(b.Documents("files")); got != before {
				t.Errorf("there are %d files, %d before", got, before)
			}
		})
	}
	if f, _ := b.create(b.anna, 201, `{"name": "red", "events": ["secret"], "files": ["`+hidden.Hash+`"], "groups": ["Red"]}`); !cmp.Equal(f.Groups, []string{"Red"}) {
		t.Errorf("groups: got %v", f.Groups)
	}
	reader := *b.bert
	reader.InSet = 0
	b.create(&reader, 403, `{"name": "x", "files": ["PIC"]}`)
}

func TestSegment(t *testing.T) {
	for in, want := range map[string]string{
		"a.txt": "a.txt", "": "_", "..": "_", ".": "_", "a/b": "a_b", `..\..\x`: ".._.._x", "C:x": "C_x", "con": "_con", "Com1.txt": "_Com1.txt", "COM12": "COM12",
		"NUL .x": "_NUL .x", "name. ": "name", "a\x00b\r\n": "ab", "\u202egpj": "gpj", "a\u200fb": "ab", "ok?*|<>\"": "ok______", "ä": "ä", "...": "_",
		strings.Repeat("x", 300): strings.Repeat("x", maxSegment),
	} {
		if got := segment(in); got != want {
			t.Errorf("segment(%q): got %q, want %q", in, got, want)
		}
	}
}

// Names of which a system makes one get another each.
func TestEntriesAreUnique(t *testing.T) {
	b := &bundle{}
	for range 3 {
		b.addEvent("a/b", "", "<event/>")
	}
	b.addEvent("A_B", "", "<event/>")
	b.addEvent("MANIFEST", "", "<event/>")
	b.addFile("h", "F.PNG", "", 1)
	b.addFile("h", "f.png", "", 1)
	var got []string
	for _, e := range b.entries {
		got = append(got, e.Name)
	}
	if diff := cmp.Diff([]string{"a_b/a_b.cot", "a_b/a_b-2.cot", "a_b/a_b-3.cot", "A_B/A_B-4.cot", "MANIFEST/MANIFEST.cot", "h/F.PNG", "h/f-2.png"}, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}
