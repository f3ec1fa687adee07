package fts_test

import (
	"bytes"
	"encoding/json"
	"image/jpeg"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/fts"
	"github.com/takhost/takhost/core/web"
)

// may has for each operation who may use it at least.
var may = map[string]string{
	"GET /Alive": "open", "GET /URL": "open", "GET /RecentCoT": "open", "GET /manageAPI/getHelp": "open",
	"GET /ManageNotification/getNotification": "open", "GET /GenerateQR": "open",
	"GET /ManagePresence": "readonly", "GET /ManageRoute": "readonly", "GET /ManageGeoObject": "readonly",
	"GET /ManageVideoStream": "readonly", "GET /ManageChat": "readonly", "GET /Sensor": "readonly",
	"GET /AuthenticateUser": "readonly",
	"GET /Clients":          "operator", "GET /checkStatus": "operator", "GET /APIUser": "operator",
	"GET /ManageSystemUser/getAll": "operator", "GET /ManageSystemUser/getSystemUser": "operator",
	"POST /APIUser": "admin", "DELETE /APIUser": "admin", "POST /ManageSystemUser/postSystemUser": "admin",
	"PUT /ManageSystemUser/putSystemUser": "admin", "DELETE /ManageSystemUser/deleteSystemUser": "admin",
}

func TestDescription(t *testing.T) {
	paths := func(ops ...func(huma.API)) map[string]map[string]struct {
		Roles     []string `json:"x-takhost-roles"`
		Security  []any    `json:"security"`
		Listeners []string `json:"x-takhost-listeners"`
		Responses map[string]struct {
			Content map[string]any `json:"content"`
		} `json:"responses"`
	} {
		doc, err := web.Document("test", nil, ops...)
		if err != nil {
			t.Fatal(err)
		}
		var d struct {
			Paths map[string]map[string]struct {
				Roles     []string `json:"x-takhost-roles"`
				Security  []any    `json:"security"`
				Listeners []string `json:"x-takhost-listeners"`
				Responses map[string]struct {
					Content map[string]any `json:"content"`
				} `json:"responses"`
			} `json:"paths"`
		}
		if err := json.Unmarshal(doc.JSON(), &d); err != nil {
			t.Fatal(err)
		}
		return d.Paths
	}
	found := map[string]bool{}
	for path, methods := range paths(func(api huma.API) { fts.Register(api, fts.Deps{}) }) {
		for method, op := range methods {
			name := strings.ToUpper(method) + " " + path
			role, ours := may[name]
			if !ours {
				if !strings.HasPrefix(path, "/api/v1/") && !strings.HasPrefix(path, "/v2/") {
					t.Errorf("%s is in no list", name)
				}
				continue
			}
			found[name] = true
			if want := map[string][]string{"operator": {"admin", "operator"}, "admin": {"admin"}}[role]; !slices.Equal(op.Roles, want) {
				t.Errorf("%s: roles %q, want %q", name, op.Roles, want)
			}
			if open := op.Security != nil && len(op.Security) == 0; open != (role == "open") {
				t.Errorf("%s: open %v", name, open)
			}
			if !slices.Equal(op.Listeners, []string{"rest", "web"}) {
				t.Errorf("%s: on %q", name, op.Listeners)
			}
		}
	}
	if len(found) != len(may) {
		t.Errorf("%d operations, want %d", len(found), len(may))
	}
}

// TestAccess sends every operation with no, wrong, weaker and right credentials.
func TestAccess(t *testing.T) {
	b := newBed(t)
	// FreeTAKServer's own credentials are known to everybody.
	b.with("token").get("/ManageSystemUser/getAll").is(401, asText, "Unauthorized Access")
	roles := []string{"readonly", "user", "operator", "admin"}
	callers := map[string]*caller{}
	for _, role := range roles {
		callers[role] = b.user("the-"+role, role)
	}
	for name, least := range may {
		t.Run(name, func(t *testing.T) {
			method, path, _ := strings.Cut(name, " ")
			for _, listener := range []string{"rest", "web"} {
				try := func(who string, c *caller, allowed bool) {
					c.base = b.url[listener]
					got := c.do(method, path, "[]")
					refused := got.status == 401 && got.body == "Unauthorized Access" || got.status == 403 || got.status == 429 && who == "wrong token"
					if path == "/AuthenticateUser" && allowed {
						refused = got.status != 401 && got.status != 429 // who is nobody there too
					}
					if refused == allowed {
						t.Errorf("%s on %s: got %d %.200s, allowed: %v", who, listener, got.status, got.body, allowed)
					}
				}
				try("nobody", b.with(""), least == "open")
				try("wrong token", b.with("tak_wrong"), least == "open")
				for i, role := range roles {
					try(role, callers[role], least == "open" || i >= slices.Index(roles, least))
				}
			}
		})
	}
}

