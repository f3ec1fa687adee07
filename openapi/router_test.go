package openapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

// both builds the two generations of a server, with the router of listen.web.
func both(plugins ...Plugin) (web *Router, marti, rest *Generation, err error) {
	web = NewRouter("web")
	core := func(paths ...string) func(api huma.API) {
		return func(api huma.API) {
			for _, p := range paths {
				on, path, _ := strings.Cut(p, " ")
				op := On(huma.Operation{Method: "GET", Path: path, OperationID: path}, strings.Split(on, ",")...)
				huma.Register(api, op, func(context.Context, *struct{}) (*struct{ Body string }, error) {
					return &struct{ Body string }{p}, nil
				})
			}
		}
	}
	say := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, text, " ", r.URL.Path) })
	}
	list, err := BuildAll(Options{
		Name: Marti, Listeners: []string{"http", "https", "web"}, Core: core("http,https,web /Marti/a", "http,https /Alive", "web /Marti/enrol"),
		Plugins: plugins, Shared: []*Router{web}, Answer: echo,
	}, Options{
		Listeners: []string{"rest", "web"}, Core: core("rest,web /api/v1/status", "rest,web /api/v1/users/{name}", "rest,web /Alive", "rest /metrics2"),
		Plugins: plugins, Shared: []*Router{web}, Answer: echo, Describe: true,
		Pages: []Page{
			{Path: "/enrol/", Listeners: []string{"web"}, Handler: say("enrol"), Posts: true},
			{Path: "/metrics", Listeners: []string{"rest"}, Handler: say("metrics")},
			{Path: "/", Listeners: []string{"rest", "web"}, Handler: say("root")},
		},
	})
	if err != nil {
		return nil, nil, nil, err
	}
	return web, list[0], list[1], nil
}

func onListeners(p Plugin, listeners ...string) Plugin {
	for i := range p.Manifest.Routes {
		p.Manifest.Routes[i].Listeners = listeners
	}
	return p
}

// TestTwoDescriptions shows which router has what.
func TestTwoDescriptions(t *testing.T) {
	web, marti, rest, err := both(
		onListeners(withRoutes("both", "GET /both"), "https", "rest", "web"),
		onListeners(withRoutes("tak", "GET /Marti/tak"), "http", "https"),
		onListeners(withRoutes("page", "GET /page", "POST /Marti/a"), "web"),
		withRoutes("usual", "GET /usual"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, web, marti, rest string }{
		{"/Marti/a", `"http,https,web /Marti/a"`, `"http,https,web /Marti/a"`, ""},
		{"/Marti/enrol", `"web /Marti/enrol"`, `"web /Marti/enrol"`, ""},
		{"/Alive", `"rest,web /Alive"`, `"http,https /Alive"`, `"rest,web /Alive"`},
		{"/metrics2", "", "", `"rest /metrics2"`},
		{"/both", "both.r0", "both.r0", "both.r0"},
		{"/Marti/tak", "", "tak.r0", ""},
		{"/page", "page.r0", "", "page.r0"},
		{"/usual", "usual.r0", "", "usual.r0"},
		{"/enrol/x/y", "enrol /enrol/x/y", "", "enrol /enrol/x/y"}, // the guard keeps it from rest
		{"/metrics", "", "", "metrics /metrics"},
		{"/", "root /", "", "root /"},
		{"/openapi.json", "takhost", "", "takhost"},
		{"/openapi/marti.json", "takhost Marti", "", "takhost Marti"},
		{"/openapi/marti-3.0.yaml", "takhost Marti", "", "takhost Marti"},
	} {
		t.Run(c.path, func(t *testing.T) {
			for _, to := range []struct {
				name string
				h    http.Handler
				want string
			}{{"web", web, c.web}, {"marti", marti, c.marti}, {"rest", rest, c.rest}} {
				resp, body := ask(t, to.h, "GET", c.path)
				if to.want == "" {
					if resp.StatusCode != 404 && resp.StatusCode != 405 {
						t.Errorf("%s: got %s %s", to.name, resp.Status, body)
					}
				} else if resp.StatusCode != 200 || !strings.Contains(body, to.want) {
					t.Errorf("%s: got %s %s, want %s", to.name, resp.Status, body, to.want)
				}
				head, _ := ask(t, to.h, "HEAD", c.path)
				if head.StatusCode != resp.StatusCode {
					t.Errorf("%s: HEAD gives %s", to.name, head.Status)
				}
			}
		})
	}
	if resp, body := ask(t, web, "POST", "/Marti/a"); resp.StatusCode != 200 || body != "page.r1" {
		t.Errorf("another method of a path in the other description: got %s %s", resp.Status, body)
	}
	if resp, _ := ask(t, web, "PUT", "/Marti/a"); resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("got %s, Allow %s", resp.Status, resp.Header.Get("Allow"))
	}
	for path, want := range map[string][2]bool{"/both": {true, true}, "/Marti/tak": {true, false}, "/page": {false, true}} {
		has := [2]bool{strings.Contains(string(marti.Document().JSON()), `"`+path+`"`), strings.Contains(string(rest.Document().JSON()), `"`+path+`"`)}
		if has != want {
			t.Errorf("%s is described in marti, rest: %v, want %v", path, has, want)
		}
	}
	if !rest.Has(request("POST", "/usual")) || rest.Has(request("GET", "/Marti/a")) == marti.Has(request("GET", "/nothing")) {
		t.Error("Has is wrong")
	}
}

