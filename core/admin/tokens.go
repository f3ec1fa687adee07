package admin

import (
	"context"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/openapi"
)

// Token is an API token without its secret.
type Token struct {
	ID      string     `json:"id"`
	User    string     `json:"user" doc:"Whose rights it has" example:"ann"`
	Name    string     `json:"name,omitempty" doc:"What it is for" example:"weather station"`
	Weak    bool       `json:"weak" doc:"Its secret was chosen by somebody, not by chance"`
	Created time.Time  `json:"created"`
	Used    *time.Time `json:"used,omitempty" doc:"About when it was used last"`
	Expires *time.Time `json:"expires,omitempty"`
}

// TokenPage is a page of the list of tokens.
type TokenPage struct {
	Tokens []Token `json:"tokens" nullable:"false"`
	Next   string  `json:"next,omitempty" doc:"Give it as after for the next page; absent on the last one"`
}

// TokenInput is what a request to create a token brings.
type TokenInput struct {
	User    string     `json:"user,omitempty" maxLength:"64" doc:"None: the caller" example:"ann"`
	Name    string     `json:"name,omitempty" maxLength:"128" doc:"What it is for" example:"weather station"`
	Expires *time.Time `json:"expires,omitempty" doc:"None: never" example:"2027-01-01T00:00:00Z"`
}

// NewToken has the secret, this once.
type NewToken struct {
	Token
	Secret string `json:"secret" doc:"For the header Authorization: Bearer. It is not shown again."`
}

func tokenOf(t identity.Token) Token {
	return Token{ID: t.ID, User: t.User, Name: t.Name, Weak: t.Weak, Created: t.Created, Used: timeOrNil(t.Used), Expires: t.Expires}
}

// timeOrNil leaves out a time that never was.
func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (r registrar) tokens() {
	const tag = "tokens"
	ids := r.d.Identity

	huma.Register(r.api, openapi.Anyone(r.op("GET", "/tokens", "tokens", tag, "API tokens",
		"By id, without their secrets. Administrators see those of all users, others their own.")),
		func(ctx context.Context, in *struct {
			web.Paging
			User string `query:"user" doc:"Only those of this user"`
		}) (*Answer[TokenPage], error) {
			user, err := r.ofUser(ctx, in.User, isAdmin)
			if err != nil {
				return nil, err
			}
			var all []Token
			for _, t := range ids.Tokens(user) {
				all = append(all, tokenOf(t))
			}
			key := func(t Token) string { return t.ID }
			list, next := page(sortedBy(all, key), in.Paging, key)
			return answer(TokenPage{list, next}, nil)
		})

	huma.Register(r.api, created(openapi.Reads(openapi.Anyone(r.op("POST", "/tokens", "token-add", tag, "Make an API token",
		"It has the rights of its user. Others than administrators make them for themselves.", missing)))),
		func(ctx context.Context, in *struct{ Body TokenInput }) (*Answer[NewToken], error) {
			user := in.Body.User
			if user == "" {
				user = web.CallerOf(ctx).User
			}
			user, err := r.ofUser(ctx, user, isAdmin)
			if err != nil {
				return nil, err
			}
			t, secret, err := ids.NewToken(ctx, actor(ctx), identity.TokenSpec{User: user, Name: in.Body.Name, Expires: in.Body.Expires})
			return answer(NewToken{tokenOf(t), secret}, err)
		})

	huma.Register(r.api, openapi.Reads(openapi.Anyone(r.op("DELETE", "/tokens/{id}", "token-remove", tag, "Remove an API token",
		"It is void at once. Others than administrators remove their own.", missing))),
		func(ctx context.Context, in *struct {
			ID string `path:"id" maxLength:"128" doc:"Id of the token"`
		}) (*struct{}, error) {
			caller := web.CallerOf(ctx)
			if !isAdmin(caller) && !slices.ContainsFunc(ids.Tokens(caller.User), func(t identity.Token) bool { return t.ID == in.ID }) {
				return nil, notFoundf("there is no token %s", clip(in.ID))
			}
			return nil, problemOf(ids.RemoveToken(ctx, actor(ctx), in.ID))
		})
}

// ofUser gives whose things the caller may ask for: those of the named user,
// or, for those who may see all, of everybody when none is named.
func (r registrar) ofUser(ctx context.Context, name string, all func(*caller) bool) (string, error) {
	c := web.CallerOf(ctx)
	switch {
	case all(c):
		return name, nil
	case c.User == "":
		return "", forbidden("this is for callers who are users")
	case name == "" || fold(name) == fold(c.User):
		return c.User, nil
	}
	return "", forbidden("others see and change only their own")
}
