package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/plugin"
)

// described is an operation of a description.
type described struct {
	method, path string
	listeners    []string
	open         bool
	roles        []string
}

func operationsIn(t *testing.T, text []byte) (list []described) {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			Security  *[]map[string][]string
			Listeners []string `json:"x-takhost-listeners"`
			Roles     []string `json:"x-takhost-roles"`
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths {
		for method, op := range item {
			list = append(list, described{strings.ToUpper(method), path, op.Listeners, op.Security != nil && len(*op.Security) == 0, op.Roles})
		}
	}
	if len(list) == 0 {
		t.Fatal("nothing is described")
	}
	return list
}

// TestWalk goes through both descriptions, and shows for each operation on each
// listener that nobody gets in without credentials, with wrong or weaker ones,
// save where the description says so.
func TestWalk(t *testing.T) {
	e := newEstate(t, Options{})
	fence := fence(t)
	for i := range fence.Manifest.Routes {
		if r := &fence.Manifest.Routes[i]; strings.HasPrefix(r.Path, "/Marti/") {
			r.Listeners = []string{httpListener, httpsListener}
		}
	}
	fence.Listeners = nil
	e.use(t, fence)
	now := e.routes.Load()
	seen := map[string]bool{}
	for _, op := range slices.Concat(operationsIn(t, now.rest.Document().JSON()), operationsIn(t, now.marti.Document().JSON())) {
		path := strings.NewReplacer("{", "", "}", "", "...", "").Replace(op.path)
		for _, on := range networkListeners {
			ask := func(headers ...string) int {
				resp, _ := e.ask(t, on, query{method: op.method, path: path, headers: headers})
				return resp.StatusCode
			}
			serves := slices.Contains(op.listeners, on)
			if !serves {
				if !elsewhere(e, on, op.method, path) {
					if got := ask(bearer("bob-admin")...); got != 404 && got != 405 {
						t.Errorf("%s %s is not on %s, and answers %d", op.method, op.path, on, got)
					}
				}
				continue
			}
			seen[on] = true
			if op.open || on == httpListener && len(op.roles) == 0 {
				if got := ask(); got == 401 || got == 403 || got == 404 {
					t.Errorf("%s %s on %s is open, and answers %d", op.method, op.path, on, got)
				}
				continue
			}
			refused := 401
			if on == httpListener {
				refused = 403 // the anonymous user's roles do not do
			}
			if got := ask(); got != refused {
				t.Errorf("%s %s on %s without credentials: got %d", op.method, op.path, on, got)
			}
			e.failures = newFailures()
			if got := ask(bearer("wrong")...); got != refused {
				t.Errorf("%s %s on %s with wrong credentials: got %d", op.method, op.path, on, got)
			}
			if len(op.roles) > 0 {
				if got := ask(bearer("eve-user")...); got != 403 {
					t.Errorf("%s %s on %s with weaker credentials: got %d", op.method, op.path, on, got)
				}
			}
		}
	}
	for _, on := range networkListeners {
		if !seen[on] {
			t.Errorf("nothing was asked on %s", on)
		}
	}
}

// elsewhere says whether another operation has these requests on the listener.
func elsewhere(e *estate, on, method, path string) bool {
	now := e.routes.Load()
	r, err := http.NewRequest(method, path, nil)
	if err != nil {
		panic(err)
	}
	switch on {
	case webListener:
		return now.rest.Has(r) || now.marti.Has(r)
	case restListener:
		return now.rest.Has(r)
	}
	return now.marti.Has(r)
}

// TestBothDescriptions shows where the two are, and that a swap changes both at
// once.
func TestBothDescriptions(t *testing.T) {
	e := newEstate(t, Options{})
	set := fence(t)
	set.Manifest.Routes[6].Listeners = []string{httpsListener, webListener} // PUT /Marti/fences/{name}
	e.use(t, set)
	for path, want := range map[string]string{
		"/openapi.json": "takhost", "/openapi.yaml": "takhost", "/openapi/marti.json": "takhost Marti", "/openapi/marti.yaml": "takhost Marti",
		"/openapi/marti-3.0.json": "takhost Marti", "/openapi/marti-3.0.yaml": "takhost Marti", "/docs": "/openapi/marti.json",
	} {
		for _, on := range []string{restListener, webListener} {
			if resp, body := e.ask(t, on, query{path: path}); resp.StatusCode != 200 || !strings.Contains(body, want) {
				t.Errorf("%s on %s: got %s", path, on, resp.Status)
			}
		}
		if resp, body := e.get(t, path); resp.StatusCode != 200 || !strings.Contains(body, want) {
			t.Errorf("%s on the admin socket: got %s", path, resp.Status)
		}
		if resp, _ := e.ask(t, httpsListener, query{path: path}); resp.StatusCode != 404 {
			t.Errorf("%s on https: got %s", path, resp.Status)
		}
	}
	has := func(path string) bool {
		_, body := e.ask(t, webListener, query{path: path})
		return strings.Contains(body, "fence.")
	}
	if !has("/openapi.json") || !has("/openapi/marti.json") {
		t.Error("the plugin is not in both descriptions")
	}
	if resp, body := e.ask(t, webListener, query{method: "PUT", path: "/Marti/fences/x", headers: bearer("eve-user"), body: "<a/>"}); resp.StatusCode != 200 {
		t.Errorf("its route on web: got %s %s", resp.Status, body)
	}
	e.use(t)
	if has("/openapi.json") || has("/openapi/marti.json") {
		t.Error("without the plugin it is still described")
	}
	for _, on := range []string{httpsListener, webListener} {
		if resp, _ := e.ask(t, on, query{method: "PUT", path: "/Marti/fences/x", headers: bearer("eve-user"), body: "<a/>"}); resp.StatusCode != 404 {
			t.Errorf("without the plugin its route on %s answers %s", on, resp.Status)
		}
	}
	e.use(t, set)
	bad := set
	bad.Plugin, bad.Prefixes = "bad", []string{"/"}
	if _, err := e.Generation([]plugin.Routes{set, bad}); err == nil || !strings.Contains(err.Error(), "plugin bad, route marti") {
		t.Errorf("got %v", err)
	}
}

