package web

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

// fakePlugins answers with what a test put there, and keeps what it was asked.
type fakePlugins struct {
	http   func(ctx context.Context, name, route string, r *wire.HTTPRequest) (*plugin.Answer, error)
	action func(name, action string, a *wire.Action) (*wire.ActionResult, error)
	list   []plugin.Info
	dead   []plugin.DeadLetter
	err    error // of changes

	mu    sync.Mutex
	calls []string
	pkg   string // that was uploaded
}

var _ Plugins = (*fakePlugins)(nil)

func (f *fakePlugins) did(parts ...string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, strings.Join(parts, " "))
	return f.err
}

func (f *fakePlugins) List() []plugin.Info { return append([]plugin.Info{}, f.list...) }

func (f *fakePlugins) Show(name string) (plugin.Info, error) {
	for _, p := range f.list {
		if p.Name == name {
			return p, nil
		}
	}
	return plugin.Info{}, &store.Error{Code: store.NotFound, Msg: "there is no plugin " + name}
}

func (f *fakePlugins) Enable(_ context.Context, name string) error { return f.did("enable", name) }

func (f *fakePlugins) Disable(_ context.Context, name string, force bool) error {
	return f.did("disable", name, yes(force))
}

func (f *fakePlugins) Install(_ context.Context, r io.Reader, sha256 string) (plugin.Info, error) {
	return f.take(r, "install", sha256)
}

func (f *fakePlugins) Swap(_ context.Context, name string, r io.Reader, sha256 string) (plugin.Info, error) {
	return f.take(r, "swap", name, sha256)
}

func (f *fakePlugins) take(r io.Reader, parts ...string) (plugin.Info, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return plugin.Info{}, err
	}
	f.mu.Lock()
	f.pkg = string(b)
	f.mu.Unlock()
	return plugin.Info{Name: "fence"}, f.did(parts...)
}

func (f *fakePlugins) Remove(_ context.Context, name string, force bool) error {
	return f.did("remove", name, yes(force))
}

func (f *fakePlugins) Reset(_ context.Context, name, key string) error {
	return f.did("reset", name, key)
}

func (f *fakePlugins) SetGrant(_ context.Context, name string, g hostapi.Grants) error {
	return f.did("grant", name, strings.Join(g[hostapi.CapEventsRead].Types, ","))
}

func (f *fakePlugins) SetLimits(_ context.Context, name string, l map[string]any) error {
	text, _ := l["memory"].(string)
	return f.did("limits", name, text)
}

func (f *fakePlugins) SetConfig(_ context.Context, name string, c map[string]any) error {
	text, _ := c["period"].(string)
	return f.did("config", name, text)
}

func (f *fakePlugins) DeadLetters(_ context.Context, name string, after int64, limit int) (list []plugin.DeadLetter, err error) {
	if limit > hostapi.MaxPage {
		return nil, &store.Error{Code: store.Invalid, Msg: "limit: must be 1 to 1000"}
	}
	for _, d := range slices.Backward(f.dead) { // newest first
		if (after == 0 || d.ID < after) && d.Plugin == name && len(list) < limit {
			list = append(list, d)
		}
	}
	return list, f.err
}

func (f *fakePlugins) DeadLetter(_ context.Context, name string, id int64) (plugin.DeadLetter, error) {
	for _, d := range f.dead {
		if d.ID == id && d.Plugin == name {
			return d, nil
		}
	}
	return plugin.DeadLetter{}, &store.Error{Code: store.NotFound, Msg: "there is no such dead letter"}
}

func (f *fakePlugins) RetryDeadLetter(_ context.Context, name string, id int64) error {
	return f.did("retry", name, hostapi.ID(id).String())
}

func (f *fakePlugins) RemoveDeadLetter(_ context.Context, name string, id int64) error {
	return f.did("drop", name, hostapi.ID(id).String())
}

func (f *fakePlugins) HTTP(ctx context.Context, name, route string, r *wire.HTTPRequest) (*plugin.Answer, error) {
	return f.http(ctx, name, route, r)
}

func (f *fakePlugins) Action(_ context.Context, name, action string, a *wire.Action) (*wire.ActionResult, error) {
	return f.action(name, action, a)
}

