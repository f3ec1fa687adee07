package tests

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/plugin/scaffold"
	"github.com/takhost/takhost/plugins/dist"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// builtFiles is the plugin files as make plugins built it, or built now.
var builtFiles = sync.OnceValues(func() (fs.FS, error) {
	const name = "files.takplugin"
	if b, err := fs.ReadFile(dist.Files(), name); err == nil {
		return fstest.MapFS{name: {Data: b}}, nil
	}
	dir, err := os.MkdirTemp("", "tak")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, name)
	if _, err := scaffold.Build(context.Background(), scaffold.BuildOptions{Dir: filepath.Join("..", "plugins", "files"), Out: file}); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(file)
	return fstest.MapFS{name: {Data: b}}, err
})

// fileServer is a server with the plugin files and users who share: anna is in the
// groups Red and Blue, bert in Blue, carl in Green.
type fileServer struct {
	*taktest.Server
	anna, bert, carl *takclient.Enrolled
}

func startFiles(t *testing.T) *fileServer {
	t.Helper()
	files, err := builtFiles()
	if err != nil {
		t.Fatalf("build the plugin files: %v", err)
	}
	srv := wholeServer(t, taktest.WithShipped(files))
	srv.Reaches(t, "files", plugin.Active)
	addGroups(t, srv.Admin, "Red", "Blue", "Green")
	addUser(t, srv.Admin, "anna", memberOf("Red", "Blue")...)
	addUser(t, srv.Admin, "bert", memberOf("Blue")...)
	addUser(t, srv.Admin, "carl", memberOf("Green")...)
	return &fileServer{srv, issue(t, srv.Admin, "anna", false), issue(t, srv.Admin, "bert", false), issue(t, srv.Admin, "carl", false)}
}

// as asks listen.https with a device's certificate.
func (s *fileServer) as(t *testing.T, dev *takclient.Enrolled) *asker {
	t.Helper()
	return askAt(t, s.Server, "https").certificate(dev.Cert)
}

// rest asks listen.rest as the administrator.
func (s *fileServer) rest(t *testing.T) *rest {
	return &rest{t: t, data: s.Config.Data, addr: func() string { return s.Addr("rest") }}
}

func sha(b string) string {
	h := sha256.Sum256([]byte(b))
	return hex.EncodeToString(h[:])
}

