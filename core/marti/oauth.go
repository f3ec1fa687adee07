package marti

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/openapi"
)

const tagLogin = "login"

// AccessToken is the answer to a login (11).
type AccessToken struct {
	AccessToken string `json:"access_token" doc:"JWT, signed RS256"`
	TokenType   string `json:"token_type" example:"Bearer"`
	ExpiresIn   int64  `json:"expires_in" doc:"Seconds"`
}

// OAuthError is the answer to a login that failed (RFC 6749 5.2).
type OAuthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

type loginInput struct {
	GrantType string `query:"grant_type" doc:"password; this and the others may stand in the body instead, as a form"`
	Username  string `query:"username"`
	Password  string `query:"password"`
}

func (a *api) oauthOperations() {
	text := &huma.Schema{Type: "string"}
	form := &huma.RequestBody{Content: map[string]*huma.MediaType{"application/x-www-form-urlencoded": {Schema: &huma.Schema{
		Type: "object", Properties: map[string]*huma.Schema{"grant_type": text, "username": text, "password": text},
	}}}}
	o := op{
		method: http.MethodPost, path: "/oauth/token", id: "oauth-token", tag: tagLogin, on: onLogin,
		summary: "Log in for an access token", doc: "It comes as the cookie access_token too.",
		answers: ok[AccessToken](a, "The token"), body: form, access: openapi.Open,
	}
	for status, what := range map[string]string{
		"400": "Something is missing, or grant_type is another one", "401": "Bad credentials", "429": "Too many attempts; the header Retry-After tells how long to wait",
	} {
		o.answers[status] = answerOf[OAuthError](a, what)
	}
	add(a, o, accessToken)

	add(a, op{
		method: http.MethodGet, path: "/Marti/api/token/access", id: "token-access", tag: tagLogin, on: onLogin,
		summary: "The caller's own access token", doc: "That of the header Authorization. One that came as a cookie is not told: scripts must not get at it.",
		answers: ok[envelope[string]](a, "The token"),
	}, func(c *call, _ *none) (*reply, error) {
		scheme, token, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
		if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || token == "" {
			return nil, forbiddenf("there is no token in the header Authorization")
		}
		return enveloped(c.api, "String", token)
	})
}

// accessToken answers a login. Clients read the error's words Bad credentials,
// and CloudTAK wants 401 with them.
func accessToken(c *call, _ *loginInput) (*reply, error) {
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, 64<<10)
	if err := c.r.ParseForm(); err != nil {
		return oauthError(http.StatusBadRequest, "invalid_request", "the form cannot be read")
	}
	user, password := c.r.Form.Get("username"), c.r.Form.Get("password")
	switch grant := c.r.Form.Get("grant_type"); {
	case grant == "":
		return oauthError(http.StatusBadRequest, "invalid_request", "grant_type is missing")
	case grant != "password":
		return oauthError(http.StatusBadRequest, "unsupported_grant_type", "grant_type has to be password")
	case user == "" || password == "":
		return oauthError(http.StatusBadRequest, "invalid_request", "username or password is missing")
	}
	addr := web.AddrOf(c)
	caller, err := c.Identity.Login(c, user, password, addr)
	var wait *identity.TooMany
	switch {
	case err == nil:
	case errors.As(err, &wait):
		rep, err := oauthError(http.StatusTooManyRequests, "temporarily_unavailable", wait.Error())
		if err != nil {
			return nil, err
		}
		return rep.set("Retry-After", seconds(wait.Wait)), nil
	case errors.Is(err, identity.ErrBadCredentials):
		rep, err := oauthError(http.StatusUnauthorized, "invalid_grant", "Bad credentials")
		if err != nil {
			return nil, err
		}
		// Not Basic: browsers would ask for a password then.
		return rep.set("WWW-Authenticate", `Bearer realm="TAK Server"`), nil
	default:
		return nil, err
	}
	token, expires, err := c.Identity.AccessToken(c, caller, addr)
	if err != nil {
		return nil, err
	}
	rep, err := bare(AccessToken{AccessToken: token, TokenType: "Bearer", ExpiresIn: int64(expires.Sub(c.Now()) / time.Second)})
	if err != nil {
		return nil, err
	}
	cookie := http.Cookie{
		Name: openapi.SessionCookie, Value: token, Path: "/", Expires: expires,
		HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode,
	}
	return rep.set("Set-Cookie", cookie.String()).set("Cache-Control", "no-store"), nil
}

func oauthError(status int, code, description string) (*reply, error) {
	rep, err := bare(OAuthError{code, description})
	if err != nil {
		return nil, err
	}
	rep.status = status
	return rep.set("Cache-Control", "no-store"), nil
}
