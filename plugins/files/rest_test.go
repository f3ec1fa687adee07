package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/sdk"
	"github.com/takhost/takhost/sdk/plugintest"
)

// cleanFile is a file as /api/v1/files shows it.
type cleanFile struct {
	ID, Name, Hash, Type, UID, Tool, User, Creator, Added, Expires string
	Size                                                           int64
	Private                                                        bool
	Keywords, Groups                                               []string
	Contents                                                       []struct {
		Name string
		Size int64
	}
}

func TestCleanAPI(t *testing.T) {
	b := start(t)
	var f cleanFile
	a := b.ask(b.anna, 201, "POST", "/api/v1/files?name=a.txt&keywords=x&uid=u", "text/plain", "1")
	b.JSON(a, &f)
	want := cleanFile{ID: "1", Name: "a.txt", Hash: hashOf("1"), Type: "text/plain", UID: "u", Tool: "public", User: "anna", Creator: "EUD-anna",
		Added: "2024-05-01T12:00:00.000Z", Size: 1, Keywords: []string{"x"}, Groups: []string{"Blue", "Red"}}
	if diff := cmp.Diff(want, f); diff != "" || a.Header["location"] != "/api/v1/files/1" {
		t.Errorf("upload: Location %q (-want +got):\n%s", a.Header["location"], diff)
	}
	form, kind := multi(t, formPart{"file", "b.zip", "application/zip", zipOf(t, "MANIFEST/manifest.xml", "k/f.kml")})
	b.ask(b.anna, 201, "POST", "/api/v1/files?keywords=missionpackage&tool=private&groups=Red", kind, form)
	f = cleanFile{}
	b.JSON(b.get(b.anna, 200, "/api/v1/files/2"), &f)
	if !f.Private || f.Name != "b.zip" || len(f.Contents) != 2 || f.Contents[1].Name != "k/f.kml" || f.Contents[1].Size != int64(len("content of k/f.kml")) || len(f.Groups) != 1 {
		t.Errorf("package: got %+v", f)
	}
	if a := b.get(b.anna, 200, "/api/v1/files/1/content"); a.Body != "1" || a.ContentType != "text/plain" {
		t.Errorf("content: got %q %q", a.Body, a.ContentType)
	}
	list := func(as *sdk.Caller, query string) (names, next string) {
		t.Helper()
		var page struct {
			Files []cleanFile
			Next  string
		}
		b.JSON(b.get(as, 200, "/api/v1/files?"+query), &page)
		for _, f := range page.Files {
			names += f.Name + " "
		}
		return strings.TrimSpace(names), page.Next
	}
	for _, c := range []struct {
		as          *sdk.Caller
		query, want string
	}{
		{b.anna, "", "b.zip a.txt"}, {b.bert, "", "a.txt"}, {b.carl, "", "a.txt"}, {b.otto, "", "b.zip a.txt"}, {b.nobody, "", ""},
		{b.anna, "keyword=x", "a.txt"}, {b.anna, "keyword=missionpackage", "b.zip"}, {b.anna, "tool=private", "b.zip"}, {b.anna, "user=bert", ""},
		{b.anna, "name=a.txt", "a.txt"}, {b.anna, "hash=" + hashOf("1"), "a.txt"}, {b.anna, "hash=" + hashOf("1") + "&name=b", ""},
	} {
		if got, _ := list(c.as, c.query); got != c.want {
			t.Errorf("list of %s %q: got %q, want %q", c.as.User, c.query, got, c.want)
		}
	}
	first, next := list(b.anna, "limit=1")
	second, last := list(b.anna, "limit=1&after="+next)
	if first != "b.zip" || second != "a.txt" || next == "" {
		t.Errorf("pages: got %q, %q, next %q and %q", first, second, next, last)
	}
	b.get(b.bert, 404, "/api/v1/files/2")
	b.get(b.bert, 404, "/api/v1/files/2/content")
	b.ask(b.bert, 404, "DELETE", "/api/v1/files/2", "", "")
	b.ask(b.bert, 403, "DELETE", "/api/v1/files/1", "", "")
	b.ask(b.anna, 200, "DELETE", "/api/v1/files/1", "", "")
	for _, id := range []string{"1", "x", "99999999999999999999", "-2", "%2e%2e"} {
		b.get(b.anna, 404, "/api/v1/files/"+id)
	}
}