func yes(v bool) string {
	if v {
		return "force"
	}
	return "gently"
}

// textAnswer is an answer of a plugin that is all there.
func textAnswer(status int, contentType, body string) *plugin.Answer {
	return &plugin.Answer{
		Status: status, ContentType: contentType, Size: int64(len(body)),
		WriteTo: func(_ context.Context, w io.Writer) error {
			_, err := io.WriteString(w, body)
			return err
		},
	}
}

// fenceManifest has a route of each kind.
const fenceManifest = `{
 "name": "fence", "version": "1.2.0", "abi": "tak/1", "title": "Geofences", "http": "pool",
 "description": "Tells when somebody enters or leaves an area.",
 "provides": [{"name": "list", "public": true}, {"name": "clear", "public": true, "writes": true}, {"name": "inner"}],
 "static": {"folder": "www", "index": "index.html", "open": true},
 "capabilities": {"http.routes": {"prefixes": ["/api/v1/fences", "/Marti/fences", "/ManageFence"]}, "blobs": {}},
 "routes": [
  {"id": "fences", "path": "/api/v1/fences", "summary": "All fences", "doc": "By name.", "params": [
    {"name": "limit", "doc": "Fences of the page, at most", "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}},
    {"name": "tag", "schema": {"type": "array", "items": {"type": "string", "maxLength": 5}}},
    {"name": "X-Trace", "in": "header"}],
   "output": {"type": "object", "properties": {"fences": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}, "radius": {"type": ["number", "null"]}}}}, "next": {"type": "string"}}}},
  {"id": "make", "method": "POST", "path": "/api/v1/fences", "summary": "Make a fence", "body": "json", "maxBody": 1000, "input": {"type": "object", "required": ["name"], "properties": {
    "name": {"type": "string", "minLength": 1, "description": "what it is called"}, "radius": {"type": "number", "minimum": 0, "default": 250.5}}}},
  {"id": "fence", "path": "/api/v1/fences/{name}", "summary": "One fence"},
  {"id": "drop", "method": "DELETE", "path": "/api/v1/fences/{id}", "summary": "Remove a fence", "roles": ["operator"]},
  {"id": "file", "path": "/api/v1/fences/{name}/files/{path...}", "summary": "A file of a fence", "response": "text/plain"},
  {"id": "count", "path": "/api/v1/fences/{name}/count", "summary": "Count once more", "writes": true},
  {"id": "marti", "method": "PUT", "path": "/Marti/fences/{name}", "body": "xml", "errors": "marti"},
  {"id": "post", "method": "POST", "path": "/ManageFence/postFence", "body": "loose", "errors": "fts", "input": {"type": "object", "properties": {"name": {"type": "string", "default": "unnamed"}}}},
  {"id": "form", "method": "POST", "path": "/api/plugins/fence/form", "body": "form", "input": {"type": "object", "required": ["age"], "properties": {"age": {"type": "integer"}, "unit": {"type": "string", "default": "m"}}}},
  {"id": "raw", "method": "POST", "path": "/api/plugins/fence/raw", "body": "raw", "response": "application/octet-stream"},
  {"id": "upload", "method": "POST", "path": "/api/plugins/fence/upload", "body": "blob"},
  {"id": "list", "method": "POST", "path": "/api/plugins/fence/list", "body": "json", "action": "list", "response": "text/plain"},
  {"id": "hello", "path": "/api/plugins/fence/hello", "open": true, "response": "text/plain"}
 ]}`

func fence(t testing.TB) plugin.Routes {
	t.Helper()
	m, err := manifest.Parse([]byte(fenceManifest))
	if err != nil {
		t.Fatal(err)
	}
	return plugin.Routes{
		Plugin: "fence", Version: "1.2.0", Manifest: m,
		Prefixes: []string{"/api/v1/fences", "/Marti/fences", "/ManageFence"},
		Files:    fstest.MapFS{"index.html": {Data: []byte("<h1>fences</h1>")}, "app.mjs": {Data: []byte("export {}")}},
	}
}

// use puts plugins in force.
func (s *site) use(t testing.TB, sets ...plugin.Routes) {
	t.Helper()
	commit, err := s.Generation(sets)
	if err != nil {
		t.Fatal(err)
	}
	commit()
}
