package openapi

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi/manifest"
)

func TestRouting(t *testing.T) {
	g := build(t,
		withRoutes("a", "GET /m/{x}/b", "GET /m/c/{y}", "GET /m/{x}", "POST /m/c", "GET /f/{x...}", "GET /f/{x}", "GET /f/readme"),
		withRoutes("b", "DELETE /m/{other}", "HEAD /m/{x}", "GET /{all...}"))
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/m/1/b", "a.r0 x=1"},
		{"GET", "/m/c/b", "a.r1 y=b"},
		{"GET", "/m/c", "a.r2 x=c"},
		{"POST", "/m/c", "a.r3"},
		{"DELETE", "/m/7", "b.r0 other=7"},
		{"GET", "/f/readme", "a.r6"},
		{"GET", "/f/one", "a.r5 x=one"},
		{"GET", "/f/one/two", "a.r4 x=one/two"},
		{"GET", "/f/", "a.r4 x="},
		{"GET", "/m/a%2Fb", "a.r2 x=a/b"},
		{"GET", "/m/%C3%A4%20%7B", "a.r2 x=ä {"},
		{"GET", "/api/v1/status", "core status"},
		{"GET", "/api/v1/plugins/x", "core plugin"},
		{"GET", "/elsewhere/x", "b.r2 all=elsewhere/x"},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			if resp, body := ask(t, g, c.method, c.path); resp.StatusCode != 200 || body != c.want {
				t.Errorf("got %s %q, want %q", resp.Status, body, c.want)
			}
		})
	}
	t.Run("method", func(t *testing.T) {
		resp, body := ask(t, g, "PUT", "/m/c")
		if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET, HEAD, POST, DELETE" {
			t.Errorf("got %s, Allow %q, %s", resp.Status, resp.Header.Get("Allow"), body)
		}
	})
}

func TestHeadOfGet(t *testing.T) {
	g := build(t, withRoutes("a", "GET /m/{x}", "GET /n", "HEAD /n"))
	for path, want := range map[string]string{"/m/1": "a.r0 x=1", "/n": "a.r2"} {
		if resp, body := ask(t, g, "HEAD", path); resp.StatusCode != 200 || body != want {
			t.Errorf("HEAD %s: got %s %q, want %q", path, resp.Status, body, want)
		}
	}
}

