package tests

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// setupLink reads the link that a server keeps as long as it has no administrator.
func setupLink(t *testing.T, data string) (path, secret string) {
	t.Helper()
	file := filepath.Join(data, "setup.link")
	b, err := os.ReadFile(file)
	takclient.Must(t, err)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: mode %v, %v; want 0600", file, info.Mode(), err)
	}
	u, err := url.Parse(strings.TrimSpace(string(b)))
	takclient.Must(t, err)
	secret, ok := strings.CutPrefix(u.Path, "/setup/")
	if !ok || u.Scheme != "https" || u.Hostname() != publicName {
		t.Fatalf("the link is %s, want https://%s:PORT/setup/SECRET", u, publicName)
	}
	return u.Path, secret
}

func noSetupLink(t *testing.T, data string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(data, "setup.link")); err == nil {
		t.Error("the file with the used link is there still")
	}
}

func setupForm(name, password, again string) string {
	return url.Values{"name": {name}, "password": {password}, "again": {again}}.Encode()
}

const formType = "application/x-www-form-urlencoded"

func login(a *asker, name, password string) int {
	a.t.Helper()
	return a.json("POST", "/api/v1/login", admin.Credentials{User: name, Password: password}).status
}

// The set-up link makes the first administrator, once, also when several use it
// at the same time; another start makes another link.
func TestSetupLinkWorksOnce(t *testing.T) {
	srv := wholeServer(t)
	old, _ := setupLink(t, srv.Config.Data)
	srv.Restart(t)
	path, _ := setupLink(t, srv.Config.Data)
	web := askAt(t, srv, "web")
	web.get(old).is(410)
	web.get("/setup/guess").is(410)
	page := web.get(path).is(200)
	if !strings.Contains(page.body, `name="again"`) || page.header.Get("Content-Security-Policy") == "" || page.header.Get("Referrer-Policy") == "" {
		t.Errorf("the page: got %v %s", page.header, page.body)
	}
	for name, form := range map[string]string{
		"passwords differ": setupForm("boss", goodPassword, "another"), "no password": setupForm("boss", "", ""),
		"short password": setupForm("boss", "a", "a"), "known password": setupForm("boss", "password", "password"), "bad name": setupForm("b,=o", goodPassword, goodPassword),
	} {
		if r := web.ask("POST", path, formType, form); r.status != 422 {
			t.Errorf("%s: got %d %s, want 422", name, r.status, r.body)
		}
	}
	// A page of somebody else's does not send the form.
	web.also(crossSite).ask("POST", path, formType, setupForm("evil", goodPassword, goodPassword)).is(403)

	var all sync.WaitGroup
	got := make([]int, 5)
	for i := range got {
		all.Go(func() {
			if r, err := web.send("POST", path, formType, setupForm("boss"+string(rune('a'+i)), goodPassword, goodPassword)); err == nil {
				got[i] = r.status
			}
		})
	}
	all.Wait()
	made := 0
	for i, status := range got {
		switch name := "boss" + string(rune('a'+i)); {
		case status == 200:
			made++
			if login(web, name, goodPassword) != 200 {
				t.Errorf("%s was made, and cannot log in", name)
			}
		case status != 410 && status != 422 && status != 429:
			t.Errorf("got %d, want 200 for one and 410 for the others", status)
		}
	}
	if made != 1 {
		t.Fatalf("%d administrators were made by one link", made)
	}
	web.get(path).is(410)
	noSetupLink(t, srv.Config.Data)
	srv.Restart(t)
	noSetupLink(t, srv.Config.Data)
	if e := audited(t, srv.Admin, "user.add", "boss"+string(rune('a'+slices.Index(got, 200)))); e.Via != "setup" {
		t.Errorf("audit: got %+v, want that it came by the set-up", e)
	}
}