// offers gives what was emitted: the audience with the URL.
func (b *bed) offers() []string {
	b.t.Helper()
	var list []string
	for _, e := range b.Emitted() {
		root := e.Event.Detail().Root()
		share := root.Child("fileshare")
		url, _ := share.Attr("senderUrl")
		list = append(list, strings.Join(e.Audience.Groups, ",")+" uids "+strings.Join(e.Audience.UIDs, ",")+
			" callsigns "+strings.Join(e.Audience.Callsigns, ",")+" except "+strings.Join(e.Audience.Except, ",")+" "+url)
	}
	return list
}

func TestSend(t *testing.T) {
	b := start(t, plugintest.Config(`{"plain_url": "http://plain:8080/"}`))
	content := zipOf(t, "manifest.xml")
	b.pack(b.anna, "p", content)
	b.Connect(
		sdk.Client{UID: "A", Callsign: "ALPHA", Listener: "tls", InSet: b.anna.InSet},
		sdk.Client{UID: "B", Callsign: "BRAVO", Listener: "tcp", InSet: b.bert.InSet},
	)
	const path = "/Marti/sync/content?hash="
	safe, plain := "https://tak.example.org:8443"+path+hashOf(content), "http://plain:8080"+path+hashOf(content)
	for name, c := range map[string]struct {
		as     *sdk.Caller
		body   string
		status int
		want   []string
	}{
		"all":            {b.anna, `{"all": true}`, 200, []string{"Blue,Red uids  callsigns  except B " + safe, "Blue,Red uids B callsigns  except  " + plain}},
		"his groups":     {b.bert, `{"all": true}`, 200, []string{"Blue uids  callsigns  except B " + safe, "Blue uids B callsigns  except  " + plain}},
		"a group":        {b.anna, `{"groups": ["Red"]}`, 200, []string{"Red uids  callsigns  except B " + safe, "Red uids B callsigns  except  " + plain}},
		"callsign":       {b.anna, `{"callsigns": ["ALPHA"]}`, 200, []string{"Blue,Red uids  callsigns ALPHA except  " + safe}},
		"some missing":   {b.anna, `{"callsigns": ["ALPHA", "NOBODY"], "uids": ["X"]}`, 200, []string{"Blue,Red uids  callsigns ALPHA except  " + safe}},
		"uid":            {b.bert, `{"uids": ["B"]}`, 200, []string{"Blue uids B callsigns  except B " + safe, "Blue uids B callsigns  except  " + plain}},
		"foreign group":  {b.bert, `{"groups": ["Red"]}`, 403, nil},
		"nobody named":   {b.anna, `{}`, 400, nil},
		"nobody there":   {b.anna, `{"callsigns": ["NOBODY"]}`, 404, nil},
		"no such object": {b.nobody, `{"all": true}`, 404, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			a := b.ask(c.as, c.status, "POST", "/api/v1/files/1/send", "application/json", c.body)
			if diff := cmp.Diff(c.want, b.offers()); diff != "" {
				t.Errorf("offers (-want +got):\n%s", diff)
			}
			if name == "some missing" && !strings.Contains(a.Body, `"missing":["X","NOBODY"]`) {
				t.Errorf("answer: got %s", a.Body)
			}
		})
	}
	b.ask(b.anna, 200, "POST", "/api/v1/files/1/send", "application/json", `{"uids": ["A"]}`)
	e := b.Emitted()[0].Event
	share, ack := e.Detail().Root().Child("fileshare"), e.Detail().Root().Child("ackrequest")
	for name, want := range map[string]string{"filename": "p.zip", "name": "p", "sha256": hashOf(content), "senderUid": e.UID(), "senderCallsign": "ANNA"} {
		if got, _ := share.Attr(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if size, _ := share.Attr("sizeInBytes"); size == "" || e.Type() != "b-f-t-r" {
		t.Errorf("got %s of %s bytes", e.Type(), size)
	}
	if uid, _ := ack.Attr("uid"); uid != e.UID() || uid == "" {
		t.Errorf("ackrequest: got %q, want the uid %q", uid, e.UID())
	}
}

func TestFreeTAKServer(t *testing.T) {
	b := start(t)
	content := zipOf(t, "MANIFEST/manifest.xml")
	form, kind := multi(t, formPart{"assetfile", "up.zip", "application/x-zip-compressed", content})
	a := b.ask(b.anna, 200, "POST", "/DataPackageTable?filename=my.zip&creator=server", kind, form)
	if a.Body != `{"message":"success","id":"1"}` || a.ContentType != "application/json" {
		t.Errorf("POST: got %q %s", a.ContentType, a.Body)
	}
	row := func(name, privacy string) string {
		return `{"PrimaryKey":"` + name + `","SubmissionUser":"anna","Size":` + itoa(len(content)) + `,"Privacy":` + privacy +
			`,"SubmissionDateTime":"Wed, 01 May 2024 12:00:00 GMT","Name":"` + name + `","Hash":"` + hashOf(content) + `"}`
	}
	lists := func(as *sdk.Caller, rows string) {
		t.Helper()
		if got := b.get(as, 200, "/DataPackageTable").Body; got != `{"json_list":[`+rows+`]}` {
			t.Errorf("GET of %s: got %s, want %s", as.User, got, rows)
		}
	}
	lists(b.bert, row("my.zip", "0"))
	b.ask(b.anna, 200, "PUT", "/DataPackageTable", "text/plain", `{"DataPackages":[{"PrimaryKey":"my.zip","Privacy":1,"Name":"new.zip","Keywords":["k"]}]}`)
	lists(b.anna, row("new.zip", "1"))
	lists(b.bert, "")
	lists(b.otto, row("new.zip", "1"))
	b.ask(b.otto, 200, "PUT", "/DataPackageTable", "", `{"DataPackages":[{"PrimaryKey":"new.zip","Privacy":"0"}]}`)
	lists(b.bert, row("new.zip", "0"))
	if got := b.found(b.bert, "keyword=k"); got != "new.zip" {
		t.Errorf("keywords: got %q", got)
	}

	b.ask(b.anna, 200, "POST", "/BroadcastDataPackage", "", `{"uid":"`+hashOf(content)+`"}`)
	if got := len(b.Emitted()); got != 1 {
		t.Errorf("broadcast: got %d events", got)
	}
	b.ask(b.anna, 200, "POST", "/BroadcastDataPackage?hash="+hashOf(content), "", "")
	b.Emitted()
	for _, c := range []struct {
		as                 *sdk.Caller
		status             int
		method, path, body string
	}{
		{b.anna, 400, "POST", "/BroadcastDataPackage", `{}`}, {b.anna, 404, "POST", "/BroadcastDataPackage", `{"uid":"none"}`},
		{b.anna, 404, "PUT", "/DataPackageTable", `{"DataPackages":[{"PrimaryKey":"none"}]}`},
		{b.anna, 400, "PUT", "/DataPackageTable", `{"DataPackages":[{}]}`}, {b.anna, 400, "PUT", "/DataPackageTable", `{"DataPackages":"x"}`},
		{b.anna, 400, "PUT", "/DataPackageTable", `{"DataPackages":[{"PrimaryKey":"new.zip","Privacy":"maybe"}]}`},
		{b.bert, 403, "DELETE", "/DataPackageTable", `{"DataPackages":[{"hash":"` + hashOf(content) + `"}]}`},
		{b.anna, 400, "DELETE", "/DataPackageTable", `{"DataPackages":[7]}`},
	} {
		b.ask(c.as, c.status, c.method, c.path, "", c.body)
	}
	lists(b.bert, row("new.zip", "0"))
	b.ask(b.anna, 200, "DELETE", "/DataPackageTable", "text/plain", `{"DataPackages":[{"hash":"`+hashOf(content)+`","PrimaryKey":"new.zip"},{"PrimaryKey":"new.zip","hash":"`+hashOf(content)+`"}]}`)
	lists(b.bert, "")
}
