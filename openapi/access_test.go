package openapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"
)

func TestMarks(t *testing.T) {
	type op = huma.Operation
	admins := func(o op) op { return ForRoles(o, "admin", "operator") }
	onWeb := func(o op) op { return On(o, "web") }
	fts := func(o op) op { return Refuse(o, "fts") }
	for _, c := range []struct {
		name   string
		method string
		marks  []func(op) op
		want   Access
		roles  any // extension
		open   bool
	}{
		{"none", "GET", nil, Access{Listeners: usual}, nil, false},
		{"roles", "GET", []func(op) op{admins}, Access{Listeners: usual, Roles: []string{"admin", "operator"}}, []string{"admin", "operator"}, false},
		{"anyone after roles", "GET", []func(op) op{admins, Anyone}, Access{Listeners: usual}, nil, false},
		{"open after roles", "GET", []func(op) op{admins, Open}, Access{Listeners: usual, Open: true}, nil, true},
		{"roles after open", "GET", []func(op) op{Open, admins}, Access{Listeners: usual, Roles: []string{"admin", "operator"}}, []string{"admin", "operator"}, false},
		{"all together", "POST", []func(op) op{onWeb, fts, Basic, admins, Reads},
			Access{Listeners: []string{"web"}, Roles: []string{"admin", "operator"}, Errors: "fts", Basic: true}, []string{"admin", "operator"}, false},
		{"in another order", "POST", []func(op) op{admins, Reads, Basic, fts, onWeb},
			Access{Listeners: []string{"web"}, Roles: []string{"admin", "operator"}, Errors: "fts", Basic: true}, []string{"admin", "operator"}, false},
		{"enrolment", "POST", []func(op) op{Enrol, Anyone}, Access{Listeners: usual, Basic: true, Enrol: true, Writes: true}, nil, false},
		{"writes", "PUT", nil, Access{Listeners: usual, Writes: true}, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := op{Method: c.method, Metadata: map[string]any{"mine": 1}, Extensions: map[string]any{"x-mine": 1}}
			first := o
			for _, m := range c.marks {
				o = m(o)
			}
			if diff := cmp.Diff(c.want, accessOf(&o, usual)); diff != "" {
				t.Errorf("access (-want +got):\n%s", diff)
			}
			if o.Metadata["mine"] != 1 || o.Extensions["x-mine"] != 1 || len(first.Metadata) != 1 || len(first.Extensions) != 1 {
				t.Errorf("other marks: got %v and %v, and before %v and %v", o.Metadata, o.Extensions, first.Metadata, first.Extensions)
			}
			if diff := cmp.Diff(c.roles, o.Extensions["x-takhost-roles"]); diff != "" {
				t.Errorf("extension (-want +got):\n%s", diff)
			}
			if (o.Security != nil) != c.open {
				t.Errorf("got security %v", o.Security)
			}
		})
	}
}