// packageOf is a data package whose file holds the text.
func packageOf(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range [][2]string{{"MANIFEST/manifest.xml", `<MissionPackageManifest version="2"/>`}, {"a/note.txt", text}} {
		out, err := w.Create(f[0])
		if err == nil {
			_, err = io.WriteString(out, f[1])
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

// formOf is a form with one file, as ATAK sends it; without a name, as node-tak does.
func formOf(t *testing.T, fileName, contentType, content string) (body, kind string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	h := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="assetfile"`}, "Content-Type": {contentType}}
	if fileName != "" {
		h.Set("Content-Disposition", `form-data; name="assetfile"; filename="`+fileName+`"`)
	}
	part, err := w.CreatePart(h)
	if err == nil {
		_, err = io.WriteString(part, content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

// upload sends a package as ATAK does: asked for first. It gives the URL.
func (a *asker) upload(name, uid, content string) string {
	a.t.Helper()
	a.get("/Marti/sync/missionquery?hash=" + sha(content)).is(404)
	form, kind := formOf(a.t, name, "application/x-zip-compressed", content)
	q := url.Values{"hash": {sha(content)}, "filename": {name}, "creatorUid": {uid}}
	r := a.ask("POST", "/Marti/sync/missionupload?"+q.Encode(), kind, form)
	if want := "/Marti/sync/content?hash=" + sha(content); r.status != 200 || !strings.HasSuffix(r.body, want) || r.header.Get("Content-Type") != "text/plain" {
		a.t.Fatalf("missionupload: got %d %q %q, want a URL with %s and nothing behind it", r.status, r.header.Get("Content-Type"), r.body, want)
	}
	if again := a.get("/Marti/sync/missionquery?hash=" + sha(content)).is(200); again.body != r.body {
		a.t.Errorf("missionquery: got %q, want %q", again.body, r.body)
	}
	a.ask("PUT", "/Marti/api/sync/metadata/"+sha(content)+"/tool", "text/plain", "private").is(200)
	return r.body
}

// path is what stands behind the host in a URL of this server.
func pathOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		t.Fatalf("%q is no URL: %v", address, err)
	}
	return u.RequestURI()
}

// offer is the event with which ATAK tells another client of a package.
func offer(from *takclient.Client, to *takclient.Client, address, content string) takclient.Event {
	return takclient.Event{
		UID: sha(content), Type: "b-f-t-r", How: "h-e",
		Detail: fmt.Sprintf(`<fileshare sha256="%s" senderUid="%s" name="p.zip" filename="p.zip" senderUrl="%s" sizeInBytes="%d" senderCallsign="%s"/><ackrequest uid="%[1]s" ackrequested="true" tag="p.zip"/>`,
			sha(content), from.UID(), address, len(content), from.Callsign()) + takclient.Marti(takclient.Dest{Kind: "uid", Value: to.UID()}),
	}
}

func TestFilesFromClientToClient(t *testing.T) {
	srv := startFiles(t)
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
		ack := takclient.Event{UID: sha(content), Type: "b-f-t-a", How: "m-g", Detail: `<ackresponse uid="` + sha(content) + `" success="true" reason=""/>` +
			takclient.Marti(takclient.Dest{Kind: "uid", Value: anna.UID()})}
		takclient.Must(t, bert.Send(ack.XML()))
		anna.ExpectType(t, "b-f-t-a")
		srv.as(t, srv.carl).get(path).is(404)
		srv.as(t, srv.carl).get("/Marti/sync/missionquery?hash=" + sha(content)).is(404)
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
		takclient.Must(t, two.SA(1, 1))
		one.ExpectUID(t, two.UID())
		takclient.Must(t, one.Send(offer(one, two, address, content).XML()))
		two.Expect(t, takclient.UID(sha(content)))
		for _, path := range []string{pathOf(t, address), "/Marti/api/sync/metadata/" + sha(content) + "/tool"} {
			if got := askAt(t, srv.Server, "http").get(path).is(200); got.body != content {
				t.Errorf("%s: got %d bytes of %d", path, len(got.body), len(content))
			}
		}
		srv.as(t, srv.bert).get(pathOf(t, address)).is(404)
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

func TestFilesUpAndDown(t *testing.T) {
	srv := startFiles(t)
	anna := srv.as(t, srv.anna)
	random := rand.NewChaCha8([32]byte{7})
	for _, size := range []int{0, 1, 70_000, 5 << 20} {
		b := make([]byte, size)
		_, _ = random.Read(b) // it never fails
		content := string(b)
		form, kind := formOf(t, "f.bin", "application/octet-stream", content)
		nameless, namelessKind := formOf(t, "", "application/octet-stream", content)
		for name, c := range map[string]struct{ method, path, kind, body string }{
			"raw":      {"POST", "/Marti/sync/upload?name=raw.bin", "image/png", content},
			"form":     {"POST", "/Marti/sync/upload?name=form.bin", kind, form},
			"no name":  {"POST", "/Marti/sync/upload?name=node.bin", namelessKind, nameless},
			"put":      {"PUT", "/Marti/sync/content?name=put.bin", "image/png", content},
			"old path": {"PUT", "/Marti/api/sync/upload?name=old.bin", "image/png", content},
		} {
			t.Run(fmt.Sprintf("%s of %d bytes", name, size), func(t *testing.T) {
				var got struct{ UID, Hash, Size, PrimaryKey string }
				r := anna.in(t).ask(c.method, c.path, c.kind, c.body).is(200)
				r.into(&got)
				if got.Hash != sha(content) || got.Size != fmt.Sprint(size) || r.header.Get("Content-Type") != "text/json" {
					t.Fatalf("got %+v as %s, want the hash %s", got, r.header.Get("Content-Type"), sha(content))
				}
				if down := anna.in(t).get("/Marti/sync/content?uid=" + got.UID).is(200); sha(down.body) != sha(content) {
					t.Errorf("got %d other bytes back", len(down.body))
				}
			})
		}
	}
	content := strings.Repeat("0123456789", 1000)
	anna.ask("POST", "/Marti/sync/upload?name=r.txt&uid=ranges", "text/plain", content).is(200)
	const path = "/Marti/sync/content?uid=ranges"
	for name, c := range map[string]struct {
		method, path, header, value string
		status                      int
		want                        string
	}{
		"range":        {"GET", path, "Range", "bytes=10-14", 206, "01234"},
		"last":         {"GET", path, "Range", "bytes=-3", 206, "789"},
		"beyond":       {"GET", path, "Range", "bytes=10000-", 416, ""},
		"offset":       {"GET", path + "&offset=13&length=4", "", "", 206, "3456"},
		"head":         {"HEAD", path, "", "", 200, ""},
		"not modified": {"GET", path, "If-None-Match", `"` + sha(content) + `"`, 304, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := anna.in(t).with(func(r *http.Request) {
				if c.header != "" {
					r.Header.Set(c.header, c.value)
				}
			})
			got := a.ask(c.method, c.path, "", "").is(c.status)
			if c.status != 416 && got.body != c.want {
				t.Errorf("got %q, want %q", got.body, c.want)
			}
			if name == "head" && got.header.Get("Content-Length") != "10000" {
				t.Errorf("Content-Length: got %q", got.header.Get("Content-Length"))
			}
		})
	}

	// What was said to be there is there after a restart.
	srv.Restart(t)
	srv.Reaches(t, "files", plugin.Active)
	if got := srv.as(t, srv.anna).get(path).is(200); got.body != content {
		t.Errorf("after a restart: got %d bytes", len(got.body))
	}
}

func TestFilesRefused(t *testing.T) {
	srv := startFiles(t)
	anna := srv.as(t, srv.anna)
	for name, c := range map[string]struct {
		content, want string
	}{
		"no zip":   {"hello", "no data package"},
		"cut off":  {packageOf(t, "x")[:60], "no data package"},
		"no paper": {zipWith(t, "a.txt"), "MANIFEST/manifest.xml"},
		"leads up": {zipWith(t, "MANIFEST/manifest.xml", "../../etc/cron.d/x"), "no data package"},
	} {
		t.Run(name, func(t *testing.T) {
			form, kind := formOf(t, "p.zip", "application/zip", c.content)
			got := anna.in(t).ask("POST", "/Marti/sync/missionupload?filename=p.zip", kind, form).is(400)
			if !strings.Contains(got.body, c.want) {
				t.Errorf("got %s, want %q in it", got.body, c.want)
			}
			anna.in(t).get("/Marti/sync/missionquery?hash=" + sha(c.content)).is(404)
			anna.in(t).get("/Marti/sync/content?hash=" + sha(c.content)).is(404)
		})
	}
	t.Run("another hash", func(t *testing.T) {
		content := packageOf(t, "x")
		form, kind := formOf(t, "p.zip", "application/zip", content)
		anna.in(t).ask("POST", "/Marti/sync/missionupload?filename=p.zip&hash="+sha("other"), kind, form).is(400)
		anna.in(t).get("/Marti/sync/missionquery?hash=" + sha(content)).is(404)
	})
	t.Run("cut in the middle", func(t *testing.T) {
		conn, err := net.Dial("tcp", srv.Addr("http"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "POST /Marti/sync/upload?name=cut HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\nonly this"); err != nil {
			t.Fatal(err)
		}
		takclient.Must(t, conn.(*net.TCPConn).CloseWrite())
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Fatal(err)
		}
		conn.Close()
	})
	t.Run("without a login", func(t *testing.T) {
		bare := askAt(t, srv.Server, "web")
		for _, path := range []string{"/Marti/sync/search", "/Marti/sync/content?uid=x", "/api/v1/files"} {
			bare.get(path).is(401)
		}
		askAt(t, srv.Server, "http").get("/api/v1/files").is(404)
	})
	if got := askAt(t, srv.Server, "http").get("/Marti/sync/search").is(200); got.body != `{"resultCount":0,"results":[]}` {
		t.Errorf("what was refused is found: %s", got.body)
	}
	if got := anna.get("/Marti/api/files/metadata/count").is(200); !strings.Contains(got.body, `"data":0`) {
		t.Errorf("what was refused is counted: %s", got.body)
	}
}

// zipWith is an archive of files with these names.
func zipWith(t *testing.T, names ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		if _, err := w.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// FreeTAKServer's web UI (spec/rest.md 8.1, 8.2).
func TestFilesForFreeTAKServer(t *testing.T) {
	srv := startFiles(t)
	r := srv.rest(t)
	seer := srv.Client(t)
	content := packageOf(t, "from the UI")
	form, kind := formOf(t, "ui.zip", "application/x-zip-compressed", content)
	r.ask("POST", "/DataPackageTable?filename=ui.zip&creator=server", kind, form).is(200)
	type row struct {
		PrimaryKey, SubmissionUser, SubmissionDateTime, Name, Hash string
		Size, Privacy                                              int
	}
	table := func() (rows []row) {
		t.Helper()
		var page struct {
			List []row `json:"json_list"`
		}
		r.get("/DataPackageTable").is(200).into(&page)
		return page.List
	}
	if rows := table(); len(rows) != 1 || rows[0].Name != "ui.zip" || rows[0].Hash != sha(content) || rows[0].Size != len(content) || rows[0].Privacy != 0 {
		t.Fatalf("table: got %+v", rows)
	}
	if got := askAt(t, srv.Server, "http").get("/Marti/api/sync/metadata/" + sha(content) + "/tool").is(200); got.body != content {
		t.Errorf("the UI's download: got %d bytes", len(got.body))
	}
	r.post("/BroadcastDataPackage", `{"uid":"`+sha(content)+`"}`).is(200)
	seer.Expect(t, takclient.Type("b-f-t-r").Both(takclient.Contains(sha(content))))
	r.ask("PUT", "/DataPackageTable", "", `{"DataPackages":[{"PrimaryKey":"ui.zip","Privacy":"1","Name":"new.zip"}]}`).is(200)
	if rows := table(); len(rows) != 1 || rows[0].Name != "new.zip" || rows[0].Privacy != 1 {
		t.Errorf("after a change: got %+v", rows)
	}
	r.del("/DataPackageTable", `{"DataPackages":[{"hash":"`+sha(content)+`"}]}`).is(200)
	if rows := table(); len(rows) != 0 {
		t.Errorf("after a deletion: got %+v", rows)
	}
}
