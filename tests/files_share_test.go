package tests

import (
	"fmt"
	"strings"
	"testing"

	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// ATAK's sequence: missionquery, missionupload, metadata, the offer, the download and
// the receiver's answer (spec/tak-marti.md 7, spec/fts-datapackage.md 2).
func TestFilesFromClientToClient(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]taktest.Option{"SQLite": nil, "PostgreSQL": {taktest.WithPostgres()}} {
		t.Run(name, func(t *testing.T) { fromClientToClient(t, startFiles(t, opts...)) })
	}
}

func fromClientToClient(t *testing.T, srv *fileServer) {
	anna, bert, carl := online(t, srv.Server, srv.anna), online(t, srv.Server, srv.bert), online(t, srv.Server, srv.carl)
	takclient.Must(t, anna.SA(1, 2))
	takclient.Must(t, bert.SA(3, 4))
	bert.ExpectUID(t, anna.UID())
	anna.ExpectUID(t, bert.UID())

	t.Run("over HTTPS with groups", func(t *testing.T) {
		content := packageOf(t, "over HTTPS")
		address := srv.as(t, srv.anna).upload("p.zip", anna.UID(), content)
		if !strings.HasPrefix(address, "https://"+publicName+":") {
			t.Errorf("got the URL %s, want one by the public name", address)
		}
		takclient.Must(t, anna.Send(offer(anna, bert, address, content).XML()))
		got := bert.Expect(t, takclient.Type("b-f-t-r").Both(takclient.UID(sha(content))))
		if !strings.Contains(got.XML, takclient.Escape(address)) {
			t.Fatalf("the offer lost its URL: %s", got.XML)
		}
		path := pathOf(t, address)
		file := srv.as(t, srv.bert).get(path).is(200)
		if file.body != content || file.header.Get("Content-Type") != "application/x-zip-compressed" || !strings.Contains(file.header.Get("Content-Disposition"), "p.zip") {
			t.Errorf("got %d bytes, %v", len(file.body), file.header)
		}
		acknowledged(t, bert, anna, content)
		hidden(t, srv.as(t, srv.carl), content)
		if list := srv.as(t, srv.bert).get("/Marti/sync/search?keywords=missionpackage&tool=public").is(200); strings.Contains(list.body, sha(content)) {
			t.Errorf("a private package is listed: %s", list.body)
		}
		notOffered(t, carl)
	})

	t.Run("over HTTP without a login", func(t *testing.T) {
		content := packageOf(t, "over HTTP")
		address := askAt(t, srv.Server, "http").upload("p.zip", "PLAIN", content)
		if !strings.HasPrefix(address, "http://") {
			t.Errorf("got the URL %s", address)
		}
		one, two := srv.Client(t), srv.Client(t)
		takclient.Must(t, one.SA(1, 1))
		takclient.Must(t, two.SA(1, 1))
		one.ExpectUID(t, two.UID())
		two.ExpectUID(t, one.UID())
		takclient.Must(t, one.Send(offer(one, two, address, content).XML()))
		two.Expect(t, takclient.UID(sha(content)))
		for _, path := range []string{pathOf(t, address), "/Marti/api/sync/metadata/" + sha(content) + "/tool"} {
			if got := askAt(t, srv.Server, "http").get(path).is(200); got.body != content {
				t.Errorf("%s: got %d bytes of %d", path, len(got.body), len(content))
			}
		}
		acknowledged(t, two, one, content)
		hidden(t, srv.as(t, srv.bert), content)
		for _, c := range []*takclient.Client{anna, bert, carl} {
			c.Sync(t)
			if n := c.CountUID(sha(content)); n > 0 {
				t.Errorf("%s got the offer of those who are not in its groups", c.Callsign())
			}
		}
	})

	t.Run("offered by the server", func(t *testing.T) {
		content := packageOf(t, "offered")
		srv.as(t, srv.anna).upload("big.zip", anna.UID(), content)
		var list struct{ Files []struct{ ID, Hash string } }
		token := newToken(t, srv.Admin, "anna")
		web := askAt(t, srv.Server, "web").token(token)
		web.get("/api/v1/files?hash=" + sha(content)).is(200).into(&list)
		if len(list.Files) != 1 {
			t.Fatalf("list: got %+v", list.Files)
		}
		web.json("POST", "/api/v1/files/"+list.Files[0].ID+"/send", map[string]any{"callsigns": []string{bert.Callsign()}}).is(200)
		got := bert.Expect(t, takclient.Type("b-f-t-r").Both(takclient.Contains(sha(content))))
		if !strings.Contains(got.XML, fmt.Sprintf(`sizeInBytes="%d"`, len(content))) {
			t.Errorf("got %s", got.XML)
		}
		web.json("POST", "/api/v1/files/"+list.Files[0].ID+"/send", map[string]any{"groups": []string{"Green"}}).is(403)
		notOffered(t, carl)
	})
}

