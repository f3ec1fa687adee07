package openapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/takhost/takhost/hostapi/manifest"
)

// described gives the description of one plugin as a decoder reads it.
func describe(t *testing.T, p Plugin) (doc map[string]any) {
	t.Helper()
	if err := json.Unmarshal(build(t, p).Document().JSON(), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// at follows keys into a document.
func at(t *testing.T, v any, keys ...any) any {
	t.Helper()
	for _, k := range keys {
		switch k := k.(type) {
		case string:
			m, ok := v.(map[string]any)
			if !ok || m[k] == nil {
				t.Fatalf("no %q in %v", k, v)
			}
			v = m[k]
		case int:
			v = v.([]any)[k]
		}
	}
	return v
}

const kindsManifest = `{"name": "kinds", "version": "1.0.0", "abi": "tak/1", "title": "All kinds",
 "capabilities": {"http.routes": {"prefixes": ["/k"]}, "blobs": {}},
 "routes": [
  {"id": "list", "path": "/k/{id}", "summary": "List", "doc": "More.", "open": true, "params": [
    {"name": "id", "in": "path", "doc": "which", "schema": {"type": "integer"}},
    {"name": "q", "needed": true, "schema": {"type": "array", "items": {"type": "string"}}}],
   "output": {"type": ["object", "null"], "properties": {"type": {"type": ["string", "null"], "enum": ["a", null]}, "n": {"type": "number", "minimum": 0.5, "examples": [1, 2]}}}},
  {"id": "made", "method": "POST", "path": "/k/made", "status": 201}, {"id": "empty", "method": "POST", "path": "/k/empty", "status": 204},
  {"id": "del", "method": "DELETE", "path": "/k/{other}", "roles": ["operator"], "errors": "fts", "tags": ["T"]},
  {"id": "rest", "path": "/k/{id...}"},
  {"id": "json", "method": "POST", "path": "/k/json", "body": "json", "input": {"type": "object", "required": ["a"], "properties": {"a": {"type": "string", "pattern": "^x", "minLength": 1}}}},
  {"id": "loose", "method": "POST", "path": "/k/loose", "body": "loose", "errors": "marti", "input": {"type": "object", "properties": {"a": {"type": "object"}}}},
  {"id": "form", "method": "POST", "path": "/k/form", "body": "form", "response": "text/plain"},
  {"id": "xml", "method": "POST", "path": "/k/xml", "body": "xml"},
  {"id": "raw", "method": "POST", "path": "/k/raw", "body": "raw"},
  {"id": "blob", "method": "PUT", "path": "/k/blob", "body": "blob"}]}`

func kinds(t testing.TB) Plugin {
	t.Helper()
	m, err := manifest.Parse([]byte(kindsManifest))
	if err != nil {
		t.Fatal(err)
	}
	return Plugin{Name: "kinds", Manifest: m, Prefixes: []string{"/k"}}
}

func TestDescribe(t *testing.T) {
	doc := describe(t, kinds(t))
	list := at(t, doc, "paths", "/k/{id}", "get")
	for _, c := range []struct {
		name string
		got  any
		want string
	}{
		{"operation id", at(t, list, "operationId"), `"kinds.list"`},
		{"open", at(t, list, "security"), `[]`},
		{"tags", at(t, list, "tags"), `["All kinds"]`},
		{"marks", []any{at(t, list, "x-takhost-plugin"), at(t, list, "x-takhost-listeners")}, `["kinds",["rest","web"]]`},
		{"path parameter", at(t, list, "parameters", 0), `{"description":"which","in":"path","name":"id","required":true,"schema":{"type":"integer"}}`},
		{"query parameter", at(t, list, "parameters", 1), `{"in":"query","name":"q","required":true,"schema":{"items":{"type":"string"},"type":"array"}}`},
		{"output", at(t, list, "responses", "200", "content", "application/json", "schema"),
			`{"properties":{"n":{"examples":[1,2],"minimum":0.5,"type":"number"},"type":{"enum":["a",null],"type":["string","null"]}},"type":["object","null"]}`},
		{"one name for a parameter of one place", at(t, doc, "paths", "/k/{id}", "delete", "parameters", 0, "name"), `"id"`},
		{"roles", at(t, doc, "paths", "/k/{id}", "delete", "x-takhost-roles"), `["operator"]`},
		{"own tags", at(t, doc, "paths", "/k/{id}", "delete", "tags"), `["T"]`},
		{"errors of FreeTAKServer", at(t, doc, "paths", "/k/{id}", "delete", "responses", "default", "content", "application/json", "schema", "properties", "message", "type"), `"string"`},
		{"rest of a path", at(t, doc, "paths", "/k/{id...}", "get", "operationId"), `"kinds.rest"`},
		{"json", at(t, doc, "paths", "/k/json", "post", "requestBody"),
			`{"content":{"application/json":{"schema":{"properties":{"a":{"minLength":1,"pattern":"^x","type":"string"}},"required":["a"],"type":"object"}}},"required":true}`},
		{"loose", at(t, doc, "paths", "/k/loose", "post", "requestBody", "content", "application/json", "schema"),
			`{"additionalProperties":true,"properties":{"a":{"additionalProperties":true,"type":"object"}},"type":"object"}`},
		{"refusal of FreeTAKServer", at(t, doc, "paths", "/k/{id}", "delete", "responses", "default", "content", "text/html", "schema", "type"), `"string"`},
		{"status", at(t, doc, "paths", "/k/made", "post", "responses", "201", "content"), `{"application/json":{"schema":{}}}`},
		{"status without a body", at(t, doc, "paths", "/k/empty", "post", "responses", "204"), `{"description":"Done"}`},
		{"response", at(t, doc, "paths", "/k/form", "post", "responses", "200", "content", "text/plain"), `{"schema":{}}`},
		{"heading", at(t, doc, "tags", 6, "name"), `"All kinds"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := json.Marshal(c.got)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestForms(t *testing.T) {
	g := build(t, kinds(t))
	var doc, fromYAML, doc30, fromYAML30 any
	for path, to := range map[string]any{"/openapi.json": &doc, "/openapi-3.0.json": &doc30, "/openapi.yaml": &fromYAML, "/openapi-3.0.yaml": &fromYAML30} {
		resp, body := ask(t, g, "GET", path)
		if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/openapi+") {
			t.Fatalf("%s: got %s, %v", path, resp.Status, resp.Header)
		}
		var err error
		if strings.HasSuffix(path, "json") {
			err = json.Unmarshal([]byte(body), to)
		} else {
			err = yaml.Unmarshal([]byte(body), to)
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	if diff := cmp.Diff(plain(t, doc), plain(t, fromYAML)); diff != "" {
		t.Errorf("YAML (-JSON +YAML):\n%s", diff)
	}
	if diff := cmp.Diff(plain(t, doc30), plain(t, fromYAML30)); diff != "" {
		t.Errorf("YAML of 3.0 (-JSON +YAML):\n%s", diff)
	}
	if got := at(t, doc30, "openapi"); got != "3.0.3" {
		t.Errorf("got version %v", got)
	}
	got, err := json.Marshal(at(t, doc30, "paths", "/k/{id}", "get", "responses", "200", "content", "application/json", "schema"))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"nullable":true,"properties":{"n":{"example":1,"minimum":0.5,"type":"number"},"type":{"enum":["a",null],"nullable":true,"type":"string"}},"type":"object"}`
	if string(got) != want {
		t.Errorf("got the schema %s, want %s", got, want)
	}
}

// plain makes numbers of both decoders alike.
func plain(t *testing.T, v any) any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDowngrade(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"exclusive bounds", `{"schema":{"type":"number","exclusiveMinimum":1,"exclusiveMaximum":2.5}}`,
			`{"schema":{"exclusiveMaximum":true,"exclusiveMinimum":true,"maximum":2.5,"minimum":1,"type":"number"}}`},
		{"property called type", `{"schemas":{"A":{"properties":{"type":{"type":["integer","null"]},"examples":{"type":"array"}}}}}`,
			`{"schemas":{"A":{"properties":{"examples":{"items":{},"type":"array"},"type":{"nullable":true,"type":"integer"}}}}}`},
		{"values stay", `{"schema":{"default":{"type":["a","null"],"exclusiveMinimum":null},"enum":[{"schema":{"type":["a","null"]}}]}}`,
			`{"schema":{"default":{"exclusiveMinimum":null,"type":["a","null"]},"enum":[{"schema":{"type":["a","null"]}}]}}`},
		{"default answer", `{"responses":{"default":{"content":{"x/y":{"schema":{"type":["string","null"]}}}}}}`,
			`{"responses":{"default":{"content":{"x/y":{"schema":{"nullable":true,"type":"string"}}}}}}`},
		{"nested", `{"schema":{"anyOf":[{"type":["string","null"]}],"additionalProperties":{"type":["string","null"]},"contentEncoding":"base64"}}`,
			`{"schema":{"additionalProperties":{"nullable":true,"type":"string"},"anyOf":[{"nullable":true,"type":"string"}],"format":"byte"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := downgrade([]byte(`{"a":` + c.in + `}`))
			if err != nil {
				t.Fatal(err)
			}
			if want := `{"a":` + c.want + `,"openapi":"3.0.3"}`; string(got) != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// FuzzTexts puts any text into a description: all forms are written and say the
// same.
func FuzzTexts(f *testing.F) {
	for _, s := range []string{"plain", "a: b", "- x", "line\nline", " lead", "trail ", "#c", "'q'", "\"", "\\", "true", "null", "1e3", "\t", "\x00\x7f", "\u2028", "日本", "|\n", "a\n\n", "? x", "\xff", "{a}", "%"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, text, key string) {
		p := withRoutes("a", "GET /x")
		r := &p.Manifest.Routes[0]
		r.Summary, r.Doc, r.Tags = text, key, []string{key}
		r.Output = &manifest.Schema{Type: "object", Properties: map[string]*manifest.Schema{key: {Doc: text, Default: text, Pattern: regexp.MustCompile("a")}}}
		r.Response = "text/plain"
		d := build(t, p).Document()
		older, err := d.JSON30()
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range []struct {
			json []byte
			yaml func() ([]byte, error)
		}{{d.JSON(), d.YAML}, {older, d.YAML30}} {
			b, err := form.yaml()
			if err != nil {
				t.Fatal(err)
			}
			var want, got any
			if err := json.Unmarshal(form.json, &want); err != nil {
				t.Fatal(err)
			}
			if err := yaml.Unmarshal(b, &got); err != nil {
				t.Fatalf("YAML cannot be read: %v\n%s", err, b)
			}
			if diff := cmp.Diff(want, plain(t, got)); diff != "" {
				t.Fatalf("YAML (-JSON +YAML):\n%s", diff)
			}
		}
	})
}

func TestFileHeaders(t *testing.T) {
	g := build(t)
	resp, zipped := ask(t, g, "GET", "/openapi.json", "Accept-Encoding", "br, gzip")
	if resp.Header.Get("Content-Encoding") != "gzip" || !bytes.HasPrefix([]byte(zipped), []byte{0x1f, 0x8b}) {
		t.Fatalf("got %v", resp.Header)
	}
	tag := resp.Header.Get("ETag")
	resp, body := ask(t, g, "GET", "/openapi.json", "Accept-Encoding", "gzip;q=0")
	if resp.Header.Get("Content-Encoding") != "" || body != string(g.Document().JSON()) || resp.Header.Get("ETag") == tag {
		t.Errorf("got %v", resp.Header)
	}
	for _, have := range []string{tag, "W/" + tag, `"x", ` + tag, "*", resp.Header.Get("ETag")} {
		resp, body := ask(t, g, "GET", "/openapi.json", "If-None-Match", have, "Accept-Encoding", "gzip")
		if resp.StatusCode != http.StatusNotModified || body != "" {
			t.Errorf("If-None-Match %s: got %s", have, resp.Status)
		}
	}
	if resp, body := ask(t, g, "HEAD", "/openapi.yaml"); resp.StatusCode != 200 || body != "" {
		t.Errorf("HEAD: got %s with %d bytes", resp.Status, len(body))
	}
	resp, _ = ask(t, g, "GET", "/docs")
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'; script-src 'self';") {
		t.Errorf("got the policy %q", csp)
	}
	if resp, body := ask(t, g, "GET", "/docs/scalar.js"); resp.StatusCode != 200 || !strings.Contains(body, "createApiReference") || resp.Header.Get("Content-Type") != "text/javascript; charset=utf-8" {
		t.Errorf("script: got %s, %d bytes, %v", resp.Status, len(body), resp.Header)
	}
}
