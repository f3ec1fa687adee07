package marti_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/marti"
	"github.com/takhost/takhost/core/web"
)

// described gives the operations of the description: listeners by method and
// path.
func described(t *testing.T) (list []operation) {
	t.Helper()
	doc, err := web.MartiDocument("test", nil, func(api huma.API) { marti.Register(api, marti.Deps{}) })
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Paths map[string]map[string]operation
	}
	if err := json.Unmarshal(doc.JSON(), &d); err != nil {
		t.Fatal(err)
	}
	for path, methods := range d.Paths {
		for method, o := range methods {
			o.method, o.path = strings.ToUpper(method), path
			list = append(list, o)
		}
	}
	return list
}

type operation struct {
	method, path string
	Summary      string
	Tags         []string
	Security     *[]map[string][]string
	Listeners    []string `json:"x-takhost-listeners"`
	Roles        []string `json:"x-takhost-roles"`
	Parameters   []struct{ Name, In, Description string }
	Responses    map[string]struct{ Description string }
}

func TestDescription(t *testing.T) {
	list := described(t)
	if len(list) < 50 {
		t.Fatalf("got %d operations, want all of them", len(list))
	}
	for _, o := range list {
		if o.Summary == "" || len(o.Tags) == 0 || len(o.Listeners) == 0 || len(o.Responses) < 2 {
			t.Errorf("%s %s: is not described: %+v", o.method, o.path, o)
		}
		for _, p := range o.Parameters {
			if p.Description == "" && p.In == "query" && p.Name != "username" && p.Name != "password" {
				t.Errorf("%s %s: the parameter %s is not described", o.method, o.path, p.Name)
			}
		}
	}
}

// Nobody gets anything without credentials but what says that it is open, nor on
// a listener that has it not; and who is no administrator nothing of theirs.
func TestAccess(t *testing.T) {
	b := newBed(t)
	b.user("alice", "user")
	phone, _ := b.with("alice", "ANDROID-1", true)
	callers := map[string]map[string]*device{
		"nobody":    {"http": b.at("http"), "https": b.at("https"), "web": b.at("web")},
		"user":      {"https": phone, "web": b.bearer("web", "alice")},
		"anonymous": {"http": b.at("http")},
	}
	for _, o := range described(t) {
		path := strings.NewReplacer("{uid}", "u", "{name}", "n", "{direction}", "IN", "{username}", "n", "{hash}", "h", "{ids}", "1", "{tool}", "t", "{id}", "1", "{directories}", "d").Replace(o.path)
		open := o.Security != nil && len(*o.Security) == 0
		has := map[string]bool{}
		for _, l := range o.Listeners {
			has[l] = true
		}
		for kind, ds := range callers {
			for listener, d := range ds {
				a := d.do(o.method, path, "")
				what := kind + " at " + listener + ": " + o.method + " " + o.path
				switch {
				case !has[listener]:
					if a.status == http.StatusOK && o.path == "/" {
						break // the pages that the listener has there
					}
					if a.status != http.StatusNotFound {
						t.Errorf("%s: got %d, want 404", what, a.status)
					}
				case open:
				case kind == "nobody" && listener != "http":
					if a.status != http.StatusUnauthorized || a.header.Get("WWW-Authenticate") == "" {
						t.Errorf("%s: got %d, want 401", what, a.status)
					}
				case len(o.Roles) > 0:
					if a.status != http.StatusForbidden {
						t.Errorf("%s: got %d, want 403", what, a.status)
					}
				default:
					if a.status == http.StatusUnauthorized || a.status == http.StatusInternalServerError {
						t.Errorf("%s: got %d %s", what, a.status, a.body)
					}
				}
				if has[listener] && len(a.body) > 0 && a.status >= 400 && a.header.Get("Content-Type") != "application/json" {
					t.Errorf("%s: got the error %q as %q", what, a.body, a.header.Get("Content-Type"))
				}
			}
		}
	}
}
