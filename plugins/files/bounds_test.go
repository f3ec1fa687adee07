package main

import (
	"archive/zip"
	"bytes"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/sdk"
	"github.com/takhost/takhost/sdk/plugintest"
)

// A search gives up before it costs others their time.
func TestSearchIsBounded(t *testing.T) {
	p := &patience{until: time.Now().Add(-1)}
	n := 1
	for !p.over() && n < mostSeen {
		n++
	}
	if n > timeEvery {
		t.Errorf("when its time is over it looks at %d files more, want %d at most", n, timeEvery)
	}
	p = &patience{until: time.Now().Add(time.Hour)}
	for n = 1; !p.over() && n <= mostSeen; n++ {
	}
	if n != mostSeen {
		t.Errorf("it looks at %d files, want %d", n, mostSeen)
	}

	b := start(t)
	long := strings.Repeat("a", 255)
	for i := range 600 {
		b.raw(b.anna, "name="+long[len(itoa(i)):]+itoa(i), "text/plain", itoa(i))
	}
	const costly = "(?:(?:a?){8}){12}.*b"
	if m := newPattern(paramsOf(&sdk.Request{}), "name", costly); m == nil || m.re == nil {
		t.Fatal("the expression is refused")
	}
	began := time.Now()
	a := b.Do(plugintest.Request{Path: "/Marti/sync/search?name=" + url.QueryEscape(costly), Caller: b.anna})
	if took := time.Since(began); took > 10*exprTime || a.Status != 200 && (a.Status != 429 || !strings.Contains(a.Body, "narrow")) {
		t.Errorf("got %d %.100q after %v", a.Status, a.Body, took)
	}
	if got := b.found(b.anna, "name=.*a12"); strings.Count(got, " ") != 0 || !strings.HasSuffix(got, "a12") {
		t.Errorf("a cheap expression finds %q", got)
	}
}

func (b *bed) counted(as *sdk.Caller, query string) (n int) {
	b.t.Helper()
	var count struct{ Data int }
	b.JSON(b.get(as, 200, "/Marti/api/files/metadata/count?"+query), &count)
	return count.Data
}

// The manager has pages and a count beyond what a search gives.
func TestManagerHasAll(t *testing.T) {
	b := start(t)
	for i := range mostFound + 50 {
		b.raw(b.anna, "name=f"+itoa(i), "text/plain", itoa(i))
	}
	b.raw(b.anna, "name=g&tool=private", "text/plain", "g")
	if got, his := b.counted(b.anna, ""), b.counted(b.bert, ""); got != mostFound+51 || his != mostFound+50 {
		t.Errorf("count: got %d and %d of others", got, his)
	}
	var rows struct{ Data []map[string]string }
	b.JSON(b.get(b.bert, 200, "/Marti/api/files/metadata?limit=1000&page=3&sort=size&ascending=true"), &rows)
	if len(rows.Data) != 50 {
		t.Errorf("the third page has %d rows, want 50", len(rows.Data))
	}
	b.JSON(b.get(b.bert, 200, "/Marti/api/files/metadata?limit=2&page=1025"), &rows)
	if len(rows.Data) != 2 || rows.Data[1]["Name"] != "f0" {
		t.Errorf("the last page: got %v", rows.Data)
	}
	if got := strings.Fields(b.found(b.bert, "")); len(got) != mostFound {
		t.Errorf("a search gives %d, want %d", len(got), mostFound)
	}
}

// An answer ends before the host would refuse it, and a deletion of the most there can be
// fits one call.
func TestLargestAnswers(t *testing.T) {
	b := start(t)
	remarks := url.QueryEscape(strings.Repeat(`"`, 7900))
	const n = 600
	for i := range n {
		b.raw(b.anna, "name=f"+itoa(i)+"&keywords=missionpackage&remarks="+remarks, "application/zip", zipOf(t, "manifest.xml", itoa(i)))
	}
	for _, path := range []string{"/Marti/sync/search", "/Marti/api/sync/search", "/DataPackageTable", "/api/v1/files?limit=1000"} {
		if got := len(b.get(b.anna, 200, path).Body); got > 4<<20 || got < n*100 {
			t.Errorf("%s: got %d bytes", path, got)
		}
	}
	if got := b.counted(b.anna, ""); got != n {
		t.Errorf("count: got %d, want %d", got, n)
	}
	seen, after := 0, ""
	for pages := 0; ; pages++ {
		var page struct {
			Files []cleanFile
			Next  string
		}
		b.JSON(b.get(b.anna, 200, "/api/v1/files?limit=1000&after="+after), &page)
		seen += len(page.Files)
		if after = page.Next; after == "" || pages > n {
			break
		}
	}
	if seen != n {
		t.Errorf("pages give %d files, want %d", seen, n)
	}
}

func TestDeletionWithOffers(t *testing.T) {
	b := start(t)
	var items []string
	for i := range mostCopies {
		f := b.raw(b.anna, "keywords=missionpackage&name=f"+itoa(i), "application/zip", zipOf(t, "manifest.xml"))
		items = append(items, `{"PrimaryKey":"f`+itoa(i)+`"}`)
		for range mostOffers {
			b.Advance(time.Second)
			b.send(b.anna, 200, f.PrimaryKey, `{"all": true}`)
		}
	}
	if got := len(b.Documents("offers")); got != mostCopies*mostOffers {
		t.Fatalf("there are %d offers", got)
	}
	b.ask(b.anna, 429, "DELETE", "/DataPackageTable", "", `{"DataPackages":[`+strings.Join(append(items, `{"PrimaryKey":"x"}`), ",")+`]}`)
	b.ask(b.anna, 200, "DELETE", "/DataPackageTable", "", `{"DataPackages":[`+strings.Join(items, ",")+`]}`)
	if files, offers := len(b.Documents("files")), len(b.Documents("offers")); files+offers > 0 {
		t.Errorf("%d files and %d offers are left", files, offers)
	}
}

