package marti_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/identity"
)

const password = "correct horse battery"

// withPassword makes a user who can log in.
func (b *bed) withPassword(name string) {
	b.t.Helper()
	_, err := b.ids.AddUser(b.t.Context(), admin, identity.NewUser{User: identity.User{Name: name}, Password: password})
	b.must(err)
}

func form(user, password string) string {
	return url.Values{"grant_type": {"password"}, "username": {user}, "password": {password}}.Encode()
}

const asForm = "application/x-www-form-urlencoded"

func TestLogin(t *testing.T) {
	b := newBed(t)
	b.withPassword("jürgen")
	for name, login := range map[string]func() *answer{
		"form": func() *answer {
			return b.at("web").do(http.MethodPost, "/oauth/token", form("jürgen", password), "Content-Type", asForm)
		},
		"query": func() *answer {
			return b.at("https").do(http.MethodPost, "/oauth/token?"+form("jürgen", password), "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := login().json()
			var res struct {
				AccessToken string `json:"access_token"`
				TokenType   string `json:"token_type"`
				ExpiresIn   int64  `json:"expires_in"`
				Error       string `json:"error"`
			}
			if err := json.Unmarshal(a.body, &res); err != nil || res.TokenType != "Bearer" || res.ExpiresIn < 7700 || res.ExpiresIn > 7900 || res.Error != "" {
				t.Fatalf("got %s, %v", a.body, err)
			}
			readAsNodeTAK(t, res.AccessToken, "jürgen")
			if got := a.header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("got Cache-Control %q", got)
			}
			var cookie *http.Cookie
			for _, c := range (&http.Response{Header: a.header}).Cookies() {
				if c.Name == "access_token" {
					cookie = c
				}
			}
			if cookie == nil || cookie.Value != res.AccessToken || !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" {
				t.Errorf("got the cookie %v", cookie)
			}
			for listener, header := range map[string][]string{
				"web":   {"Authorization", "Bearer " + res.AccessToken},
				"https": {"Cookie", "access_token=" + res.AccessToken},
			} {
				b.at(listener).do(http.MethodGet, "/Marti/api/version", "", header...).is(200, textPlain)
			}
			got := decode[string](b.at("web").do(http.MethodGet, "/Marti/api/token/access", "", "Authorization", "bearer "+res.AccessToken), "String")
			if got != res.AccessToken {
				t.Errorf("token/access gave %q", got)
			}
			b.at("web").do(http.MethodGet, "/Marti/api/token/access", "", "Cookie", "access_token="+res.AccessToken).refused(403, "Authorization")
		})
	}
}

// readAsNodeTAK reads the claims as node-tak does: the token decoded as one
// base64 text, signature and dots included, and cut at braces.
func readAsNodeTAK(t *testing.T, token, user string) {
	t.Helper()
	// Node passes over what is not base64.
	text := strings.NewReplacer("-", "+", "_", "/", ".", "").Replace(token)
	raw, err := base64.RawStdEncoding.DecodeString(text[:len(text)/4*4])
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitAfter(string(raw), "}")
	if len(parts) < 2 {
		t.Fatalf("the token has %d parts", len(parts))
	}
	var claims struct {
		Sub           string
		Aud           any
		Nbf, Exp, Iat int64
	}
	if err := json.Unmarshal([]byte(parts[1]), &claims); err != nil {
		t.Fatalf("%v: %q", err, parts[1])
	}
	if claims.Sub != user || claims.Nbf == 0 || claims.Iat == 0 || claims.Exp < time.Now().Unix() {
		t.Errorf("got the claims %+v", claims)
	}
	if _, text := claims.Aud.(string); !text {
		t.Errorf("aud is %v, want text", claims.Aud)
	}
}

func TestLoginRefused(t *testing.T) {
	b := newBed(t)
	b.withPassword("alice")
	post := func(body string) *answer {
		return b.at("web").do(http.MethodPost, "/oauth/token", body, "Content-Type", asForm)
	}
	tests := []struct {
		name, body string
		status     int
		want       string
	}{
		{"wrong password", form("alice", "wrong"), 401, `{"error":"invalid_grant","error_description":"Bad credentials"}`},
		{"unknown user", form("nobody", password), 401, `{"error":"invalid_grant","error_description":"Bad credentials"}`},
		{"no password", form("alice", ""), 400, `{"error":"invalid_request","error_description":"username or password is missing"}`},
		{"no grant type", "username=alice&password=x", 400, `{"error":"invalid_request","error_description":"grant_type is missing"}`},
		{"another grant type", "grant_type=client_credentials&username=a&password=b", 400, `{"error":"unsupported_grant_type","error_description":"grant_type has to be password"}`},
		{"no form", "%zz", 400, `{"error":"invalid_request","error_description":"the form cannot be read"}`},
		{"too large", strings.Repeat("a", 100_000), 400, `{"error":"invalid_request","error_description":"the form cannot be read"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			post(tt.body).is(tt.status, "application/json").text(tt.want)
		})
	}
	if c := post(form("alice", "wrong")).header.Get("Set-Cookie"); c != "" {
		t.Errorf("got the cookie %q", c)
	}
	var last *answer
	for range 8 {
		last = post(form("alice", "guess"))
	}
	last.is(429, "application/json")
	if last.header.Get("Retry-After") == "" || !strings.Contains(string(last.body), "temporarily_unavailable") {
		t.Errorf("got %v %s, want Retry-After", last.header, last.body)
	}
	if strings.Contains(b.logged(), "guess") || strings.Contains(b.logged(), password) {
		t.Error("a password is in the log")
	}
	b.at("http").do(http.MethodPost, "/oauth/token", form("alice", password), "Content-Type", asForm).is(404, "application/json")
	// The page of somebody else cannot log its reader in.
	b.at("web").do(http.MethodPost, "/oauth/token", form("alice", password), "Content-Type", asForm, "Sec-Fetch-Site", "cross-site").refused(403, "")
}
