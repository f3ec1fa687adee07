package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// openOperations are all that answer somebody without credentials, each with the
// reason. The descriptions must have no other.
var openOperations = map[string]string{
	"fts-alive":         "spec/rest.md 2: clients of FreeTAKServer look whether it is there before they log in",
	"fts-help":          "spec/rest.md 3: FreeTAKServer tells its paths to everybody; they are public",
	"fts-url":           "spec/rest.md 3: the UI asks before the login where the server is",
	"fts-qr":            "spec/rest.md 3: a picture of the text in the request, nothing of the server's",
	"fts-recent-cot":    "spec/rest.md 3: a constant text",
	"fts-notifications": "spec/rest.md 3: a constant text",
	"login":             "it is the login",
	"marti-oauth-token": "spec/tak-marti.md 11: it is the login",
	"setup":             "the secret of the set-up link is in the body, as there is no user yet",
}

// readsForAll are operations that change something and are for callers who may
// only read all the same: their own login, their own devices and what these show.
var readsForAll = map[string]bool{
	"logout": true, "me-password": true, "token-add": true, "token-remove": true,
	"marti-sign-client": true, "marti-sign-client-v2": true, "marti-channels": true, "marti-channels-bits": true,
	"marti-cot-list-post": true, // it reads, with a list in the body
}

// ownRules are operations that refuse some right callers by a rule of their own,
// with the reason.
var ownRules = map[string]string{
	"me-password":                  "who has no password sets none",
	"marti-token-access":           "it shows the token of the header Authorization",
	"marti-make-key-store":         "it wants the header Authorization, as links of others bring cookies",
	"marti-sign-client":            "the name in the request has to be the caller's",
	"marti-sign-client-v2":         "the name in the request has to be the caller's",
	"marti-channels":               "channels are chosen by users with a certificate for it",
	"marti-channels-bits":          "channels are chosen by users with a certificate for it",
	"fts-authenticate":             "it checks the name and password of its query",
	"marti-subscription-incognito": "a client hides itself alone",
}

// walked is an operation of a description.
type walked struct {
	ID        string                 `json:"operationId"`
	Listeners []string               `json:"x-takhost-listeners"`
	Roles     []string               `json:"x-takhost-roles"`
	Security  *[]map[string][]string `json:"security"`
	method    string
	path      string
}

func (o *walked) open() bool { return o.Security != nil && len(*o.Security) == 0 }

// takesBasic says whether a name with a password is taken.
func (o *walked) takesBasic() bool {
	return o.Security != nil && slices.ContainsFunc(*o.Security, func(s map[string][]string) bool { return s["password"] != nil })
}

// walk gives all operations of both descriptions, as a server has them.
func walk(t *testing.T, a *asker) (list []walked) {
	t.Helper()
	for _, path := range []string{"/openapi.json", "/openapi/marti.json"} {
		var doc struct {
			Paths map[string]map[string]json.RawMessage
		}
		a.get(path).into(&doc)
		for _, at := range slices.Sorted(maps.Keys(doc.Paths)) {
			for method, raw := range doc.Paths[at] {
				o := walked{method: strings.ToUpper(method), path: at}
				if err := json.Unmarshal(raw, &o); err != nil {
					t.Fatalf("%s %s: %v", method, at, err)
				}
				if o.ID == "" || len(o.Listeners) == 0 {
					t.Fatalf("%s %s says nothing of where it is: %s", method, at, raw)
				}
				list = append(list, o)
			}
		}
	}
	return list
}

// somewhere gives a path to ask: what it names does not exist.
func (o *walked) somewhere() string {
	return strings.NewReplacer("{direction}", "IN", "{serial}", "ff", "{", "nothing-", "}", "").Replace(o.path)
}

// walker asks as one caller over connections that stay.
type walker struct {
	*asker
	client *http.Client
}

