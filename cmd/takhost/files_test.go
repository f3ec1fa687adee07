package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/web"
)

// fileBed is a data folder whose admin socket a fake server listens on.
type fileBed struct {
	t    *testing.T
	data string
	dir  string // where files are written
	mux  *http.ServeMux
	mu   sync.Mutex
	logs []string // what was asked for
}

func newFileBed(t *testing.T) *fileBed {
	t.Helper()
	data, err := os.MkdirTemp("", "tak") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(data) })
	b := &fileBed{t: t, data: data, dir: t.TempDir(), mux: http.NewServeMux()}
	ln, err := net.Listen("unix", filepath.Join(data, web.AdminSocket))
	if err != nil {
		t.Fatal(err)
	}
	srv := &httptest.Server{Listener: ln, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		b.logs = append(b.logs, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Range")))
		b.mu.Unlock()
		b.mux.ServeHTTP(w, r)
	})}}
	srv.Start()
	t.Cleanup(srv.Close)
	return b
}

// answer has the fake server answer a pattern of ServeMux with JSON.
func (b *fileBed) answer(pattern string, status int, v any) {
	b.mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v) // a client that is gone does not mind
	})
}

// problem is an answer that is an error, as the server writes it.
func problem(status int, detail string) map[string]any {
	return map[string]any{"title": http.StatusText(status), "status": status, "detail": detail}
}

// run runs a command in the data folder.
func (b *fileBed) run(stdin string, args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = run(context.Background(), append(args, "--data", b.data), streams{strings.NewReader(stdin), &o, &e})
	return code, o.String(), e.String()
}

func (b *fileBed) asked() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.logs
}

// left gives the names of the files that were written.
func (b *fileBed) left() string {
	b.t.Helper()
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		b.t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func sumOf(content string) string {
	h := sha256.Sum256([]byte(content))
	return hex.EncodeToString(h[:])
}

func fileNamed(id, name, content string) sharedFile {
	return sharedFile{ID: id, Name: name, Hash: sumOf(content), Size: int64(len(content)), Keywords: []string{}, Tool: "public", User: "ann"}
}

// TestFilesAway has the plugin away in several ways; all commands say so.
func TestFilesAway(t *testing.T) {
	gone := problem(404, "there is no /api/v1/files")
	for _, c := range []struct {
		name   string
		status int
		about  map[string]any
		answer map[string]any
		want   string
	}{
		{"off", 200, map[string]any{"name": "files", "state": "disabled"}, gone, "switched off: takhost plugin enable files --data "},
		{"none", 404, problem(404, "there is no plugin files"), gone, "this server has none"},
		{"failed", 200, map[string]any{"name": "files", "state": "failed", "reason": "too old"}, gone, "does not run (failed: too old): takhost plugin show files"},
		{"broken", 200, map[string]any{"name": "files", "state": "broken"}, problem(503, "try later"), "does not run (broken)"},
		{"another version", 200, map[string]any{"name": "files", "state": "active"}, gone, "there is no /api/v1/files"},
		{"busy", 200, map[string]any{"name": "files", "state": "active"}, problem(503, "try later"), "takhost: try later"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newFileBed(t)
			b.answer("/api/v1/plugins/files", c.status, c.about)
			b.answer("/api/v1/files", int(c.answer["status"].(int)), c.answer)
			code, out, errs := b.run("", "files", "list")
			if code != exitFailed || out != "" || !strings.Contains(errs, c.want) {
				t.Errorf("list: got code %d, %q and %q, want %q", code, out, errs, c.want)
			}
		})
	}
}

func TestFilesPages(t *testing.T) {
	b := newFileBed(t)
	pages := map[string]filesPage{
		"":  {Files: []sharedFile{fileNamed("9", "i", "1"), fileNamed("8", "h", "2")}, Next: "a"},
		"a": {Files: []sharedFile{}, Next: "b"}, // all of it was for others
		"b": {Files: []sharedFile{fileNamed("7", "g", "3")}},
	}
	b.mux.HandleFunc("GET /api/v1/files", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(pages[r.URL.Query().Get("after")])
	})
	code, out, errs := b.run("", "files", "list", "--all", "--keyword", "x y")
	if code != 0 || errs != "" || strings.Count(out, "\n") != 4 {
		t.Errorf("list: got code %d, %q and %q", code, out, errs)
	}
	want := []string{
		"GET /api/v1/files?keyword=x+y&limit=1000", "GET /api/v1/files?after=a&keyword=x+y&limit=1000", "GET /api/v1/files?after=b&keyword=x+y&limit=1000",
	}
	if diff := cmp.Diff(want, b.asked()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	code, out, errs = b.run("", "files", "list", "--limit", "2", "--json")
	if code != 0 || strings.Contains(out, `"7"`) || errs != "these are the latest 2; --all shows the others too\n" {
		t.Errorf("list of two: got code %d, %q and %q", code, out, errs)
	}
}