func request(method, path string) *http.Request {
	r, err := http.NewRequest(method, path, nil)
	if err != nil {
		panic(err)
	}
	return r
}

// TestRefusedAcross has plugins that would take something on web from the other
// description.
func TestRefusedAcross(t *testing.T) {
	for _, c := range []struct {
		name    string
		plugins []Plugin
		want    string
	}{
		{"the core's of marti", []Plugin{onListeners(withRoutes("bad", "GET /Marti/a"), "web", "rest")}, "GET /Marti/a takes the same requests as the core's GET /Marti/a"},
		{"the core's of rest", []Plugin{onListeners(withRoutes("bad", "GET /api/v1/status"), "https", "web")}, "plugin bad, route r0: GET /api/v1/status takes the same requests as the core's GET /api/v1/status"},
		{"what the core's of rest has by a parameter", []Plugin{onListeners(withRoutes("bad", "GET /api/v1/users/me"), "https", "web")}, "would take requests from the core's GET /api/v1/users/{name}"},
		{"a page", []Plugin{onListeners(withRoutes("bad", "GET /enrol/x"), "web")}, "would take requests from the core's GET /enrol/{rest...}"},
		{"another plugin's", []Plugin{
			onListeners(withRoutes("first", "GET /x"), "https", "web"), onListeners(withRoutes("bad", "GET /x"), "rest", "web"),
		}, "plugin bad, route r0: GET /x takes the same requests as route r0 of plugin first"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, _, err := both(c.plugins...); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	t.Run("elsewhere", func(t *testing.T) {
		if _, _, _, err := both(onListeners(withRoutes("good", "GET /Marti/a"), "rest"), onListeners(withRoutes("tak", "GET /api/v1/status"), "https")); err != nil {
			t.Error(err)
		}
	})
}

func TestBelongs(t *testing.T) {
	for _, c := range []struct {
		listeners   string
		marti, rest bool
	}{
		{"rest,web", false, true}, {"web", false, true}, {"rest", false, true}, {"https,web", true, false}, {"http", true, false},
		{"http,rest", true, true}, {"", false, false},
	} {
		list := slices.DeleteFunc(strings.Split(c.listeners, ","), func(s string) bool { return s == "" })
		if marti, rest := belongs(Marti, list), belongs(REST, list); marti != c.marti || rest != c.rest {
			t.Errorf("%s: got marti %v, rest %v", c.listeners, marti, rest)
		}
	}
}
