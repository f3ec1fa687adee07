package tests

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/store/storetest"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// estate is what a server has been told, with the secrets that were given out.
type estate struct {
	phone, lost, old *takclient.Enrolled
	token, gone      admin.NewToken
	cookie           string
	open, spent      admin.NewEnrolment
}

// settle tells a server a little of everything. Each answer is a promise.
func settle(t *testing.T, srv *taktest.Child) *estate {
	t.Helper()
	e := &estate{}
	addGroups(t, srv.Admin, "Red", "Blue")
	addUser(t, srv.Admin, "ann", memberOf("Red", "Blue")...)
	addUser(t, srv.Admin, "ben")
	addRole(t, srv.Admin, "boss", "admin", goodPassword)
	web := srv.Addr(t, "web")
	e.phone, e.lost = enrolTo(t, srv.Admin, web, "ann", "ANDROID-phone"), enrolTo(t, srv.Admin, web, "ann", "ANDROID-lost")
	e.old = enrolTo(t, srv.Admin, web, "ben", "ANDROID-old")
	e.open = code(t, srv.Admin, "ann")
	e.spent = code(t, srv.Admin, "ann")
	if _, err := e.at(t, srv, e.spent.Secret, "ANDROID-spent").ATAK(t.Context()); err != nil {
		t.Fatal(err)
	}
	srv.Must(t, "POST", "/api/v1/tokens", admin.TokenInput{User: "ann"}).Decode(t, &e.token)
	srv.Must(t, "POST", "/api/v1/tokens", admin.TokenInput{User: "ann"}).Decode(t, &e.gone)
	e.cookie = cookieOf(t, askTo(t, srv.Admin, "web", web).json("POST", "/api/v1/login", admin.Credentials{User: "boss", Password: goodPassword}).is(200))
	choose(t, askTo(t, srv.Admin, "https", srv.Addr(t, "https")).certificate(e.phone.Cert), e.phone.UID, func(name string) bool { return name == "Blue" })
	// What is last is what a crash would lose first.
	srv.Must(t, "DELETE", "/api/v1/tokens/"+e.gone.ID, nil)
	srv.Must(t, "DELETE", "/api/v1/users/ben", nil)
	srv.Must(t, "POST", "/api/v1/certificates/"+serialOf(e.lost)+"/revoke", admin.Revoke{Reason: "lost"})
	return e
}

func (e *estate) at(t *testing.T, srv *taktest.Child, secret, uid string) takclient.Enrolment {
	return takclient.Enrolment{Web: "https://" + srv.Addr(t, "web"), Roots: rootsOf(t, srv.Admin), User: "ann", Secret: secret, UID: uid}
}

// holds wants that the server still knows all of it.
func (e *estate) holds(t *testing.T, srv *taktest.Child) {
	t.Helper()
	web, https := askTo(t, srv.Admin, "web", srv.Addr(t, "web")), askTo(t, srv.Admin, "https", srv.Addr(t, "https"))
	c := onlineAt(t, srv.Addr(t, "tls"), e.phone, takclient.WithUID(e.phone.UID))
	takclient.Must(t, c.SA(1, 2))
	c.Sync(t)
	if got := srv.ClientOf(t, e.phone.UID); got.User != "ann" {
		t.Errorf("the phone is that of %q, want ann", got.User)
	}
	same(t, "channels", []string{"Blue IN", "Blue OUT"}, active(channelsOf(t, https.certificate(e.phone.Cert))))
	c.Close()
	for why, dev := range map[string]*takclient.Enrolled{"revoked": e.lost, "removed": e.old} {
		local, err := tryTLS(t, srv.Addr(t, "tls"), dev)
		if err == nil {
			t.Errorf("a device whose certificate was %s was let in", why)
		}
		srv.Logged(t, "TLS handshake failed", "addr="+local, "revoked")
	}
	web.token(e.token.Secret).get("/api/v1/me").is(200)
	web.token(e.gone.Secret).get("/api/v1/me").is(401)
	web.cookie(e.cookie).get("/api/v1/users").is(200)
	web.json("POST", "/api/v1/login", admin.Credentials{User: "boss", Password: goodPassword}).is(200)
	srv.Must(t, "GET", "/api/v1/users/ann", nil)
	if answer, err := srv.Do("GET", "/api/v1/users/ben", nil); err != nil || answer.Status != http.StatusNotFound {
		t.Errorf("the removed user: got %+v, %v", answer, err)
	}
	audited(t, srv.Admin, "user.remove", "ben")
	if _, err := e.at(t, srv, e.spent.Secret, "ANDROID-another").ATAK(t.Context()); err == nil {
		t.Error("a code that was spent lets another device enrol")
	}
}

// Users, certificates, revocations, tokens, sessions, codes and channels outlive a
// restart and a crash, on both databases.
func TestIdentityOutlivesACrash(t *testing.T) {
	for _, name := range []string{"SQLite", "PostgreSQL"} {
		t.Run(name, func(t *testing.T) {
			args := append(taktest.Listening("tls", "https", "web"), append([]string{"--set", "public=" + publicName}, withoutPlugins...)...)
			if name == "PostgreSQL" {
				args = append(args, "--set", fmt.Sprintf("database=%s", config.Database(storetest.Postgres(t)).DSN()))
			}
			srv := taktest.Run(t, args...)
			e := settle(t, srv)
			roots := srv.Must(t, "GET", "/api/v1/ca", nil).Body
			srv.Kill9(t)
			srv.Restart(t)
			e.holds(t, srv)
			srv.Interrupt(t)
			srv.Restart(t)
			e.holds(t, srv)
			if again := srv.Must(t, "GET", "/api/v1/ca", nil).Body; string(again) != string(roots) {
				t.Error("the authority has changed")
			}
			if _, err := e.at(t, srv, e.open.Secret, "ANDROID-late").ATAK(t.Context()); err != nil {
				t.Errorf("a code that was not spent: %v", err)
			}
		})
	}
}
