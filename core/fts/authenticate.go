package fts

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/openapi"
)

// authenticate declares /AuthenticateUser, by which FreeTAKServer's web interface
// checks a login (spec/rest.md 3.3). That takes what is no JSON for a wrong
// password, whatever the status, and crashes over a JSON object without a uid:
// so there is never one.
func (r registrar) authenticate() {
	op := openapi.Anyone(r.op("GET", "/AuthenticateUser", "authenticate", "Check a password",
		"Wrong ones lock out as they do elsewhere. The query holds a password: send it over TLS alone.", jsonType))
	op.Parameters = []*huma.Param{param("username", "Login"), param("password", "Password")}
	for status, about := range map[string]string{
		"401": "The credentials of the request, or user or password, are wrong", "429": "Too many were wrong: try again later", "500": "The server failed at it",
	} {
		op.Responses[status] = answers(about, textType)
	}
	r.add(op, func(ctx context.Context, q *Request) *Reply {
		c, err := r.d.Identity.Login(ctx, q.query("username"), q.query("password"), web.AddrOf(ctx))
		var many *identity.TooMany
		switch {
		case err == nil:
			u, ok := r.d.Identity.User(c.User)
			if !ok {
				break // removed this moment
			}
			return asJSON(http.StatusOK, struct {
				UID string `json:"uid"`
			}{uidOf(u)})
		case errors.As(err, &many):
			reply := text(http.StatusTooManyRequests, "Too many attempts")
			reply.Retry = strconv.FormatInt(max(1, int64((many.Wait+time.Second-1)/time.Second)), 10)
			return reply
		case !errors.Is(err, identity.ErrBadCredentials):
			r.reason(q, err)
			return text(http.StatusInternalServerError, "An error occurred authenticating user.")
		}
		return text(http.StatusUnauthorized, "Unauthorized Access")
	})
}