// By its name an operator changes what one user sent.
func TestNamesOfFreeTAKServer(t *testing.T) {
	b := start(t)
	for _, who := range []*sdk.Caller{b.bert, b.anna} {
		b.raw(who, "name=p.zip&keywords=missionpackage", "application/zip", zipOf(t, "manifest.xml", who.User))
		b.raw(who, "name=p.zip", "text/plain", "no package of "+who.User)
		b.Advance(time.Second)
	}
	const hide = `{"DataPackages":[{"PrimaryKey":"p.zip","Privacy":1}]}`
	privates := func() (users string) {
		var page struct{ Files []cleanFile }
		b.JSON(b.get(b.otto, 200, "/api/v1/files?tool=private"), &page)
		for _, f := range page.Files {
			users += f.User + " "
		}
		return users
	}
	b.ask(b.otto, 200, "PUT", "/DataPackageTable", "", hide)
	if got := privates(); got != "anna " {
		t.Errorf("after an operator's change %q are private, want that of anna, who was the last", got)
	}
	b.ask(b.bert, 200, "PUT", "/DataPackageTable", "", hide)
	if got := privates(); got != "anna bert " {
		t.Errorf("after his own change %q are private", got)
	}
	b.ask(b.carl, 403, "PUT", "/DataPackageTable", "", `{"DataPackages":[{"PrimaryKey":"2","Privacy":1}]}`)
}

// archive has files with these contents.
func archive(t *testing.T, parts ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(parts); i += 2 {
		f, err := w.Create(parts[i])
		if err == nil {
			_, err = io.WriteString(f, parts[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestManifestIsRead(t *testing.T) {
	const good = `<?xml version="1.0" encoding="UTF-8"?><MissionPackageManifest version="2"><Configuration><Parameter name="uid" value="U"/></Configuration><Contents>` +
		`<Content ignore="false" zipEntry="a/e.cot"><Parameter name="uid" value="E-1"/><Parameter name="isCOT" value="true"/></Content>` +
		`<Content ignore="false" zipEntry="b\f.kml"><Parameter name="name" value="F &amp; G"/><Parameter name="contentType" value="KML"/></Content>` +
		`<Content ignore="true" zipEntry="not/there"/></Contents></MissionPackageManifest>`
	for name, c := range map[string]struct{ manifest, want string }{
		"good": {good, ""}, "with a mark": {"\ufeff" + good, ""}, "empty package": {`<MissionPackageManifest version="2"/>`, ""},
		"nothing": {"", "cannot be read"}, "no XML": {"hello", "cannot be read"}, "cut": {good[:200], "cannot be read"}, "another": {"<html/>", "not a MissionPackageManifest"},
		"large": {good + strings.Repeat(" ", mostManifest), "1048576 are possible"}, "deep": {strings.Repeat("<a>", 1000), "cannot be read"},
		"entity": {`<!DOCTYPE a [<!ENTITY b "c">]><MissionPackageManifest>&b;</MissionPackageManifest>`, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t)
			status := 200
			if c.want != "" {
				status = 400
			}
			a := b.ask(b.anna, status, "POST", "/Marti/sync/upload?name=p&keywords=missionpackage", "application/zip", archive(t, "MANIFEST/manifest.xml", c.manifest, "a/e.cot", "<event/>", "b/f.kml", "k", "c", "c"))
			if !strings.Contains(a.Body, c.want) || c.want != "" && !strings.Contains(a.Body, "no data package") {
				t.Errorf("got %q, want %q in it", a.Body, c.want)
			}
			if name != "good" {
				return
			}
			type content struct {
				Name, Title, ContentType, UID string
				IsCOT                         bool
			}
			var got struct {
				Contents []content
				Missing  []string
			}
			b.JSON(b.get(b.bert, 200, "/api/v1/files/1"), &got)
			want := []content{{Name: "MANIFEST/manifest.xml"}, {Name: "a/e.cot", UID: "E-1", IsCOT: true}, {Name: "b/f.kml", Title: "F & G", ContentType: "KML"}, {Name: "c"}}
			if diff := cmp.Diff(want, got.Contents); diff != "" || !cmp.Equal(got.Missing, []string{"not/there"}) {
				t.Errorf("missing %v, contents (-want +got):\n%s", got.Missing, diff)
			}
		})
	}
}

// Who answers without a contact is known by his connection.
func TestReceiptWithoutContact(t *testing.T) {
	b := start(t)
	f := b.raw(b.anna, "name=f.txt", "text/plain", "content")
	alpha := sdk.Client{UID: "A", Callsign: "ALPHA", User: "bert", Listener: "tls", InSet: b.bert.InSet}
	b.Connect(alpha)
	sent := b.send(b.anna, 200, f.PrimaryKey, `{"all": true}`)
	event := strings.Replace(ack("A", sent.Event, "X", true, ""), `<contact callsign="X"/>`, "", 1)
	b.EventsFrom(sdk.Client{UID: "A", User: "bert", InSet: b.bert.InSet}, event)
	got := b.offersShown(b.anna, f.PrimaryKey)[0].Received
	if len(got) != 1 || got[0].Callsign != "ALPHA" {
		t.Errorf("got %+v, want the callsign ALPHA", got)
	}
	if live := b.Published(); len(live) != 1 || !strings.Contains(string(live[0].Data), `"callsign":"ALPHA"`) {
		t.Errorf("live updates: got %+v", live)
	}
}
