package tests

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/web"
)

// document gives /openapi.json of a running server.
func (r *rest) document() map[string]any {
	r.t.Helper()
	var doc map[string]any
	r.get("/openapi.json").is(200).into(&doc)
	return doc
}

// operationIDs gives the ids of all operations, in their order.
func operationIDs(doc map[string]any) (ids []string) {
	paths, _ := doc["paths"].(map[string]any)
	for _, item := range paths {
		methods, _ := item.(map[string]any)
		for _, op := range methods {
			if o, ok := op.(map[string]any); ok {
				if id, ok := o["operationId"].(string); ok {
					ids = append(ids, id)
				}
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// What is committed is what a server with the default configuration serves.
func TestDescriptionOfARunningServer(t *testing.T) {
	srv, api := startFeatures(t, "")
	text, err := os.ReadFile(filepath.Join("..", "openapi", "rest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var committed map[string]any
	if err := json.Unmarshal(text, &committed); err != nil {
		t.Fatal(err)
	}
	got := api.document()
	for _, doc := range []map[string]any{committed, got} {
		info, ok := doc["info"].(map[string]any)
		if !ok || info["version"] == "" {
			t.Fatalf("info: got %v", doc["info"])
		}
		delete(info, "version") // the program's
	}
	same(t, "openapi/rest.json and /openapi.json", committed, got)

	// Without a plugin its operations are gone, with it they are back.
	all := operationIDs(got)
	srv.Must(t, "POST", "/api/v1/plugins/chat/disable", nil)
	api.get("/api/v1/chat").is(404)
	less := operationIDs(api.document())
	gone := slices.DeleteFunc(slices.Clone(all), func(id string) bool { return slices.Contains(less, id) })
	same(t, "operations of chat", []string{"chat.fts-chat-to-all", "chat.fts-send-geochat", "chat.list-conversations", "chat.list-messages", "chat.send-message"}, gone)
	srv.Must(t, "POST", "/api/v1/plugins/chat/enable", nil)
	srv.Reaches(t, "chat", plugin.Active)
	same(t, "operations at the end", all, operationIDs(api.document()))
	api.get("/api/v1/chat").is(200)

	for _, path := range []string{"/openapi.yaml", "/openapi-3.0.json", "/docs"} {
		if a := api.get(path).is(200); len(a.body) < 500 {
			t.Errorf("%s: got %d bytes", path, len(a.body))
		}
	}
}

// Requests are held against what the description says, and all faults told.
func TestRequestsAreValidated(t *testing.T) {
	_, api := startFeatures(t, "")
	for _, c := range []struct {
		name, method, path, contentType, body string
		status                                int
		code                                  string
		faults                                []string // one text of each, in their order
	}{
		{"all that is wrong", "POST", "/api/v1/emergencies", "application/json", `{"callsign": "", "lat": 91, "lon": "east", "color": "red"}`, 400, "invalid",
			[]string{"callsign", "color", "lat", "lon", "type"}},
		{"one fault", "POST", "/api/v1/chat", "application/json", `{}`, 400, "invalid", []string{"text"}},
		{"no object", "POST", "/api/v1/chat", "application/json", `[1]`, 400, "invalid", []string{"object"}},
		{"no JSON", "POST", "/api/v1/chat", "application/json", `{"text": `, 400, "invalid", []string{"body: byte 9"}},
		{"no body", "POST", "/api/v1/chat", "application/json", ``, 415, "", []string{"application/json"}},
		{"another content type", "POST", "/api/v1/chat", "text/plain", `{"text": "x"}`, 415, "", []string{"application/json"}},
		{"too much", "POST", "/api/v1/chat", "application/json", `{"text": "` + strings.Repeat("x", 2<<20) + `"}`, 413, "too_large", []string{"larger"}},
		{"parameters", "GET", "/api/v1/emergencies?limit=0", "", "", 400, "invalid", []string{"query.limit"}},
		{"another parameter", "GET", "/api/v1/chat/x?limit=many&order=up", "", "", 400, "invalid", []string{"query.limit", "query.order"}},
		{"no such thing", "GET", "/api/v1/emergencies/none", "", "", 404, "not_found", []string{"none"}},
		{"no such path", "GET", "/api/v1/emergency", "", "", 404, "not_found", []string{"/api/v1/emergency"}},
		{"no such method", "PUT", "/api/v1/emergencies", "application/json", "{}", 405, "method_not_allowed", []string{"PUT"}},
		{"of the core", "GET", "/api/v1/clients?limit=many", "", "", 400, "invalid", []string{"limit"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := api.in(t).ask(c.method, c.path, c.contentType, c.body).is(c.status)
			var p web.Problem
			if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("got %s %s, want a problem", a.header.Get("Content-Type"), a.body)
			}
			if p.Status != c.status || p.Title != http.StatusText(c.status) || c.code != "" && p.Code != c.code {
				t.Errorf("got %s, want the code %s", a.body, c.code)
			}
			list := p.Errors
			if len(list) == 0 {
				list = []string{p.Detail}
			}
			slices.Sort(list)
			for i, want := range c.faults {
				if len(list) != len(c.faults) || !strings.Contains(list[i], want) {
					t.Errorf("faults: got %q, want one with each of %q", list, c.faults)
					break
				}
			}
		})
	}
}

// FreeTAKServer's endpoints answer in its form (spec/rest.md 1.2).
func TestRefusalsInFreeTAKServersForm(t *testing.T) {
	_, api := startFeatures(t, "")
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"wrong type", "POST", "/ManageChat/postChatToAll", `{"message": {}}`, 400, "message"},
		{"no JSON", "POST", "/ManageEmergency/postEmergency", `name=X`, 400, "JSON"},
		{"too much", "POST", "/ManageChat/postChatToAll", `{"message": "` + strings.Repeat("x", 2<<20) + `"}`, 413, "larger"},
		{"nobody there", "POST", "/SendGeoChat", `{"detail": {"remarks": {"INTAG": "x"}, "marti": {"dest": {"callsign": "NOBODY"}}}}`, 404, "NOBODY"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := api.in(t).ask(c.method, c.path, "text/plain", c.body).is(c.status)
			var m map[string]string
			if err := json.Unmarshal([]byte(a.body), &m); err != nil || len(m) != 1 || !strings.Contains(m["message"], c.want) || a.header.Get("Content-Type") != "application/json" {
				t.Errorf("got %s %s, want a message with %q", a.header.Get("Content-Type"), a.body, c.want)
			}
		})
	}
	// A method that the path does not have is told with those that it has.
	for path, allow := range map[string]string{"/ManageEmergency/postEmergency": "POST", "/ManageEmergency/getEmergency": "GET"} {
		a := api.ask("PUT", path, "text/plain", "{}").is(405)
		if got := a.header.Get("Allow"); !strings.Contains(got, allow) {
			t.Errorf("PUT %s: Allow is %q, want %s in it", path, got, allow)
		}
	}
	for _, p := range []struct{ method, path string }{
		{"GET", "/ManageEmergency/getEmergency"}, {"POST", "/ManageEmergency/postEmergency"}, {"DELETE", "/ManageEmergency/deleteEmergency"},
		{"POST", "/ManageChat/postChatToAll"}, {"POST", "/SendGeoChat"},
	} {
		a := api.nobody().ask(p.method, p.path, "text/plain", "").is(401)
		if a.body != "Unauthorized Access" || a.header.Get("WWW-Authenticate") != `Bearer realm="Authentication Required"` {
			t.Errorf("%s %s without a token: got %q, %q", p.method, p.path, a.body, a.header.Get("WWW-Authenticate"))
		}
	}
	for _, p := range []struct{ method, path string }{
		{"GET", "/api/v1/emergencies"}, {"POST", "/api/v1/emergencies"}, {"GET", "/api/v1/emergencies/x"}, {"DELETE", "/api/v1/emergencies/x"},
		{"GET", "/api/v1/chat"}, {"GET", "/api/v1/chat/x"}, {"POST", "/api/v1/chat"}, {"GET", "/api/v1/live"}, {"GET", "/api/v1/events/live"},
	} {
		a := api.nobody().ask(p.method, p.path, "", "").is(401)
		if !strings.Contains(a.body, `"code":"unauthorized"`) || a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s %s without a token: got %s", p.method, p.path, a.body)
		}
	}
}