// acknowledged has a receiver say that it has a package, as ATAK does.
func acknowledged(t *testing.T, receiver, sender *takclient.Client, content string) {
	t.Helper()
	ack := takclient.Event{UID: sha(content), Type: "b-f-t-a", How: "m-g", Detail: `<ackresponse uid="` + sha(content) + `" success="true" reason=""/>` +
		takclient.Marti(takclient.Dest{Kind: "uid", Value: sender.UID()})}
	takclient.Must(t, receiver.Send(ack.XML()))
	sender.Expect(t, takclient.Type("b-f-t-a").Both(takclient.UID(sha(content))))
}

// hidden says that a caller finds nothing of a file in any way.
func hidden(t *testing.T, a *asker, content string) {
	t.Helper()
	hash := sha(content)
	for _, path := range []string{
		"/Marti/sync/content?hash=" + hash, "/Marti/sync/content?uid=" + hash, "/Marti/api/sync/content?hash=" + hash,
		"/Marti/sync/missionquery?hash=" + hash, "/Marti/api/sync/metadata/" + hash + "/tool", "/Marti/api/sync/metadata/" + hash,
		"/Marti/sync/" + hash + "/metadata", "/Marti/api/files/" + hash,
	} {
		if r := a.in(t).get(path); r.status != 404 || strings.Contains(r.body, hash) {
			t.Errorf("%s: got %d %.100q, want 404", path, r.status, r.body)
		}
		if r := a.in(t).ask("HEAD", path, "", ""); r.status != 404 && r.status != 405 {
			t.Errorf("HEAD %s: got %d, want 404", path, r.status)
		}
	}
	for _, path := range []string{
		"/Marti/sync/search", "/Marti/sync/search?hash=" + hash, "/Marti/sync/search?uid=" + hash, "/Marti/sync/search?keywords=missionpackage&tool=public",
		"/Marti/api/sync/search?hash=" + hash, "/Marti/api/files/metadata",
	} {
		if r := a.in(t).get(path).is(200); strings.Contains(r.body, hash) {
			t.Errorf("%s: got %s", path, r.body)
		}
	}
	for _, c := range [][2]string{{"DELETE", "/Marti/sync/delete?hash=" + hash}, {"DELETE", "/Marti/api/files/" + hash}, {"PUT", "/Marti/api/sync/metadata/" + hash + "/tool"}} {
		if r := a.in(t).ask(c[0], c[1], "text/plain", "public"); r.status != 404 {
			t.Errorf("%s %s: got %d %s, want 404", c[0], c[1], r.status, r.body)
		}
	}
}

// A channel that is switched off hides files as it does events, for that device.
func TestFilesOfChannelsThatAreOff(t *testing.T) {
	t.Parallel()
	srv := startFiles(t)
	content := packageOf(t, "of Blue")
	sender := srv.as(t, srv.bert)
	path := pathOf(t, sender.upload("blue.zip", "BERT", content))
	phone := issue(t, srv.Admin, "anna", true)
	client := online(t, srv.Server, phone)
	takclient.Must(t, client.SA(1, 1))
	a := srv.as(t, phone)
	a.get(path).is(200)
	choose(t, a, phone.UID, func(name string) bool { return name != "Blue" })
	hidden(t, a, content)
	// Another device of the same user still has it.
	srv.as(t, srv.anna).get(path).is(200)
	// What it sends goes to those channels alone that are on.
	mine := packageOf(t, "of Red alone")
	a.upload("red.zip", phone.UID, mine)
	hidden(t, sender, mine)
	choose(t, a, phone.UID, func(string) bool { return true })
	if got := a.get(path).is(200); got.body != content {
		t.Errorf("got %d bytes", len(got.body))
	}
	hidden(t, sender, mine)
}

// notOffered says that a client got no offer of all that was sent so far.
func notOffered(t *testing.T, c *takclient.Client) {
	t.Helper()
	c.Sync(t)
	for _, r := range c.All() {
		if r.Header.Type == "b-f-t-r" {
			t.Errorf("%s got %s", c.Callsign(), r.XML)
		}
	}
}
