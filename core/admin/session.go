package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/openapi"
)

// Me is who the caller is.
type Me struct {
	User        string       `json:"user" doc:"Login; the server's own token is admin" example:"ann"`
	Name        string       `json:"name,omitempty" doc:"For people"`
	Roles       []string     `json:"roles" nullable:"false"`
	Groups      []Membership `json:"groups" nullable:"false" doc:"None: __ANON__ both ways"`
	HasPassword bool         `json:"has_password"`
	Certificate string       `json:"certificate,omitempty" doc:"Serial of the certificate that the request came with"`
	Expires     *time.Time   `json:"expires,omitempty" doc:"When this session ends"`
}

// Credentials are what a login brings.
type Credentials struct {
	User     string `json:"user" minLength:"1" maxLength:"64" example:"ann"`
	Password string `json:"password" minLength:"1" maxLength:"1024" example:"correct horse battery"`
}

// NewPassword is what a change of the own password brings.
type NewPassword struct {
	Current  string `json:"current" maxLength:"1024" doc:"The password until now"`
	Password string `json:"password" minLength:"1" maxLength:"1024" example:"correct horse battery"`
}

// FirstAdmin is what sets a server up.
type FirstAdmin struct {
	Secret   string `json:"secret" minLength:"1" maxLength:"256" doc:"From the set-up link that the server printed"`
	Name     string `json:"name" minLength:"1" maxLength:"64" example:"ann"`
	Password string `json:"password" minLength:"1" maxLength:"1024" example:"correct horse battery"`
}

// Request gives handlers what huma does not. It is exported for huma.
type Request struct{ r *http.Request }

// Resolve implements huma.Resolver.
func (q *Request) Resolve(ctx huma.Context) []error {
	q.r, _ = web.Unwrap(ctx)
	return nil
}

// LoggedIn is the answer to a login or its end.
type LoggedIn struct {
	Cookie http.Cookie `header:"Set-Cookie"`
	Body   Me
}

// LoggedOut takes the cookie away.
type LoggedOut struct {
	Cookie http.Cookie `header:"Set-Cookie"`
}

func (r registrar) session() {
	const tag = "session"
	ids := r.d.Identity

	login := openapi.Reads(openapi.On(openapi.Open(r.op("POST", "/login", "login", tag, "Log in",
		"Gives the cookie of a session, for pages in a browser; programs take an API token. Wrong passwords make the next try wait.",
		http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests)), "web"))
	huma.Register(r.api, login, func(ctx context.Context, in *struct {
		Request
		Body Credentials
	}) (*LoggedIn, error) {
		if err := in.sameOrigin(); err != nil {
			return nil, err
		}
		addr := web.AddrOf(ctx)
		c, err := ids.Login(ctx, in.Body.User, in.Body.Password, addr)
		if err != nil {
			return nil, problemOf(err)
		}
		s, secret, err := ids.NewSession(ctx, c, addr)
		if err != nil {
			return nil, problemOf(err)
		}
		me := r.me(c)
		me.Expires = &s.Expires
		return &LoggedIn{sessionCookie(secret, s.Expires), me}, nil
	})

	huma.Register(r.api, openapi.Reads(openapi.On(openapi.Anyone(r.op("POST", "/logout", "logout", tag, "End the session", "API tokens stay.")), "web")),
		func(ctx context.Context, in *Request) (*LoggedOut, error) {
			for _, secret := range in.secrets() {
				if err := ids.EndSession(ctx, secret); err != nil && store.CodeOf(err) != store.NotFound && !errors.Is(err, identity.ErrBadCredentials) {
					return nil, problemOf(err)
				}
			}
			return &LoggedOut{sessionCookie("", time.Unix(1, 0))}, nil
		})

	huma.Register(r.api, openapi.Anyone(r.op("GET", "/me", "me", tag, "Who the caller is", "")),
		func(ctx context.Context, _ *struct{}) (*Answer[Me], error) {
			return answer(r.me(web.CallerOf(ctx)), nil)
		})

	huma.Register(r.api, openapi.Reads(openapi.Anyone(r.op("PUT", "/me/password", "me-password", tag, "Change the own password",
		"All sessions of the caller end, this one too.", http.StatusUnauthorized, http.StatusTooManyRequests))),
		func(ctx context.Context, in *struct{ Body NewPassword }) (*struct{}, error) {
			c := web.CallerOf(ctx)
			u, ok := ids.User(c.User)
			switch {
			case !ok:
				return nil, forbidden("this is for callers who are users")
			case !u.HasPassword:
				// Whoever came by a stolen token must not make himself a password.
				return nil, forbidden("there is no password yet: an administrator sets the first one")
			}
			if _, err := ids.Login(ctx, u.Name, in.Body.Current, web.AddrOf(ctx)); err != nil {
				return nil, problemOf(err)
			}
			return nil, problemOf(ids.SetPassword(ctx, actor(ctx), u.Name, in.Body.Password))
		})

	huma.Register(r.api, created(openapi.Open(r.op("POST", "/setup", "setup", tag, "Make the first administrator",
		"With the secret of the set-up link, once.", http.StatusUnauthorized, clash, http.StatusTooManyRequests))),
		func(ctx context.Context, in *struct {
			Request
			Body FirstAdmin
		}) (*Answer[User], error) {
			if err := in.sameOrigin(); err != nil {
				return nil, err
			}
			u, err := ids.Setup(ctx, in.Body.Secret, in.Body.Name, in.Body.Password, web.AddrOf(ctx))
			return answer(userOf(u), err)
		})
}

// sameOrigin refuses what a page of somebody else has a browser send: it would
// log its reader in as another user.
func (q *Request) sameOrigin() error {
	if err := new(http.CrossOriginProtection).Check(q.r); err != nil {
		return forbidden("a page of another origin may not send this")
	}
	return nil
}

// secrets gives the credentials of the request that may be a session.
func (q *Request) secrets() (list []string) {
	if c, err := q.r.Cookie(openapi.SessionCookie); err == nil && c.Value != "" {
		list = append(list, c.Value)
	}
	if scheme, token, ok := strings.Cut(q.r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "bearer") {
		list = append(list, strings.TrimSpace(token))
	}
	return list
}

func sessionCookie(value string, expires time.Time) http.Cookie {
	return http.Cookie{Name: openapi.SessionCookie, Value: value, Path: "/", Expires: expires, HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode}
}

// me tells callers of themselves. The server's own token and the admin socket
// are no users.
func (r registrar) me(c *caller) Me {
	me := Me{User: c.User, Name: c.Name, Roles: append([]string{}, c.Roles...), Groups: []Membership{}, Certificate: c.CertificateSerial}
	if u, ok := r.d.Identity.User(c.User); ok {
		me.Groups, me.HasPassword = membershipsOf(u.Groups), u.HasPassword
	}
	return me
}
