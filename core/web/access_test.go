package web

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/hostapi/wire"
)

// userAuth is an authenticator whose tokens are names of users, each with the
// role that its name has behind a dash.
type userAuth struct{ out int32 }

func (a userAuth) Authenticate(r *http.Request) (*wire.Caller, error) {
	token, ok := bearerToken(r)
	if !ok {
		return nil, ErrNoCredentials
	}
	name, role, ok := strings.Cut(token, "-")
	switch {
	case token == "broken":
		return nil, errors.New("secret: the database is away")
	case !ok:
		return nil, ErrBadCredentials
	}
	return &wire.Caller{User: name, Roles: []string{role}, InSet: a.out, OutSet: a.out, Client: "UID-" + name}, nil
}

func TestAccess(t *testing.T) {
	b := newBed(t, Options{Auth: userAuth{}})
	b.plugins.http = func(_ context.Context, _, _ string, r *wire.HTTPRequest) (*plugin.Answer, error) {
		return textAnswer(0, "text/plain", "user "+r.Caller.User), nil
	}
	b.core.status = func() (Status, error) { return Status{Version: "v9"}, nil }
	for _, c := range []struct {
		name, method, path, auth string
		status                   int
		want                     string
	}{
		{"core without a token", "GET", "/api/v1/status", "", 401, "the file rest.token in the server's data folder has it"},
		{"core with a wrong token", "GET", "/api/v1/status", "Bearer x", 401, "unauthorized"},
		{"core with another scheme", "GET", "/api/v1/status", "Basic YTpi", 401, "unauthorized"},
		{"core as user", "GET", "/api/v1/status", "Bearer eve-user", 403, "this is for callers with the role admin"},
		{"core as admin, small letters", "GET", "/api/v1/status", "bearer bob-admin", 200, `"version":"v9"`},
		{"the authenticator fails", "GET", "/api/v1/status", "Bearer broken", 500, "its log says why"},
		{"route without a token", "GET", "/api/v1/fences/x", "", 401, "unauthorized"},
		{"route as user", "GET", "/api/v1/fences/x", "Bearer eve-user", 200, "user eve"},
		{"route for operators as user", "DELETE", "/api/v1/fences/x", "Bearer eve-user", 403, "this is for callers with the role operator"},
		{"route for operators as operator", "DELETE", "/api/v1/fences/x", "Bearer eve-operator", 200, "user eve"},
		{"route for operators as admin", "DELETE", "/api/v1/fences/x", "Bearer bob-admin", 200, "user bob"},
		{"open route", "GET", "/api/plugins/fence/hello", "", 200, "user "},
		{"open route as user", "GET", "/api/plugins/fence/hello", "Bearer eve-user", 200, "user eve"},
		{"open route with a wrong token", "GET", "/api/plugins/fence/hello", "Bearer x", 200, "user "},
		{"FreeTAKServer's form", "POST", "/ManageFence/postFence", "Bearer token", 401, "Unauthorized Access"},
		{"Marti's form", "PUT", "/Marti/fences/x", "", 401, `"status":"UNAUTHORIZED"`},
		{"action", "POST", "/v2/fence/list", "", 401, "unauthorized"},
		{"live", "GET", "/api/v1/live", "", 401, "unauthorized"},
		{"description", "GET", "/openapi.json", "", 200, `"openapi":"3.1.0"`},
		{"docs", "GET", "/docs", "", 200, "<title>"},
		{"open files", "GET", "/api/plugins/fence/static/app.mjs", "", 200, "export {}"},
		{"metrics", "GET", "/metrics", "", 200, "takhost_test"},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, body := b.send(t, c.method, c.path, "", "Authorization", c.auth)
			if resp.StatusCode != c.status || !strings.Contains(body, c.want) || strings.Contains(body, "secret") {
				t.Errorf("got %s %s, want %d %s", resp.Status, body, c.status, c.want)
			}
			if has := resp.Header.Get("WWW-Authenticate"); (c.status == 401) != strings.HasPrefix(has, "Bearer realm=") {
				t.Errorf("got WWW-Authenticate %q", has)
			}
		})
	}
}

