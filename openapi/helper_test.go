package openapi

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/hostapi/manifest"
)

// testCore registers a few operations as a core would.
func testCore(api huma.API) {
	for _, o := range []struct{ method, path, id string }{
		{"GET", "/api/v1/status", "status"}, {"GET", "/api/v1/plugins/{name}", "plugin"}, {"POST", "/api/v1/plugins/{name}/enable", "enable"},
	} {
		api.OpenAPI().AddOperation(&huma.Operation{
			Method: o.method, Path: o.path, OperationID: o.id, Responses: map[string]*huma.Response{"200": {Description: "OK"}},
			Parameters: pathParams(o.path),
		})
		api.Adapter().Handle(&huma.Operation{Method: o.method, Path: o.path}, func(ctx huma.Context) {
			fmt.Fprintf(ctx.BodyWriter(), "core %s", o.id)
		})
	}
}

func pathParams(path string) (list []*huma.Param) {
	p, err := parsePattern(path)
	if err != nil {
		panic(err)
	}
	for _, n := range p.names {
		list = append(list, &huma.Param{Name: n, In: "path", Required: true, Schema: &huma.Schema{Type: "string"}})
	}
	return list
}

// echo answers with the route and its parameters.
func echo(r *Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		fmt.Fprintf(w, "%s.%s", r.Plugin.Name, r.ID)
		for _, n := range r.Names {
			key := n
			if n == r.Rest {
				key = "*"
			}
			fmt.Fprintf(w, " %s=%s", n, PathParam(q, key))
		}
	})
}

// withRoutes makes a plugin with routes of these "METHOD /path", which is
// granted all prefixes.
func withRoutes(name string, routes ...string) Plugin {
	m := &manifest.Manifest{Name: name, Version: "1.0.0"}
	for i, r := range routes {
		method, path, _ := strings.Cut(r, " ")
		m.Routes = append(m.Routes, manifest.Route{ID: fmt.Sprintf("r%d", i), Method: method, Path: path, Response: "text/plain", Body: "none", Errors: "problem"})
	}
	return Plugin{Name: name, Version: "1.0.0", Manifest: m, Prefixes: []string{"/"}}
}

func build(t testing.TB, plugins ...Plugin) *Generation {
	t.Helper()
	g, err := Build(Options{Version: "v1", Listeners: []string{"rest", "web"}, Core: testCore, Plugins: plugins, Answer: echo, Describe: true})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// ask sends a request with headers in pairs.
func ask(t testing.TB, h http.Handler, method, target string, headers ...string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	resp := w.Result()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}