// The last administrator cannot be taken away in any way; two at once cannot be
// either.
func TestLastAdministratorStays(t *testing.T) {
	srv := wholeServer(t)
	addRole(t, srv.Admin, "one", "admin", goodPassword)
	roles, yes := []string{"user"}, true
	end := "2001-01-01T00:00:00Z"
	takeAway := func(name string) map[string]func() (*taktest.Answer, error) {
		at := "/api/v1/users/" + name
		return map[string]func() (*taktest.Answer, error){
			"removed":  func() (*taktest.Answer, error) { return srv.Do("DELETE", at, nil) },
			"disabled": func() (*taktest.Answer, error) { return srv.Do("PATCH", at, admin.UserChange{Disabled: &yes}) },
			"demoted":  func() (*taktest.Answer, error) { return srv.Do("PATCH", at, admin.UserChange{Roles: &roles}) },
			"ended":    func() (*taktest.Answer, error) { return srv.Do("PATCH", at, admin.UserChange{Expires: &end}) },
		}
	}
	for how, do := range takeAway("one") {
		if answer, err := do(); err != nil || answer.Status < 400 || answer.Status >= 500 || answer.Problem() == "" {
			t.Errorf("the last administrator is %s: got %+v, %v; want a refusal that says why", how, answer, err)
		}
	}
	// FreeTAKServer's way.
	askAt(t, srv, "rest").token(newToken(t, srv.Admin, "one")).ask("DELETE", "/ManageSystemUser/deleteSystemUser", "application/json",
		`{"systemUsers": [{"uid": "`+uidOf(t, srv.Admin, "one")+`"}]}`)
	if n := administrators(t, srv.Admin); n != 1 {
		t.Fatalf("there are %d administrators", n)
	}
	for range 5 {
		addRole(t, srv.Admin, "two", "admin", goodPassword)
		var all sync.WaitGroup
		for _, name := range []string{"one", "two"} {
			do := takeAway(name)["demoted"]
			all.Go(func() { _, _ = do() }) // one of them is refused
		}
		all.Wait()
		if n := administrators(t, srv.Admin); n != 1 {
			t.Fatalf("two were demoted at once: %d administrators are left", n)
		}
		admins := []string{"admin"}
		srv.Must(t, "PATCH", "/api/v1/users/one", admin.UserChange{Roles: &admins})
		srv.Must(t, "DELETE", "/api/v1/users/two", nil)
	}
}

func uidOf(t *testing.T, a *taktest.Admin, user string) string {
	t.Helper()
	var u admin.User
	a.Must(t, "GET", "/api/v1/users/"+user, nil).Decode(t, &u)
	return u.UID
}

func administrators(t *testing.T, a *taktest.Admin) int {
	t.Helper()
	var page admin.UserPage
	a.Must(t, "GET", "/api/v1/users?role=admin", nil).Decode(t, &page)
	return len(page.Users)
}

// Who has lost the password gets a new link by the machine itself.
func TestAdminReset(t *testing.T) {
	srv := taktest.Run(t, append(taktest.Listening("web"), append([]string{"--set", "public=" + publicName}, withoutPlugins...)...)...)
	path, _ := setupLink(t, srv.Data)
	web := askTo(t, srv.Admin, "web", srv.Addr(t, "web"))
	web.ask("POST", path, formType, setupForm("boss", goodPassword, goodPassword)).is(200)
	noSetupLink(t, srv.Data)
	session := cookieOf(t, web.json("POST", "/api/v1/login", admin.Credentials{User: "boss", Password: goodPassword}).is(200))

	out := taktest.Command(t, "admin", "reset", "--data", srv.Data)
	if out.Code != 0 {
		t.Fatalf("admin reset: %s", out.Err)
	}
	path, _ = setupLink(t, srv.Data)
	if !strings.Contains(out.Out, path) {
		t.Errorf("admin reset does not tell the link: %s", out.Out)
	}
	if page := web.get(path).is(200); !strings.Contains(page.body, "boss") {
		t.Errorf("the page does not say for whom it is: %s", page.body)
	}
	web.ask("POST", path, formType, setupForm("", "another "+goodPassword, "another "+goodPassword)).is(200)
	if got := login(web, "boss", "another "+goodPassword); got != 200 {
		t.Errorf("the new password: got %d", got)
	}
	if got := login(web, "boss", goodPassword); got != 401 {
		t.Errorf("the old password: got %d, want 401", got)
	}
	web.cookie(session).get("/api/v1/me").is(401)
	web.get(path).is(410)
	noSetupLink(t, srv.Data)
	if n := administrators(t, srv.Admin); n != 1 {
		t.Errorf("there are %d administrators, want the one", n)
	}
	// Nobody else may: it is for the admin socket alone.
	addRole(t, srv.Admin, "other", "admin", goodPassword)
	web.token(newToken(t, srv.Admin, "other")).ask("POST", "/api/v1/admin/reset", "", "").is(404)
}

// What FreeTAKServer's users know by heart lets nobody in.
func TestWellKnownPasswordsAreRefused(t *testing.T) {
	srv := wholeServer(t)
	for _, c := range []admin.UserInput{
		{Name: "admin", Password: "password"}, {Name: "anonymous", Password: "password"}, {Name: "x", Password: "token"}, {Name: "y", Password: "atakatak"},
	} {
		if answer, err := srv.Do("POST", "/api/v1/users", c); err != nil || answer.Status < 400 || answer.Status > 499 {
			t.Errorf("%s with the password %s: got %+v, %v; want a refusal", c.Name, c.Password, answer, err)
		}
	}
	for _, listener := range []string{"web", "rest"} {
		a := askAt(t, srv, listener)
		a.token("token").get("/ManageSystemUser/getAll").is(401)
		a.token("Bearer token").get("/ManageSystemUser/getAll").is(401)
		if r := a.get("/AuthenticateUser?username=admin&password=password"); r.status == 200 {
			t.Errorf("FreeTAKServer's administrator on %s: got %d %s", listener, r.status, r.body)
		}
	}
}
