package admin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/web"
)

const password = "correct horse battery"

func TestSession(t *testing.T) {
	b := newBed(t)
	b.user("ann", "readonly")
	b.must(b.ids.SetPassword(t.Context(), root, "ann", password))
	page := b.with("")
	page.base = b.url["web"]

	got := page.do("POST", "login", obj{"user": "Ann", "password": password}).is(200)
	var me admin.Me
	got.into(&me)
	if me.User != "ann" || me.Roles[0] != "readonly" || me.Expires == nil || !me.HasPassword {
		t.Errorf("got %+v", me)
	}
	cookies := (&http.Response{Header: got.header}).Cookies()
	if len(cookies) != 1 {
		t.Fatalf("cookies: %v", got.header)
	}
	c := cookies[0]
	if c.Name != "access_token" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || strings.Contains(string(got.body), c.Value) {
		t.Errorf("cookie %v", c)
	}
	in := b.with("")
	in.base, in.header = b.url["web"], http.Header{"Cookie": {c.Name + "=" + c.Value}, "Origin": {b.url["web"]}}
	if me := read[admin.Me](in, "me"); me.User != "ann" || me.Expires != nil {
		t.Errorf("got %+v", me)
	}

	// What a page of somebody else has the browser send.
	for _, h := range [][]string{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}} {
		page.do("POST", "login", obj{"user": "ann", "password": password}, h...).refused(403, "")
		page.do("POST", "setup", obj{"secret": "x", "name": "eve", "password": password}, h...).refused(403, "")
		in.do("POST", "logout", nil, h...).refused(403, "")
	}

	in.do("PUT", "me/password", obj{"current": "wrong", "password": "another long password"}).refused(401, "")
	in.do("PUT", "me/password", obj{"current": password, "password": "short"}).refused(400, "")
	out := in.do("POST", "logout", nil).is(204)
	if c := (&http.Response{Header: out.header}).Cookies(); len(c) != 1 || c[0].Value != "" || c[0].Expires.Year() > 2000 {
		t.Errorf("the cookie stays: %v", c)
	}
	in.get("me").refused(401, "")

	got = page.do("POST", "login", obj{"user": "ann", "password": password}).is(200)
	in.header.Set("Cookie", "access_token="+(&http.Response{Header: got.header}).Cookies()[0].Value)
	in.do("PUT", "me/password", obj{"current": password, "password": "another long password"}).is(204)
	in.get("me").refused(401, "")
	page.do("POST", "login", obj{"user": "ann", "password": password}).refused(401, "wrong")
	if log := b.log.String(); strings.Contains(log, password) || strings.Contains(log, c.Value) {
		t.Error("a secret is in the log")
	}

	// Without a password a stolen token must not become one.
	b.user("ben").do("PUT", "me/password", obj{"current": "", "password": "another long password"}).refused(403, "no password yet")
}

func TestGuessing(t *testing.T) {
	b := newBed(t)
	b.user("ann")
	b.must(b.ids.SetPassword(t.Context(), root, "ann", password))
	page := b.with("")
	page.base = b.url["web"]
	for i := range 20 {
		got := page.do("POST", "login", obj{"user": "ann", "password": "wrong password"})
		switch {
		case got.status == 401:
		case got.status == 429 && got.header.Get("Retry-After") != "":
			if i < 4 {
				t.Errorf("locked out after %d", i)
			}
			return
		default:
			t.Fatalf("got %d %s", got.status, got.body)
		}
	}
	t.Error("20 wrong passwords were let be tried")
}

func TestSetup(t *testing.T) {
	b := newBed(t)
	secret, err := b.ids.SetupSecret()
	b.must(err)
	nobody := b.with("")
	nobody.do("POST", "setup", obj{"secret": "wrong", "name": "boss", "password": password}).refused(401, "")
	nobody.do("POST", "setup", obj{"secret": secret, "name": "boss", "password": "short"}).refused(400, "")
	var made admin.User
	nobody.do("POST", "setup", obj{"secret": secret, "name": "boss", "password": password}).is(201).into(&made)
	if made.Name != "boss" || made.Roles[0] != "admin" {
		t.Errorf("got %+v", made)
	}
	if again := nobody.do("POST", "setup", obj{"secret": secret, "name": "eve", "password": password}); again.status < 400 {
		t.Errorf("a second time: %d %s", again.status, again.body)
	}
	if _, there := b.ids.User("eve"); there {
		t.Error("eve is there")
	}
}

// TestMe shows callers who are no users.
func TestMe(t *testing.T) {
	b := newBed(t)
	b.must(func() error { _, err := b.ids.AddGroup(t.Context(), root, "Blue", ""); return err }())
	ann := b.user("ann")
	_, err := b.ids.SetUser(t.Context(), root, "ann", func(u *identity.User) error {
		u.FullName, u.Groups = "Ann E.", []identity.Membership{{Group: "Blue", Out: true}}
		return nil
	})
	b.must(err)
	same(t, admin.Me{User: "ann", Name: "Ann E.", Roles: []string{"user"}, Groups: []admin.Membership{{Group: "Blue", In: no(), Out: yes()}}}, read[admin.Me](ann, "me"))
}

// TestAdminSocket shows the way back in, and that whoever has the socket is an
// administrator.
func TestAdminSocket(t *testing.T) {
	b := newBed(t)
	b.admin()
	b.must(b.ids.SetPassword(t.Context(), root, "boss", password))
	c := b.with("")
	c.base = "http://socket"
	if me := read[admin.Me](c, "me"); me.User != web.SocketUser || me.Roles[0] != "admin" || me.HasPassword {
		t.Errorf("got %+v", me)
	}
	c.do("PUT", "me/password", obj{"current": "x", "password": password}).refused(403, "callers who are users")
	c.do("POST", "tokens", obj{}).refused(404, "admin")
	var reset admin.Reset
	c.do("POST", "admin/reset", nil).is(200).into(&reset)
	_, secret, ok := strings.Cut(reset.Link, "/setup/")
	if !ok || reset.Name != "boss" {
		t.Fatalf("got %+v", reset)
	}
	b.with("").do("POST", "setup", obj{"secret": secret, "name": "boss", "password": "another long password"}).is(201)
	if _, err := b.ids.Login(t.Context(), "boss", "another long password", "192.0.2.1"); err != nil {
		t.Errorf("login: %v", err)
	}
	if e := read[admin.AuditPage](c, "audit?action=admin.*&user="+url.QueryEscape(web.SocketUser)).Entries; len(e) == 0 || e[0].Via != "admin" {
		t.Errorf("got %+v", e)
	}
}
