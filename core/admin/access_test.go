package admin_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/web"
)

// may has for each operation who may use it at least.
var may = map[string]string{
	"login": "open", "setup": "open",
	"logout": "readonly", "me": "readonly", "me-password": "readonly",
	"tokens": "readonly", "token-add": "readonly", "token-remove": "readonly",
	"certificates": "readonly", "certificate": "readonly", "ca": "readonly", "crl": "readonly", "revocations": "readonly", "connection-package": "readonly",
	"users": "operator", "user": "operator", "groups": "operator", "group": "operator", "enrolments": "operator", "enrolment-add": "operator",
	"enrolment-remove": "operator", "public": "operator", "authorities": "operator", "connection-package-make": "operator", "connection-packages": "operator",
	"sheet": "operator", "profiles": "operator", "profile": "operator", "profile-file": "operator", "profile-preferences": "operator", "listeners": "operator",
	"user-add": "admin", "user-set": "admin", "user-remove": "admin", "user-password": "admin", "user-import": "admin",
	"group-add": "admin", "group-set": "admin", "group-remove": "admin", "certificate-add": "admin", "certificate-revoke": "admin",
	"ca-rollover": "admin", "ca-rollover-finish": "admin", "profile-add": "admin", "profile-set": "admin", "profile-remove": "admin",
	"profile-file-put": "admin", "profile-preferences-set": "admin", "profile-file-remove": "admin", "audit": "admin",
	"admin-reset":   "admin",
	"listener-move": "admin", "listener-start": "admin", "listener-stop": "admin",
}

// operation is one of the description.
type operation struct {
	ID          string              `json:"operationId"`
	Summary     string              `json:"summary"`
	Tags        []string            `json:"tags"`
	Roles       []string            `json:"x-takhost-roles"`
	Listeners   []string            `json:"x-takhost-listeners"`
	Security    []map[string]any    `json:"security"`
	Responses   map[string]struct{} `json:"responses"`
	RequestBody *struct{}           `json:"requestBody"`

	method, path string
}

// operations gives those of this package, as the description has them.
func operations(t *testing.T) (list []operation) {
	t.Helper()
	describe := func(ops ...func(huma.API)) map[string]map[string]operation {
		doc, err := web.Document("test", nil, ops...)
		if err != nil {
			t.Fatal(err)
		}
		var d struct {
			Paths map[string]map[string]operation `json:"paths"`
		}
		if err := json.Unmarshal(doc.JSON(), &d); err != nil {
			t.Fatal(err)
		}
		return d.Paths
	}
	without := describe()
	for path, methods := range describe(func(api huma.API) { admin.Register(api, admin.Deps{}) }) {
		for method, op := range methods {
			if _, other := without[path][method]; !other {
				op.method, op.path = strings.ToUpper(method), path
				list = append(list, op)
			}
		}
	}
	return list
}

func TestDescription(t *testing.T) {
	var ids []string
	for _, op := range operations(t) {
		ids = append(ids, op.ID)
		if op.Summary == "" || len(op.Tags) != 1 || len(op.Responses) < 2 || !strings.HasPrefix(op.path, "/api/v1/") {
			t.Errorf("%s is hardly described: %+v", op.ID, op)
		}
		want := map[string][]string{"operator": {"admin", "operator"}, "admin": {"admin"}}[may[op.ID]]
		if !slices.Equal(op.Roles, want) {
			t.Errorf("%s: roles %q, want %q", op.ID, op.Roles, want)
		}
		if open := op.Security != nil && len(op.Security) == 0; open != (may[op.ID] == "open") {
			t.Errorf("%s: open %v", op.ID, open)
		}
	}
	slices.Sort(ids)
	want := make([]string, 0, len(may))
	for id := range may {
		want = append(want, id)
	}
	slices.Sort(want)
	same(t, want, ids)
}

// TestAccess sends every operation with no, wrong, weaker and right credentials.
// Whoever gets through finds nothing to work on, or a body that is not good.
func TestAccess(t *testing.T) {
	b := newBed(t)
	roles := []string{"readonly", "user", "operator", "admin"}
	callers := map[string]*caller{}
	for _, role := range roles {
		callers[role] = b.user("the-"+role, role)
	}
	for _, op := range operations(t) {
		path := strings.NewReplacer("{name}", "nobody", "{serial}", "ff", "{id}", "none", "{file}", "none").Replace(op.path)
		var body any
		if op.method != "GET" && op.method != "DELETE" {
			body = obj{"unknown": "key"}
			if op.ID == "ca-rollover" || op.ID == "ca-rollover-finish" {
				continue // see TestRollover; an administrator would do it
			}
		}
		t.Run(op.ID, func(t *testing.T) {
			for _, listener := range op.Listeners {
				if listener == "admin" { // see TestAdminSocket
					for _, other := range []string{"rest", "web"} {
						c := callers["admin"]
						c.base = b.url[other]
						c.do(op.method, path, body).refused(404, "there is no")
					}
					continue
				}
				try := func(who string, c *caller, allowed bool) {
					c.base = b.url[listener]
					got := c.do(op.method, path, body)
					refused := got.status == 401 || got.status == 403 || got.status == 429 && who == "wrong token"
					if op.ID == "me-password" && got.status == 403 {
						refused = false // nobody here has a password
					}
					if refused == allowed || got.status >= 500 {
						t.Errorf("%s on %s: got %d %.200s, allowed: %v", who, listener, got.status, got.body, allowed)
					}
				}
				open := may[op.ID] == "open"
				try("nobody", b.with(""), open)
				try("wrong token", b.with("tak_wrong"), open)
				for i, role := range roles {
					try(role, callers[role], open || i >= slices.Index(roles, may[op.ID]))
				}
			}
		})
	}
}