// TestRefused has plugins that cannot be part of a generation.
func TestRefused(t *testing.T) {
	first := withRoutes("first", "GET /m/{x}", "GET /api/plugins/first/x")
	bad := func(change func(*manifest.Route)) Plugin {
		p := withRoutes("bad", "GET /x/{y}")
		change(&p.Manifest.Routes[0])
		return p
	}
	loop := map[string]any{}
	loop["loop"] = loop
	for _, c := range []struct {
		name string
		p    Plugin
		want string
	}{
		{"same shape", withRoutes("bad", "GET /m/{other}"), "plugin bad, route r0: GET /m/{other} takes the same requests as route r0 of plugin first"},
		{"same as core", withRoutes("bad", "GET /api/v1/status"), "GET /api/v1/status takes the same requests as the core's GET /api/v1/status"},
		{"takes from core", withRoutes("bad", "GET /api/v1/plugins/bad"), "GET /api/v1/plugins/bad would take requests from the core's GET /api/v1/plugins/{name}"},
		{"takes from core with a parameter", withRoutes("bad", "POST /api/v1/plugins/bad/{verb}"), "would take requests from the core's POST /api/v1/plugins/{name}/enable"},
		{"the description", withRoutes("bad", "GET /openapi.json"), "takes the same requests as the core's GET /openapi.json"},
		{"the docs", withRoutes("bad", "HEAD /docs"), "takes the same requests as the core's HEAD /docs"},
		{"outside of its prefixes", Plugin{Name: "bad", Manifest: withRoutes("bad", "GET /Marti/x").Manifest, Prefixes: []string{"/Mar"}}, "/Marti/x is outside of /api/plugins/bad/ and of the prefixes that are granted (/Mar)"},
		{"other plugin's folder", Plugin{Name: "bad", Manifest: withRoutes("bad", "GET /api/plugins/first/y").Manifest}, "is outside of /api/plugins/bad/ and of the prefixes that are granted (none)"},
		{"no manifest", Plugin{Name: "bad"}, "plugin bad: has no manifest"},
		{"method", bad(func(r *manifest.Route) { r.Method = "BREW" }), `method "BREW" is none of`},
		{"no id", bad(func(r *manifest.Route) { r.ID = "" }), "has no id"},
		{"id twice", Plugin{Name: "bad", Prefixes: []string{"/"}, Manifest: &manifest.Manifest{Name: "bad", Routes: []manifest.Route{
			{ID: "r", Method: "GET", Path: "/one"}, {ID: "r", Method: "GET", Path: "/two"}}}}, "plugin bad, route r: panic: duplicate operation ID: bad.r"},
		{"no path", bad(func(r *manifest.Route) { r.Path = "x" }), `"x" is no path`},
		{"wildcard", bad(func(r *manifest.Route) { r.Path = "/x/*" }), "has a character that a path of a route cannot have"},
		{"expression", bad(func(r *manifest.Route) { r.Path = "/x/{y:[}" }), "is no parameter"},
		{"open brace", bad(func(r *manifest.Route) { r.Path = "/x/{y" }), "is no parameter"},
		{"inner brace", bad(func(r *manifest.Route) { r.Path = "/x/a{y}" }), "has the segment"},
		{"rest inside", bad(func(r *manifest.Route) { r.Path = "/x/{y...}/z" }), "it can only be the last segment"},
		{"parameter twice", bad(func(r *manifest.Route) { r.Path = "/x/{y}/{y}" }), "is no parameter"},
		{"dots", bad(func(r *manifest.Route) { r.Path = "/x/../y" }), "has the segment"},
		{"credentials", bad(func(r *manifest.Route) { r.Params = []manifest.Param{{Name: "Authorization", In: "header"}} }), "the header Authorization has credentials"},
		{"cookie", bad(func(r *manifest.Route) { r.Params = []manifest.Param{{Name: "a", In: "cookie"}} }), "is no place for a parameter"},
		{"unknown path parameter", bad(func(r *manifest.Route) { r.Params = []manifest.Param{{Name: "z", In: "path"}} }), "is not in the path"},
		{"not a number", bad(func(r *manifest.Route) { r.Output = &manifest.Schema{Type: "number", Default: math.NaN()} }), "plugin bad, route r0: json: "},
		{"endless", bad(func(r *manifest.Route) { r.Output = &manifest.Schema{Default: loop} }), "plugin bad, route r0: json: "},
		{"no items", bad(func(r *manifest.Route) {
			r.Output = &manifest.Schema{Properties: map[string]*manifest.Schema{"a": nil}}
		}), "plugin bad, route r0: panic: "},
		{"no files", Plugin{Name: "bad", Manifest: &manifest.Manifest{Static: &manifest.Static{Folder: "www"}}}, "plugin bad: static: the package has no folder www"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := Build(Options{Listeners: []string{"rest"}, Core: testCore, Plugins: []Plugin{first, c.p}, Answer: echo, Describe: true})
			var refused *Refused
			if !errors.As(err, &refused) || g != nil || refused.Plugin != "bad" || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestNotRefused has routes that look as if they took something from the core.
func TestNotRefused(t *testing.T) {
	g := build(t, withRoutes("a", "GET /api/v1/{x}", "GET /api/v1/{x...}", "POST /api/v1/status", "GET /api/v1/plugins/{name}/mine", "GET /docs/more", "GET /"))
	for path, want := range map[string]string{
		"/api/v1/status": "core status", "/api/v1/other": "a.r0 x=other", "/api/v1/plugins/x": "core plugin",
		"/api/v1/plugins/x/mine": "a.r3 name=x", "/docs/more": "a.r4", "/": "a.r5",
	} {
		if _, body := ask(t, g, "GET", path); body != want {
			t.Errorf("%s: got %q, want %q", path, body, want)
		}
	}
}

func TestListeners(t *testing.T) {
	p := withRoutes("a", "GET /usual", "GET /marti", "GET /both", "GET /web")
	p.Manifest.Routes[1].Listeners = []string{"http", "https"}
	p.Manifest.Routes[2].Listeners = []string{"https", "rest"}
	p.Manifest.Routes[3].Listeners = []string{"web"}
	p.Listeners = []string{"rest", "https"}
	var got []string
	_, err := Build(Options{Listeners: []string{"rest", "web"}, Plugins: []Plugin{p}, Answer: func(r *Route) http.Handler {
		got = append(got, r.Path+" "+strings.Join(r.Listeners, ","))
		return http.NotFoundHandler()
	}})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	// Each twice: for GET and for HEAD.
	if diff := cmp.Diff([]string{"/both https,rest", "/usual rest"}, slices.Compact(got)); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
}

// TestGuard shows that each operation has the guard in front, with what it has
// to know.
func TestGuard(t *testing.T) {
	p := withRoutes("a", "GET /x", "POST /y")
	p.Manifest.Routes[0].Open = true
	p.Manifest.Routes[1].Roles = []string{"operator"}
	p.Manifest.Routes[1].Errors = "fts"
	got := map[string]Access{}
	g, err := Build(Options{Listeners: []string{"rest"}, Core: testCore, Plugins: []Plugin{p}, Answer: echo, Describe: true, Guard: func(a Access, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got[r.Method+" "+r.URL.Path] = a
			next.ServeHTTP(w, r)
		})
	}})
	if err != nil {
		t.Fatal(err)
	}
	rest := []string{"rest"}
	want := map[string]Access{
		"GET /x":             {Listeners: usual, Open: true, Errors: "problem"},
		"HEAD /x":            {Listeners: usual, Open: true, Errors: "problem"},
		"POST /y":            {Listeners: usual, Roles: []string{"operator"}, Errors: "fts", Writes: true},
		"GET /api/v1/status": {Listeners: rest},
		"GET /openapi.json":  {Listeners: rest, Open: true},
		"GET /docs":          {Listeners: rest, Open: true},
		"GET /docs/start.js": {Listeners: rest, Open: true},
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		method, path, _ := strings.Cut(key, " ")
		ask(t, g, method, path)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("access (-want +got):\n%s", diff)
	}
}

func TestNothingThere(t *testing.T) {
	resp, body := ask(t, build(t), "GET", "/nothing")
	var p Problem
	if err := json.Unmarshal([]byte(body), &p); err != nil || resp.StatusCode != 404 || p.Code != "not_found" || resp.Header.Get("Content-Type") != ProblemType {
		t.Errorf("got %s %s, %v", resp.Status, body, err)
	}
}

func BenchmarkBuild(b *testing.B) {
	var plugins []Plugin
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		var routes []string
		for i := range 40 {
			routes = append(routes, "GET /"+name+"/"+strings.Repeat("x", i+1)+"/{id}", "POST /"+name+"/"+strings.Repeat("x", i+1))
		}
		plugins = append(plugins, withRoutes(name, routes...))
	}
	for b.Loop() {
		build(b, plugins...)
	}
}