func TestOpen(t *testing.T) {
	b := newBed(t)
	nobody := b.with("")
	nobody.get("/Alive").is(200, asText, "API is running")
	nobody.get("/URL?anything=1").is(200, asText, "completed")
	nobody.get("/RecentCoT").is(200, asText, "1234")

	const nothing = `{"logErrors":[],"emergencys":[]}`
	const path = "/ManageNotification/getNotification"
	nobody.get(path).is(200, asJSON, nothing)
	b.user("ann").get(path).is(200, asJSON, `{"logErrors":[],"emergencys":["ALPHA 911 Alert for ann"]}`)
	b.user("op", "operator").get(path).is(200, asJSON, `{"logErrors":["disk full"],"emergencys":["ALPHA 911 Alert for op"]}`)

	var help struct {
		APIVersion         string
		SupportedEndpoints []string
	}
	got := nobody.get("/manageAPI/getHelp")
	if err := json.Unmarshal([]byte(got.body), &help); err != nil || got.contentType != asJSON {
		t.Fatalf("got %q, %v", got.body, err)
	}
	for _, want := range []string{"/Alive", "/ManageSystemUser/getAll", "/checkStatus", "/api/v1/status", "/manageAPI/getHelp"} {
		if !slices.Contains(help.SupportedEndpoints, want) {
			t.Errorf("there is no %s in %q", want, help.SupportedEndpoints)
		}
	}
	if help.APIVersion != "3" || !slices.IsSorted(help.SupportedEndpoints) || strings.Contains(got.body, "{context}") {
		t.Errorf("got %s", got.body)
	}
	b.user("ben").get("/ManageRoute").is(200, asJSON, `{"SupportedEndpoints":[]}`)
	b.user("cay").do("POST", "/Alive", "").is(405, "application/problem+json", "{\"title\":\"Method Not Allowed\",\"status\":405,\"code\":\"method_not_allowed\",\"detail\":\"POST is not possible on /Alive\"}\n")
}

func TestGenerateQR(t *testing.T) {
	b := newBed(t)
	nobody := b.with("")
	got := nobody.get("/GenerateQR?datapackage_hash=" + strings.ToUpper(theHash))
	img, err := jpeg.Decode(bytes.NewReader([]byte(got.body)))
	if err != nil || got.status != 200 || got.contentType != "image/jpeg" {
		t.Fatalf("got %d %s, %v", got.status, got.contentType, err)
	}
	if s := img.Bounds().Size(); s.X != s.Y || s.X < 100 || s.X > 512 {
		t.Errorf("the picture has %v", s)
	}
	for _, hash := range []string{"", "x", strings.Repeat("z", 64)} {
		nobody.get("/GenerateQR?datapackage_hash="+hash).is(404, asJSON, `{"message":"there is no data package with that hash"}`)
	}
	nobody.get("/GenerateQR?datapackage_hash="+strings.Repeat("0", 64)).is(404, asJSON, `{"message":"there is no such package"}`)
	away := nobody.get("/GenerateQR?datapackage_hash="+strings.Repeat("1", 64)).is(503, asJSON, `{"message":"the plugin files does not run at the moment"}`)
	if got := away.header.Get("Retry-After"); got != "5" {
		t.Errorf("Retry-After: got %q, want 5", got)
	}
	nobody.get("/GenerateQR?datapackage_hash="+strings.Repeat("2", 64)).is(500, asJSON,
		`{"message":"An error occurred generating the QR code.","errors":["the server failed at this; its log says why"]}`)
}

func TestState(t *testing.T) {
	b := newBed(t)
	op := b.user("op", "operator")
	op.get("/Clients").is(200, asJSON, `[{"ip":"10.0.0.5","callsign":"ALPHA","team":"Cyan"},{"ip":"2001:db8::1","callsign":"","team":""},{"ip":"@","callsign":"","team":""}]`)
	op.get("/checkStatus").is(200, asJSON, `{"CoTService":{"CoTServiceIP":"0.0.0.0","CoTServicePort":8087,"CoTServiceStatus":"start"},`+
		`"TCPDataPackageService":{"TCPDataPackageServiceIP":"","TCPDataPackageServicePort":0,"TCPDataPackageServiceStatus":"stop"},`+
		`"SSLDataPackageService":{"SSLDataPackageServiceIP":"192.0.2.2","SSLDataPackageServicePort":8443,"SSLDataPackageServiceStatus":"start"},`+
		`"RestAPIService":{"RestAPIServiceIP":"127.0.0.1","RestAPIServicePort":19023,"RestAPIServiceStatus":"start"},`+
		`"SSLCoTService":{"SSLCoTServiceIP":"0.0.0.0","SSLCoTServicePort":8089,"SSLCoTServiceStatus":"start"},`+
		`"FederationClientService":{"FederationClientServicePort":9000,"FederationClientServiceStatus":""},`+
		`"FederationServerService":{"FederationServerServiceIP":"","FederationServerServicePort":9000,"FederationServerServiceStatus":""},`+
		`"RoutingProxyService":{},"ComponentRegistration":{},"IntegrationManagerService":{}}`)
}