// TestWebPages shows the landing page and what goes with it.
func TestWebPages(t *testing.T) {
	say := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			plain(w, 200, text+" "+r.Method+" "+r.URL.Path+" from "+AddrOf(r.Context()))
		})
	}
	e := newEstate(t, Options{WebPages: map[string]http.Handler{"/": say("landing"), "/enrol/": say("enrol"), "/setup": say("setup")}})
	for _, c := range []struct {
		on   string
		ask  query
		want string
	}{
		{webListener, query{path: "/"}, "landing GET / from 127.0.0.1"},
		{webListener, query{path: "/enrol/a/b"}, "enrol GET /enrol/a/b from 127.0.0.1"},
		{webListener, query{path: "/setup", method: "POST"}, "setup POST /setup from 127.0.0.1"},
		{webListener, query{path: "/setup", method: "POST", headers: []string{"Origin", "https://evil.example"}}, "only pages of this server"},
		{webListener, query{path: "/setup/x"}, "there is no /setup/x"},
		{webListener, query{path: "/enrol/a", method: "DELETE"}, "DELETE is not possible"},
		{restListener, query{path: "/enrol/a"}, "there is no /enrol/a"},
		{restListener, query{path: "/"}, `<a href="/docs">`},
		{httpsListener, query{path: "/"}, "there is no /"},
	} {
		if resp, body := e.ask(t, c.on, c.ask); !strings.Contains(body, c.want) {
			t.Errorf("%s %s on %s: got %s %s, want %s", c.ask.method, c.ask.path, c.on, resp.Status, body, c.want)
		}
	}
}

// TestHead shows that HEAD on operations answers as GET does, and does not wait
// where GET never ends.
func TestHead(t *testing.T) {
	e := newEstate(t, Options{Updates: NewUpdates(nil, nil)})
	for path, status := range map[string]int{
		"/api/v1/status": 200, "/api/v1/events/live": 200, "/api/v1/live": 200, "/api/v1/stream": 426, "/api/v1/plugins/none": 404, "/v2/fence/clear": 405,
	} {
		resp, body := e.ask(t, restListener, query{method: "HEAD", path: path, headers: bearer(testToken)})
		if resp.StatusCode != status || body != "" {
			t.Errorf("%s: got %s %q, want %d", path, resp.Status, body, status)
		}
	}
}

// TestCORSOnWeb shows what pages of others may use there.
func TestCORSOnWeb(t *testing.T) {
	e := newEstate(t, Options{})
	for path, want := range map[string]string{
		"/api/v1/status": "*", "/ManageFence/postFence": "*", "/openapi.json": "*", "/Marti/who": "", "/oauth/token": "", "/nothing": "", "/healthz": "", "/": "",
	} {
		resp, _ := e.ask(t, webListener, query{method: "OPTIONS", path: path, headers: []string{"Origin", "http://ui:5000", "Access-Control-Request-Method", "GET"}})
		if got := resp.Header.Get("Access-Control-Allow-Origin"); got != want || (resp.StatusCode == 204) != (want != "") {
			t.Errorf("%s: got %s, %q, want %q", path, resp.Status, got, want)
		}
		if got := resp.Header.Get("Access-Control-Allow-Credentials"); got != "" {
			t.Errorf("%s: a browser may send cookies: %q", path, got)
		}
	}
	if resp, _ := e.ask(t, httpsListener, query{path: "/Marti/who", cert: e.ca.client(t, "eve-user"), headers: []string{"Origin", "http://ui:5000"}}); resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("pages of others may read what TAK clients get")
	}
}