func keeping(a *asker) *walker {
	tr := &http.Transport{TLSClientConfig: a.conf, MaxIdleConnsPerHost: 4}
	a.t.Cleanup(tr.CloseIdleConnections)
	return &walker{a, &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// status asks for an operation. Of what goes on for ever the beginning is enough.
func (w *walker) status(t *testing.T, o *walked) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), takclient.DefaultWait)
	defer cancel()
	var body io.Reader
	if o.method != "GET" && o.method != "DELETE" {
		body = strings.NewReader(`{"nothing": "known"}`)
	}
	req, err := http.NewRequestWithContext(ctx, o.method, w.base+o.somewhere(), body)
	takclient.Must(t, err)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if w.show != nil {
		w.show(req)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		t.Fatalf("%s %s%s: %v", o.method, w.base, o.path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ContentLength >= 0 {
		_, err = io.Copy(io.Discard, resp.Body)
		takclient.Must(t, err)
	}
	return resp.StatusCode
}

// strangersAddr gives each wrong try an address of its own, or the last ones would
// be told to wait.
type strangersAddr struct{ n int }

func (s *strangersAddr) next() string { s.n++; return fmt.Sprintf("198.51.%d.%d", s.n/250, s.n%250+1) }

var allRoles = []string{"readonly", "user", "operator", "admin"}

// people is somebody of each role, with all that one can show.
type people struct {
	tokens  map[string]string
	devices map[string]*takclient.Enrolled
	cookies map[string]string
}

func newPeople(t *testing.T, srv *taktest.Server) *people {
	t.Helper()
	c := &people{map[string]string{}, map[string]*takclient.Enrolled{}, map[string]string{}}
	web := askAt(t, srv, "web")
	for _, role := range allRoles {
		addRole(t, srv.Admin, "the-"+role, role, goodPassword)
		c.tokens[role] = newToken(t, srv.Admin, "the-"+role)
		c.devices[role] = issue(t, srv.Admin, "the-"+role, false)
		resp := web.json("POST", "/api/v1/login", admin.Credentials{User: "the-" + role, Password: goodPassword}).is(200)
		c.cookies[role] = cookieOf(t, resp)
	}
	return c
}

// cookieOf gives the cookie of a login.
func cookieOf(t *testing.T, r *reply) string {
	t.Helper()
	for _, c := range (&http.Response{Header: r.header}).Cookies() {
		if c.Name == "access_token" {
			if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode {
				t.Errorf("the cookie of a login is not safe: %v", c)
			}
			return c.Value
		}
	}
	t.Fatalf("the login gave no cookie: %v", r.header)
	return ""
}

// Nothing answers without credentials but what openOperations has, wherever and
// whatever it is; weaker ones do not do, right ones do.
func TestAccessToEveryOperation(t *testing.T) {
	srv, _ := startFeatures(t, "", taktest.WithListeners("tls", "http", "https", "web"), taktest.WithPublic(publicName), taktest.WithConfig(trustLoopback))
	ops := walk(t, askAt(t, srv, "rest"))
	for i := range ops {
		if o := &ops[i]; o.open() != (openOperations[o.ID] != "") {
			t.Errorf("%s %s (%s): open is %v, want %v", o.method, o.path, o.ID, o.open(), !o.open())
		}
	}
	all := newPeople(t, srv)
	stranger := &strangersAddr{}
	for _, listener := range []string{"http", "https", "web", "rest"} {
		t.Run(listener, func(t *testing.T) {
			at := askAt(t, srv, listener).in(t)
			wrongs := []*walker{
				keeping(at.token("wrong")), keeping(at.token("tkh_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG")),
				keeping(at.cookie("wrong")), keeping(at.basic("the-admin", "wrong")), keeping(at.basic("nobody", goodPassword)),
			}
			by := map[string]map[string]*walker{"token": {}, "certificate": {}, "cookie": {}, "password": {}}
			for _, role := range allRoles {
				by["token"][role] = keeping(at.token(all.tokens[role]))
				if listener == "https" {
					by["certificate"][role] = keeping(at.certificate(all.devices[role].Cert))
				}
				if listener == "web" || listener == "https" {
					by["cookie"][role] = keeping(at.cookie(all.cookies[role]))
				}
				by["password"][role] = keeping(at.basic("the-"+role, goodPassword))
			}
			nobody, n := keeping(at), 0
			for i := range ops {
				o := &ops[i]
				what := fmt.Sprintf("%s %s (%s)", o.method, o.path, o.ID)
				if !slices.Contains(o.Listeners, listener) {
					continue
				}
				n++
				if listener == "http" {
					// Everybody is the anonymous user, and nobody is more.
					for who, w := range map[string]*walker{"nobody": nobody, "an administrator's token": by["token"]["admin"]} {
						switch got := w.status(t, o); {
						case got == 401, len(o.Roles) > 0 && got != 403:
							t.Errorf("%s by %s: got %d", what, who, got)
						}
					}
					continue
				}
				if openOperations[o.ID] != "" {
					if got := nobody.status(t, o); got == 403 || got == 404 && o.ID != "fts-qr" { // which has a path behind it
						t.Errorf("%s is open, and answers %d", what, got)
					}
					continue
				}
				if got := nobody.status(t, o); got != 401 {
					t.Errorf("%s without credentials: got %d, want 401", what, got)
				}
				for _, w := range wrongs {
					from := *w
					from.asker = w.from(stranger.next())
					if got := from.status(t, o); got != 401 {
						t.Errorf("%s with wrong credentials: got %d, want 401", what, got)
					}
				}
				for proof, walkers := range by {
					for role, w := range walkers {
						if proof == "password" && !o.takesBasic() {
							if role == "admin" {
								if got := w.status(t, o); got != 401 {
									t.Errorf("%s by a password, which it does not take: got %d, want 401", what, got)
								}
							}
							continue
						}
						checkAccess(t, o, what, proof, role, w)
					}
				}
			}
			if n < 20 {
				t.Errorf("%d operations are on listen.%s, want more", n, listener)
			}
		})
	}
}

// unasked are operations that an administrator is not let try here.
var unasked = map[string]string{
	"ca-rollover": "it changes the authority", "ca-rollover-finish": "it changes the authority",
	"logout": "the session is used again", "config-reload": "it reads the test's own configuration",
	"marti-make-key-store": "it makes a key, which takes long",
}

// writesByGet are operations that change something though they are a GET, as clients
// ask for them so.
var writesByGet = map[string]bool{"files.sync-sequence": true}

func checkAccess(t *testing.T, o *walked, what, proof, role string, w *walker) {
	t.Helper()
	weaker := len(o.Roles) > 0 && !slices.Contains(o.Roles, role) ||
		role == "readonly" && (o.method != "GET" && !readsForAll[o.ID] || writesByGet[o.ID])
	if !weaker && unasked[o.ID] != "" {
		return
	}
	got := w.status(t, o)
	switch {
	case weaker && got != 403:
		t.Errorf("%s by the %s of a %s: got %d, want 403", what, proof, role, got)
	case !weaker && (got == 401 || got == 403) && ownRules[o.ID] == "":
		t.Errorf("%s by the %s of a %s: got %d, want it served", what, proof, role, got)
	}
}

// What is no operation: pages, descriptions, and what monitors ask.
func TestAccessToEverythingElse(t *testing.T) {
	srv := wholeServer(t)
	for _, c := range []struct {
		listener, path string
		status         int
	}{
		{"rest", "/docs", 200}, {"rest", "/openapi.json", 200}, {"rest", "/openapi/marti.json", 200},
		{"rest", "/metrics", 200}, {"rest", "/healthz", 200}, {"rest", "/readyz", 200},
		{"web", "/", 200}, {"web", "/docs", 200}, {"web", "/openapi.json", 200},
		{"web", "/metrics", 404}, {"web", "/healthz", 404}, {"web", "/readyz", 404}, {"web", "/enrol/nothing", 404}, {"web", "/enrol/nothing/atak.zip", 404}, {"web", "/setup/nothing", 410},
		{"https", "/metrics", 404}, {"https", "/docs", 404}, {"https", "/api/v1/users", 404}, {"https", "/setup/nothing", 404},
		{"http", "/metrics", 404}, {"http", "/docs", 404}, {"http", "/api/v1/users", 404}, {"http", "/Marti/api/tls/config", 404},
	} {
		if got := askAt(t, srv, c.listener).get(c.path); got.status != c.status {
			t.Errorf("%s on %s: got %d, want %d", c.path, c.listener, got.status, c.status)
		}
	}
}

// On listen.http the caller is the anonymous user, with what __ANON__ has and no
// more; the operator can switch him off.
func TestAnonymousOnHTTP(t *testing.T) {
	srv := wholeServer(t)
	addGroups(t, srv.Admin, "Blue")
	addUser(t, srv.Admin, "secret", memberOf("Blue")...)
	hidden, open := online(t, srv, enrol(t, srv, "secret", "ANDROID-secret")), srv.Client(t)
	takclient.Must(t, hidden.SA(1, 2))
	takclient.Must(t, open.SA(1, 2))
	hidden.Sync(t)
	open.Sync(t)
	http := askAt(t, srv, "http")
	body := http.get("/Marti/api/clientEndPoints").is(200).body
	if !strings.Contains(body, open.UID()) || strings.Contains(body, "ANDROID-secret") {
		t.Errorf("clientEndPoints: got %s, want those of __ANON__ alone", body)
	}
	eventually(t, "the archive has it", func() bool { return http.get("/Marti/api/cot/xml/"+open.UID()).status == 200 })
	http.get("/Marti/api/cot/xml/ANDROID-secret").is(404)
	if roles := http.get("/Marti/api/util/user/roles").is(200).body; strings.Contains(roles, "ADMIN") {
		t.Errorf("roles: got %s", roles)
	}
	http.get("/Marti/api/util/isAdmin").is(403)
	http.json("PUT", "/Marti/api/groups/active", []any{}).is(403)

	shut := wholeServer(t, taktest.WithConfig(func(c *config.Config) { c.Login.Anonymous = false }))
	addUser(t, shut.Admin, "ann")
	token := newToken(t, shut.Admin, "ann")
	at := askAt(t, shut, "http")
	rest := askAt(t, shut, "rest")
	for _, o := range walk(t, rest) {
		if slices.Contains(o.Listeners, "http") && openOperations[o.ID] == "" {
			at.ask(o.method, o.somewhere(), "", "").is(401)
		}
	}
	at.get("/Marti/api/version").is(401)
	at.token(token).get("/Marti/api/version").is(200)
}
