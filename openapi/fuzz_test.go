package openapi

import (
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/takhost/takhost/hostapi/manifest"
)

// FuzzBuild makes generations out of any manifest that can be read: each ends in
// a generation whose description can be written in all forms, or is refused with
// the plugin's name.
func FuzzBuild(f *testing.F) {
	f.Add(kindsManifest, "/k/json")
	f.Add(`{"name":"a","version":"1.0.0","abi":"tak/1","capabilities":{"http.routes":{"prefixes":["/"]}},"static":{"folder":"www"},
		"routes":[{"id":"x","path":"/{all...}"},{"id":"y","path":"/api/v1/{z}","params":[{"name":"z","in":"path","schema":{"enum":[null,{"$ref":"x"}]}}],
		"output":{"type":"object","properties":{"$ref":{"default":{"exclusiveMinimum":null}},"":{}}}}]}`, "/x//y")
	f.Fuzz(func(t *testing.T, doc, path string) {
		m, err := manifest.Parse([]byte(doc))
		if err != nil {
			return
		}
		p := Plugin{Name: m.Name, Version: m.Version, Manifest: m, Prefixes: []string{"/"}}
		g, err := Build(Options{Version: "v1", Listeners: []string{"rest", "web"}, Core: testCore, Plugins: []Plugin{p}, Answer: echo})
		if err != nil {
			var refused *Refused
			if !errors.As(err, &refused) || refused.Plugin != m.Name {
				t.Errorf("got %v", err)
			}
			return
		}
		for _, form := range []func() ([]byte, error){g.Document().YAML, g.Document().JSON30, g.Document().YAML30} {
			if _, err := form(); err != nil {
				t.Error(err)
			}
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path = path
		g.ServeHTTP(httptest.NewRecorder(), r)
	})
}