func TestFilesNamed(t *testing.T) {
	b := newFileBed(t)
	old, now, other := fileNamed("1", "a.txt", "1"), fileNamed("2", "a.txt", "2"), fileNamed("3", "b.txt", "2")
	b.answer("GET /api/v1/plugins/files", 200, map[string]any{"state": "active"})
	b.answer("GET /api/v1/files/2", 200, now)
	b.answer("GET /api/v1/files/{id}", 404, problem(404, "there is no such file"))
	b.mux.HandleFunc("GET /api/v1/files", func(w http.ResponseWriter, r *http.Request) {
		var page filesPage
		for _, f := range []sharedFile{other, now, old} {
			if q := r.URL.Query(); q.Get("name") == f.Name || q.Get("hash") == f.Hash {
				page.Files = append(page.Files, f)
			}
		}
		_ = json.NewEncoder(w).Encode(page)
	})
	a := &files{admin: mustAdmin(t, b.data)}
	for _, c := range []struct{ ref, one, content string }{
		{"2", "2", "2"},
		{"a.txt", "2 files", "2 files"},
		{"b.txt", "3", "3"},
		{sumOf("2"), "2 files", "3"},
		{strings.ToUpper(sumOf("1")), "1", "1"},
		{"77", "there is no file 77", "there is no file 77"},
		{"../2", "there is no file ../2", "there is no file ../2"},
		{"", "there is no file", "there is no file"},
	} {
		for i, find := range []func(context.Context, string) (*sharedFile, error){a.one, a.content} {
			got, want := "", []string{c.one, c.content}[i]
			f, err := find(t.Context(), c.ref)
			if err != nil {
				got = err.Error()
			} else {
				got = f.ID
			}
			if err == nil && got != want || !strings.Contains(got, want) {
				t.Errorf("%q: got %q, want %q", c.ref, got, want)
			}
		}
	}
}

func mustAdmin(t *testing.T, data string) *admin {
	t.Helper()
	a, err := (&sourceFlags{Data: data}).admin()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestTypeOf(t *testing.T) {
	for _, c := range []struct {
		name string
		pack bool
		want string
	}{
		{"a.zip", true, "application/x-zip-compressed"}, {"a.zip", false, "application/zip"}, {"A.JPG", false, "image/jpeg"},
		{"m.KmL", false, "application/vnd.google-earth.kml+xml"}, {"x.html", false, "text/html"},
		{"none", false, "application/octet-stream"}, {"a.b.unknown-ext", false, "application/octet-stream"}, {"", false, "application/octet-stream"},
	} {
		if got := typeOf(c.name, c.pack); got != c.want {
			t.Errorf("%q: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestFilesShow(t *testing.T) {
	b := newFileBed(t)
	b.answer("GET /api/v1/plugins/files", 200, map[string]any{"state": "active"})
	lat, lon := 52.5, 13.25
	f := fileNamed("1", "a\x1b[31m.zip", strings.Repeat("z", 2000))
	f.Lat, f.Lon, f.Remarks, f.Groups = &lat, &lon, "one\ntwo", []string{"Blue", "Red"}
	f.Contents = []packageFile{{"MANIFEST/manifest.xml", 300}, {"a/b.kml", 5_300_000}}
	b.answer("GET /api/v1/files/1", 200, f)
	code, out, errs := b.run("", "files", "show", "1")
	want := fmt.Sprintf(`file         1
name         a·[31m.zip
size         2.0 kB (2000 bytes)
sha-256      %s
user         ann
tool         public
groups       Blue, Red
place        52.5, 13.25
remarks      one
             two
contents     MANIFEST/manifest.xml  300 B
             a/b.kml  5.3 MB
`, f.Hash)
	if diff := cmp.Diff(want, out); diff != "" || code != 0 {
		t.Errorf("code %d, %s (-want +got):\n%s", code, errs, diff)
	}
}
