package marti_test

import (
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"
)

const textPlain = "text/plain; charset=utf-8"

func TestVersion(t *testing.T) {
	b := newBed(t)
	b.user("alice", "user")
	phone, _ := b.with("alice", "ANDROID-1", true)
	for name, d := range map[string]*device{"http": b.at("http"), "https": phone, "web": b.bearer("web", "alice")} {
		t.Run(name, func(t *testing.T) {
			// ATAK takes no version without these words.
			d.get("/Marti/api/version").is(200, textPlain).text("TAK Server 1.2.3-test")
			d.get("/Marti/api/ver").is(200, textPlain).text("1.2.3-test")
			d.get("/Marti/api/node/id").is(200, textPlain).text(nodeID)
			d.get("/Marti/api/home").is(200, textPlain).text("/")
			d.get("/Marti/api/version/info").json().text(`{"major":1,"minor":2,"patch":3,"branch":"test","variant":""}`)
			d.get("/files/api/config").json().text(`{"uploadSizeLimit":400}`)
			now := d.get("/Marti/GetTime").is(200, textPlain)
			if at, err := time.Parse(time.RFC3339, string(now.body)); err != nil || !at.Equal(b.clock) {
				t.Errorf("got the time %q, want %v", now.body, b.clock)
			}
			// ATAK reads version as a number, and data.version as text.
			config := decode[struct{ Version, API, Hostname string }](d.get("/Marti/api/version/config"), "ServerConfig")
			if n, err := strconv.Atoi(config.API); err != nil || n != 3 || config.Version == "" || config.Hostname != "127.0.0.1" {
				t.Errorf("got the config %+v", config)
			}
		})
	}
	for _, d := range []*device{b.at("http"), phone} {
		d.get("/").is(200, "text/html; charset=utf-8").text("hello world")
		d.get("/Alive").is(200, textPlain).text("DataPackage service alive")
	}
	head := phone.do(http.MethodHead, "/Marti/api/version", "").is(200, textPlain).text("")
	if got := head.header.Get("Content-Length"); got != "21" {
		t.Errorf("HEAD: got the length %q, want 21", got)
	}
}

func TestRoles(t *testing.T) {
	b := newBed(t)
	for _, role := range []string{"admin", "operator", "user", "readonly"} {
		b.user("a-"+role, role)
	}
	tests := []struct {
		name, roles string
		admin       int
		d           *device
	}{
		{"anonymous", `["ROLE_ANONYMOUS"]`, 403, b.at("http")},
		{"admin", `["ROLE_ADMIN","ROLE_ANONYMOUS"]`, 200, first(b.with("a-admin", "A", true))},
		{"operator", `["ROLE_NON_ADMIN_UI","ROLE_ANONYMOUS"]`, 403, first(b.with("a-operator", "O", true))},
		{"user", `["ROLE_ANONYMOUS"]`, 403, first(b.with("a-user", "U", true))},
		{"readonly", `["ROLE_READONLY","ROLE_ANONYMOUS"]`, 403, first(b.with("a-readonly", "R", true))},
		{"token", `["ROLE_NO_CLIENT_CERT","ROLE_ANONYMOUS"]`, 403, b.bearer("https", "a-user")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.d.get("/Marti/api/util/user/roles").json().text(tt.roles)
			a := tt.d.get("/Marti/api/util/isAdmin")
			if tt.admin == 200 {
				a.json().text("true")
			} else {
				a.refused(403, "role admin")
			}
		})
	}
}

func first[A, B any](a A, _ B) A { return a }

func TestStamp(t *testing.T) {
	b := newBed(t)
	b.clock = time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.FixedZone("x", 3600))
	got := string(b.at("http").get("/Marti/GetTime").body)
	if !regexp.MustCompile(`^2026-01-02T02:04:05\.006Z$`).MatchString(got) {
		t.Errorf("got %q, want UTC with three digits", got)
	}
}
