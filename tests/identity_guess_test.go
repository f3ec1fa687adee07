package tests

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

const goodPassword = "correct horse battery"

// guesser tries passwords in one of the ways there are. It comes by a trusted
// proxy that tells its address, so that each case has one of its own.
type guesser struct {
	name string
	// try gives the status of one try, and what it is told to wait.
	try func(a *asker, user, password string) (status int, wait string)
}

func tried(r *reply) (int, string) { return r.status, r.header.Get("Retry-After") }

var guessers = []guesser{
	{"oauth", func(a *asker, user, password string) (int, string) {
		form := url.Values{"grant_type": {"password"}, "username": {user}, "password": {password}}
		return tried(a.ask("POST", "/oauth/token", "application/x-www-form-urlencoded", form.Encode()))
	}},
	{"login", func(a *asker, user, password string) (int, string) {
		return tried(a.json("POST", "/api/v1/login", admin.Credentials{User: user, Password: password}))
	}},
	{"enrolment", func(a *asker, user, password string) (int, string) {
		return tried(a.also(func(r *http.Request) { r.SetBasicAuth(user, password) }).get("/Marti/api/tls/config"))
	}},
}

// from is the same from another address, as a trusted proxy tells it.
func (a *asker) from(addr string) *asker {
	return a.also(func(r *http.Request) { r.Header.Set("X-Forwarded-For", addr) })
}

// also shows more than before.
func (a *asker) also(more func(*http.Request)) *asker {
	before := a.show
	return a.with(func(r *http.Request) {
		if before != nil {
			before(r)
		}
		more(r)
	})
}

// trustLoopback takes the word of proxies on this machine.
func trustLoopback(c *config.Config) { c.Trusted = []string{"127.0.0.1"} }

// Twenty wrong passwords: after five the user has to wait at that address, even
// with the right one; elsewhere he is let in. Log and audit tell.
func TestWrongPasswordsAreSlowed(t *testing.T) {
	srv := wholeServer(t, taktest.WithConfig(trustLoopback), taktest.WithConfig(func(c *config.Config) {
		c.Login.Lock = config.Duration(2 * time.Second)
	}))
	for i, g := range guessers {
		t.Run(g.name, func(t *testing.T) {
			user, addr := "guessed-"+g.name, fmt.Sprintf("198.51.100.%d", i+1)
			addRole(t, srv.Admin, user, "user", goodPassword)
			web := askAt(t, srv, "web").in(t)
			refused, locked := 0, 0
			for n := range 20 {
				switch status, wait := g.try(web.from(addr), user, fmt.Sprint("wrong ", n)); status {
				case 401:
					refused++
				case 429:
					locked++
					if s, err := strconv.Atoi(wait); err != nil || s < 1 || s > 60 {
						t.Errorf("try %d: got Retry-After %q, want some seconds", n, wait)
					}
				default:
					t.Errorf("try %d: got %d, want 401 or 429", n, status)
				}
			}
			if refused != 5 || locked != 15 {
				t.Errorf("20 tries: %d were checked and %d told to wait, want 5 and 15", refused, locked)
			}
			if status, _ := g.try(web.from(addr), user, goodPassword); status != 429 {
				t.Errorf("the right password while locked out: got %d, want 429", status)
			}
			if status, _ := g.try(web.from("203.0.113.9"), user, goodPassword); status != 200 {
				t.Errorf("the right password from elsewhere: got %d, want 200", status)
			}
			srv.Logged(t, "level=WARN", "login failed", "user="+user, "addr="+addr)
			srv.Logged(t, "logins locked out after failures", "user="+user, "addr="+addr)
			if e := audited(t, srv.Admin, "login.failed", user); e.Addr != addr || e.OK {
				t.Errorf("audit: got %+v, want a failure from %s", e, addr)
			}
			if e := audited(t, srv.Admin, "login.locked", user); e.Addr != addr {
				t.Errorf("audit: got %+v, want a lock-out of %s", e, addr)
			}
			eventually(t, "the lock-out ends", func() bool {
				status, _ := g.try(web.from(addr), user, goodPassword)
				return status == 200
			})
		})
	}
}

// The same in the <auth> message of a stream, whose only answer is a close.
func TestWrongPasswordsOnAStream(t *testing.T) {
	srv := taktest.Start(t, taktest.WithConfig(func(c *config.Config) { c.Login.Streams = []string{"tcp"} }))
	addRole(t, srv.Admin, "ann", "user", goodPassword)
	in := srv.Client(t, takclient.WithLogin("ann", goodPassword))
	takclient.Must(t, in.SA(1, 2))
	in.Sync(t)
	if c := srv.ClientOf(t, in.UID()); c.User != "ann" {
		t.Errorf("the client is %q, want ann", c.User)
	}
	for n := range 20 {
		c := takclient.Dial(t, srv.Addr("tcp"), takclient.WithLogin("ann", fmt.Sprint("wrong ", n)))
		_ = c.WaitClosed(t) // a reset will do as well
		if n := c.Counts().Events; n != 0 {
			t.Errorf("somebody with a wrong password got %d events", n)
		}
	}
	c := takclient.Dial(t, srv.Addr("tcp"), takclient.WithLogin("ann", goodPassword))
	_ = c.WaitClosed(t)
	srv.Logged(t, "connection refused", c.LocalAddr().String(), "too many failed logins")
	srv.Logged(t, "logins locked out after failures", "user=ann")
	audited(t, srv.Admin, "login.locked", "ann")
	nobody := takclient.Dial(t, srv.Addr("tcp"))
	takclient.Must(t, nobody.SA(1, 2))
	_ = nobody.WaitClosed(t)
	stays(t, in)
}

// Random tokens get an address no further than random passwords.
func TestWrongTokensAreSlowed(t *testing.T) {
	srv := wholeServer(t, taktest.WithConfig(trustLoopback))
	token := func() string { addUser(t, srv.Admin, "ann"); return newToken(t, srv.Admin, "ann") }()
	for i, listener := range []string{"https", "web", "rest"} {
		t.Run(listener, func(t *testing.T) {
			path := map[string]string{"https": "/Marti/api/version", "web": "/api/v1/me", "rest": "/api/v1/me"}[listener]
			a := askAt(t, srv, listener).in(t).from(fmt.Sprintf("198.51.100.%d", 100+i))
			slowed := 0
			for n := range 60 {
				r := a.also(func(r *http.Request) { r.Header.Set("Authorization", fmt.Sprint("Bearer wrong-", n)) }).get(path)
				switch {
				case r.status == 429 && r.header.Get("Retry-After") != "":
					slowed++
				case r.status != 401:
					t.Fatalf("try %d: got %d %s, want 401 or 429 with Retry-After", n, r.status, r.body)
				}
			}
			if slowed == 0 {
				t.Error("60 wrong tokens from one address: none was told to wait")
			}
			srv.Logged(t, "request with wrong credentials refused", "listener="+listener)
			// Who is behind the same address, with a good one, is let in.
			a.also(func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }).get(path).is(200)
		})
	}
}