// TestErrorForms has huma's own errors and those of operations in all forms.
func TestErrorForms(t *testing.T) {
	g, err := Build(Options{Listeners: []string{"rest"}, Core: func(api huma.API) {
		for _, form := range []string{"", "problem", "marti", "fts"} {
			huma.Register(api, Refuse(huma.Operation{Method: "GET", Path: "/f" + form, OperationID: "f" + form, Errors: []int{404}}, form),
				func(_ context.Context, in *struct {
					N int `query:"n"`
				}) (*struct{ Body string }, error) {
					switch in.N {
					case 0:
						return &struct{ Body string }{"fine"}, nil
					case 1:
						return nil, NewProblem(http.StatusNotFound, "there is none")
					}
					return nil, Failed(errors.New("secret"))
				})
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path   string
		status int
		typ    string
		body   string
	}{
		{"/f?n=x", 400, ProblemType, `{"title":"Bad Request","status":400,"code":"invalid","detail":"query.n: invalid integer"}`},
		{"/fproblem?n=1", 404, ProblemType, `{"title":"Not Found","status":404,"code":"not_found","detail":"there is none"}`},
		{"/fmarti", 200, "application/json", `"fine"`},
		{"/fmarti?n=x", 400, "application/json", `{"status":"BAD_REQUEST","code":0,"message":"query.n: invalid integer"}`},
		{"/fmarti?n=1", 404, "application/json", `{"status":"NOT_FOUND","code":1,"message":"there is none"}`},
		{"/fmarti?n=2", 500, "application/json", `{"status":"INTERNAL_SERVER_ERROR","code":0,"message":"the server failed at this; its log says why"}`},
		{"/ffts?n=x", 400, "application/json", `{"message":"query.n: invalid integer"}`},
		{"/ffts?n=2", 500, "application/json", `{"message":"the server failed at this; its log says why"}`},
	} {
		t.Run(c.path, func(t *testing.T) {
			resp, body := ask(t, g, "GET", c.path)
			if resp.StatusCode != c.status || resp.Header.Get("Content-Type") != c.typ || strings.TrimSpace(body) != c.body {
				t.Errorf("got %s %s %s, want %d %s %s", resp.Status, resp.Header.Get("Content-Type"), body, c.status, c.typ, c.body)
			}
		})
	}
	var doc any
	if err := json.Unmarshal(g.Document().JSON(), &doc); err != nil {
		t.Fatal(err)
	}
	at(t, doc, "paths", "/fmarti", "get", "responses", "default", "content", "application/json", "schema", "properties", "status")
	at(t, doc, "paths", "/ffts", "get", "responses", "default", "content", "application/json", "schema", "properties", "message")
	at(t, doc, "paths", "/fproblem", "get", "responses", "default", "content", ProblemType)
}

func TestHeadOfCore(t *testing.T) {
	g := build(t)
	if resp, _ := ask(t, g, "HEAD", "/api/v1/status"); resp.StatusCode != 200 {
		t.Errorf("got %s", resp.Status)
	}
	if resp, _ := ask(t, g, "HEAD", "/api/v1/plugins/x/enable"); resp.StatusCode != 405 {
		t.Errorf("of a POST: got %s", resp.Status)
	}
}

func TestSecurity(t *testing.T) {
	core := func(api huma.API) {
		for path, mark := range map[string]func(huma.Operation) huma.Operation{
			"/usual": Anyone, "/open": Open, "/basic": Basic, "/enrol": func(o huma.Operation) huma.Operation { return Enrol(On(o, "web")) },
		} {
			huma.Register(api, mark(huma.Operation{Method: "GET", Path: path, OperationID: path}), func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
		}
	}
	for _, c := range []struct{ name, path, want, want30 string }{
		{Marti, "/usual", "", ""},
		{Marti, "/open", `[]`, `[]`},
		{Marti, "/basic", `[{"certificate":[]},{"token":[]},{"session":[]},{"password":[]}]`, `[{"token":[]},{"session":[]},{"password":[]}]`},
		{Marti, "/enrol", `[{"token":[]},{"session":[]},{"password":[]}]`, `[{"token":[]},{"session":[]},{"password":[]}]`},
		{Marti, "", `[{"certificate":[]},{"token":[]},{"session":[]}]`, `[{"token":[]},{"session":[]}]`},
		{REST, "/usual", "", ""},
		{REST, "/basic", `[{"token":[]},{"session":[]},{"password":[]}]`, `[{"token":[]},{"session":[]},{"password":[]}]`},
		{REST, "", `[{"token":[]},{"session":[]}]`, `[{"token":[]},{"session":[]}]`},
	} {
		t.Run(c.name+c.path, func(t *testing.T) {
			g, err := Build(Options{Name: c.name, Listeners: abouts[c.name].listeners, Core: core})
			if err != nil {
				t.Fatal(err)
			}
			older, err := g.Document().JSON30()
			if err != nil {
				t.Fatal(err)
			}
			for text, want := range map[string]string{string(g.Document().JSON()): c.want, string(older): c.want30} {
				var doc map[string]any
				if err := json.Unmarshal([]byte(text), &doc); err != nil {
					t.Fatal(err)
				}
				in := any(doc)
				if c.path != "" {
					in = at(t, doc, "paths", c.path, "get")
				}
				got := ""
				if v, ok := in.(map[string]any)["security"]; ok {
					b, err := json.Marshal(v)
					if err != nil {
						t.Fatal(err)
					}
					got = string(b)
				}
				if got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
			if strings.Contains(string(older), "mutualTLS") {
				t.Error("3.0 has mutualTLS")
			}
		})
	}
}
