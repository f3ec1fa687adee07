package openapi

import (
	"errors"
	"io/fs"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/takhost/takhost/hostapi/manifest"
)

func TestStatic(t *testing.T) {
	p := withRoutes("web", "GET /api/plugins/web/data")
	p.Manifest.Static = &manifest.Static{Folder: "www", Path: "/app/", Index: "index.html"}
	p.Files = fstest.MapFS{
		"index.html": {Data: []byte("<h1>home</h1>")}, "js/app.mjs": {Data: []byte("export {}")}, "a b.txt": {Data: []byte("space")},
		"blob.xyzzy": {Data: []byte("bytes")}, "link": {Mode: fs.ModeSymlink, Data: []byte("/etc/passwd")},
	}
	g := build(t, p)
	const page = "text/html,*/*"
	for _, c := range []struct {
		name, path, accept string
		status             int
		body, contentType  string
	}{
		{"folder", "/app/", "*/*", 200, "<h1>home</h1>", "text/html; charset=utf-8"},
		{"file", "/app/js/app.mjs", "*/*", 200, "export {}", "text/javascript; charset=utf-8"},
		{"escaped", "/app/a%20b.txt", "*/*", 200, "space", "text/plain; charset=utf-8"},
		{"unknown kind", "/app/blob.xyzzy", "*/*", 200, "bytes", "application/octet-stream"},
		{"page of the application", "/app/map/7", page, 200, "<h1>home</h1>", "text/html; charset=utf-8"},
		{"missing data", "/app/map/7", "application/json", 404, "there is no /app/map/7", ProblemType},
		{"missing script", "/app/js/gone.mjs", page, 404, "there is no", ProblemType},
		{"no listing", "/app/js/", "*/*", 404, "there is no", ProblemType},
		{"upwards", "/app/%2e%2e/secret.txt", "*/*", 404, "there is no", ProblemType},
		{"upwards, plain", "/app/../secret.txt", "*/*", 404, "there is no", ProblemType},
		{"link", "/app/link", "*/*", 404, "there is no", ProblemType},
		{"zero byte", "/app/a%00", "*/*", 404, "there is no", ProblemType},
		{"double slash", "/app//index.html", "*/*", 404, "there is no", ProblemType},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, body := ask(t, g, "GET", c.path, "Accept", c.accept)
			if resp.StatusCode != c.status || !strings.Contains(body, c.body) || resp.Header.Get("Content-Type") != c.contentType {
				t.Errorf("got %s %q %q", resp.Status, resp.Header.Get("Content-Type"), body)
			}
		})
	}
	resp, _ := ask(t, g, "HEAD", "/app/js/app.mjs")
	tag := resp.Header.Get("ETag")
	if resp.StatusCode != 200 || tag == "" || resp.ContentLength != 9 {
		t.Errorf("HEAD: got %s, %v", resp.Status, resp.Header)
	}
	if resp, body := ask(t, g, "GET", "/app/js/app.mjs", "If-None-Match", tag); resp.StatusCode != http.StatusNotModified || body != "" {
		t.Errorf("with its tag: got %s", resp.Status)
	}
	if resp, body := ask(t, g, "GET", "/app/js/app.mjs", "Range", "bytes=0-5"); resp.StatusCode != http.StatusPartialContent || body != "export" {
		t.Errorf("range: got %s %q", resp.Status, body)
	}
	if resp, _ := ask(t, g, "POST", "/app/js/app.mjs"); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: got %s", resp.Status)
	}
}

func TestStaticRefused(t *testing.T) {
	files := fstest.MapFS{"index.html": {Data: []byte("x")}}
	static := func(name, path string) Plugin {
		return Plugin{Name: name, Files: files, Prefixes: []string{"/app"}, Manifest: &manifest.Manifest{Name: name, Static: &manifest.Static{Folder: "www", Path: path}}}
	}
	for _, c := range []struct {
		name    string
		plugins []Plugin
		want    string
	}{
		{"outside", []Plugin{static("a", "/api/v1/")}, "/api/v1/ is outside of /api/plugins/a/"},
		{"parameter", []Plugin{static("a", "/app/{x}/")}, "has a parameter"},
		{"twice", []Plugin{static("a", "/app/"), static("b", "/app/")}, "takes the same requests as route static of plugin a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Build(Options{Listeners: []string{"rest"}, Core: testCore, Plugins: c.plugins, Answer: echo})
			var refused *Refused
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// slowFS counts how often a file is read, and lets reading wait.
type slowFS struct {
	fs.FS
	opened atomic.Int32
	wait   chan struct{}
}

func (s *slowFS) Open(name string) (fs.File, error) {
	s.opened.Add(1)
	<-s.wait
	return s.FS.Open(name)
}

// TestStaticIsInMemoryOnce has many clients ask for one file at the same time.
func TestStaticIsInMemoryOnce(t *testing.T) {
	slow := &slowFS{FS: fstest.MapFS{"a.js": {Data: []byte("1")}}, wait: make(chan struct{})}
	s := &staticFiles{fs: slow}
	var some sync.WaitGroup
	begun := make(chan struct{}, 20)
	for range 20 {
		some.Go(func() {
			begun <- struct{}{}
			f, done := s.use("a.js")
			defer done()
			if f.err != nil || string(f.content) != "1" || f.etag == "" {
				t.Errorf("got %q %q, %v", f.content, f.etag, f.err)
			}
		})
	}
	for range 20 {
		<-begun
	}
	for users := 0; users < 20; runtime.Gosched() { // all wait for the one that reads
		s.mu.Lock()
		if f := s.inUse["a.js"]; f != nil {
			users = f.users
		}
		s.mu.Unlock()
	}
	close(slow.wait)
	some.Wait()
	if n := slow.opened.Load(); n != 1 {
		t.Errorf("the file was read %d times", n)
	}
	if len(s.inUse) != 0 {
		t.Errorf("%d files are kept that nobody uses", len(s.inUse))
	}
}
