package tests

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
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
	"github.com/takhost/takhost/tests/guests"
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

// filesVersion is the plugin files by another version, changed as said.
func filesVersion(t *testing.T, version string, changes ...guests.Change) []byte {
	t.Helper()
	files, err := builtFiles()
	if err != nil {
		t.Fatalf("build the plugin files: %v", err)
	}
	pkg, err := fs.ReadFile(files, "files.takplugin")
	if err != nil {
		t.Fatal(err)
	}
	return guests.Open(t, pkg).Pack(t, append(changes, guests.Version(version))...)
}

// fileServer is a server with the plugin files and users who share: anna is in the
// groups Red and Blue, bert in Blue, carl in Green.
type fileServer struct {
	*taktest.Server
	anna, bert, carl *takclient.Enrolled
}

func startFiles(t *testing.T, opts ...taktest.Option) *fileServer {
	t.Helper()
	files, err := builtFiles()
	if err != nil {
		t.Fatalf("build the plugin files: %v", err)
	}
	srv := wholeServer(t, append(opts, taktest.WithShipped(files))...)
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

// fileChild is the program as it ships, with a user anna.
type fileChild struct {
	*taktest.Child
	anna *takclient.Enrolled
}

func runFiles(t *testing.T, args ...string) *fileChild {
	t.Helper()
	needBuiltIn(t)
	srv := taktest.Run(t, append(taktest.Listening("http", "https", "web"), args...)...)
	srv.Reaches(t, "files", plugin.Active)
	addUser(t, srv.Admin, "anna")
	return &fileChild{srv, issue(t, srv.Admin, "anna", false)}
}

// at asks a listener, as anna where that needs a login.
func (s *fileChild) at(t *testing.T, listener string) *mover {
	t.Helper()
	a := askTo(t, s.Admin, listener, s.Addr(t, listener))
	switch listener {
	case "https":
		a = a.certificate(s.anna.Cert)
	case "web":
		a = a.token(newToken(t, s.Admin, "anna"))
	}
	return a.mover(t)
}

// filesIn lists what lies in a server's store of files.
func filesIn(t testing.TB, data string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(data, "blobs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, filepath.Base(filepath.Dir(path))+filepath.Base(path))
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // it is made with the first file
		t.Fatal(err)
	}
	return names
}