// TestAdminSocketNeedsNoToken shows that whoever may open the socket is an
// administrator, for plugins too.
func TestAdminSocketNeedsNoToken(t *testing.T) {
	b := newBed(t, Options{})
	b.plugins.http = func(_ context.Context, _, _ string, r *wire.HTTPRequest) (*plugin.Answer, error) {
		return textAnswer(0, "text/plain", r.Caller.User+" by "+r.Caller.Listener+r.Caller.BaseURL), nil
	}
	if resp, body := b.get(t, "/api/v1/fences/x"); resp.StatusCode != 200 || body != SocketUser+" by admin" {
		t.Errorf("got %s %s", resp.Status, body)
	}
	if resp, body := b.get(t, "/api/v1/plugins"); resp.StatusCode != 200 || strings.TrimSpace(body) != `{"plugins":[]}` {
		t.Errorf("got %s %s", resp.Status, body)
	}
}

// TestOtherListeners shows that a route is only on its listeners.
func TestOtherListeners(t *testing.T) {
	b := newBed(t, Options{})
	set := fence(t)
	set.Manifest.Routes[len(set.Manifest.Routes)-1].Listeners = []string{"web"} // hello
	b.use(t, set)
	b.plugins.http = func(context.Context, string, string, *wire.HTTPRequest) (*plugin.Answer, error) {
		return textAnswer(0, "", "hello"), nil
	}
	if resp, _ := b.send(t, "GET", "/api/plugins/fence/hello", ""); resp.StatusCode != 404 {
		t.Errorf("on rest: got %s", resp.Status)
	}
	if resp, _ := b.get(t, "/api/plugins/fence/hello"); resp.StatusCode != 200 {
		t.Errorf("on the admin socket: got %s", resp.Status)
	}
}

func TestFailuresAreBounded(t *testing.T) {
	b := newBed(t, Options{})
	now := time.Now()
	b.failures.now = func() time.Time { return now }
	b.core.status = func() (Status, error) { return Status{}, nil }
	for i := range failuresBurst {
		if resp, _ := b.send(t, "GET", "/api/v1/status", "", "Authorization", "Bearer wrong"); resp.StatusCode != 401 {
			t.Fatalf("attempt %d: got %s", i, resp.Status)
		}
	}
	resp, body := b.send(t, "GET", "/api/v1/status", "", "Authorization", "Bearer wrong")
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "2" || !strings.Contains(body, "too many requests") {
		t.Errorf("got %s %v %s", resp.Status, resp.Header, body)
	}
	if resp, _ := b.send(t, "GET", "/api/v1/status", ""); resp.StatusCode != 200 {
		t.Errorf("the right token from the same address: got %s", resp.Status)
	}
	if resp, _ := b.send(t, "GET", "/api/v1/status", "", "Authorization", ""); resp.StatusCode != 401 {
		t.Errorf("no token from the same address: got %s", resp.Status)
	}
	now = now.Add(failuresEvery)
	if resp, _ := b.send(t, "GET", "/api/v1/status", "", "Authorization", "Bearer wrong"); resp.StatusCode != 401 {
		t.Errorf("later: got %s", resp.Status)
	}
}

func TestNetwork(t *testing.T) {
	for addr, want := range map[string]string{
		"10.1.2.3": "10.1.2.3", "::ffff:10.1.2.3": "10.1.2.3", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "@": "@",
	} {
		if got := network(addr); got != want {
			t.Errorf("%s: got %s, want %s", addr, got, want)
		}
	}
}

func TestLoadToken(t *testing.T) {
	dir := t.TempDir()
	token, path, made, err := LoadToken(dir)
	if err != nil || !made || len(token) != 43 || path != filepath.Join(dir, TokenFile) {
		t.Fatalf("got %q in %s, %v, %v", token, path, made, err)
	}
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && fi.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v", fi.Mode())
	}
	if SharedToken(path) {
		t.Error("a token that was made counts as shared")
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && !SharedToken(path) {
		t.Error("a token that a group may read counts as private")
	}
	again, _, made, err := LoadToken(dir)
	if err != nil || made || again != token {
		t.Errorf("got %q, %v, %v the second time", again, made, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
	for name, content := range map[string]string{"empty": "", "short": "abc\n", "two words": "0123456789 0123456789", "comma": "0123456789,0123456789"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := LoadToken(dir); err == nil || !strings.Contains(err.Error(), "remove the file and a new one is made") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, _, _, err := LoadToken(filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), "write the token of listen.rest") {
		t.Errorf("no folder: got %v", err)
	}
}
