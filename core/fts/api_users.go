package fts

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/store"
)

// apiUsers declares /APIUser (spec/rest.md 3.2). An API user is a user of this
// server who has a token by it; one who is not there yet gets the role user.
func (r registrar) apiUsers() {
	const path = "/APIUser"
	const failure = "An error occurred updating api user record."

	r.add(operators(r.op("GET", path, "api-users", "API users", "Tokens are not told.", jsonType)),
		func(context.Context, *Request) *Reply {
			type apiUser struct{ Username, Token string }
			list := []apiUser{}
			for _, u := range r.d.Identity.Users() {
				if len(r.apiTokens(u.Name)) > 0 {
					list = append(list, apiUser{Username: u.Name})
				}
			}
			return asJSON(http.StatusOK, struct {
				List []apiUser `json:"json_list"`
			}{list})
		})

	type input struct{ Username, Token loose }

	r.addBody(admins(r.op("POST", path, "api-user-add", "Add an API user",
		"The token has the rights of the user of that name, who is made with the role user if there is none.", jsonType)), object("username", "token"),
		func(ctx context.Context, q *Request) *Reply {
			var in input
			err := q.decode(&in)
			if err == nil {
				err = r.addAPIUser(ctx, string(in.Username), string(in.Token))
			}
			if err != nil {
				return r.failed(q, failure, err)
			}
			return asJSON(http.StatusOK, message{Message: "success"})
		})

	r.addBody(admins(r.op("DELETE", path, "api-user-remove", "Remove an API user",
		"The token; and the user too, if it was made by this operation.", jsonType)), object("username"),
		func(ctx context.Context, q *Request) *Reply {
			var in input
			err := q.decode(&in)
			if err == nil {
				err = r.removeAPIUser(ctx, string(in.Username))
			}
			if err != nil {
				return r.failed(q, failure, err)
			}
			return asJSON(http.StatusOK, message{Message: "success"})
		})
}

// apiTokens gives the tokens that were set by /APIUser.
func (r registrar) apiTokens(user string) []identity.Token {
	return slices.DeleteFunc(slices.Clone(r.d.Identity.Tokens(user)), func(t identity.Token) bool { return t.Name != apiTokenName })
}

func (r registrar) addAPIUser(ctx context.Context, name, token string) error {
	if name == "" || token == "" {
		return &badRequest{"username and token are needed"}
	}
	u, there := r.d.Identity.User(name)
	if there && len(r.apiTokens(u.Name)) > 0 {
		return &store.Error{Code: store.Conflict, Msg: "there is an API user of that name"}
	}
	if !there {
		var err error
		if u, err = r.d.Identity.AddUser(ctx, actor(ctx), identity.NewUser{User: identity.User{Name: name, Device: deviceAPI}}); err != nil {
			return err
		}
	}
	_, _, err := r.d.Identity.NewToken(ctx, actor(ctx), identity.TokenSpec{User: u.Name, Name: apiTokenName, Secret: token})
	if err != nil && !there {
		err = errors.Join(err, r.d.Identity.RemoveUser(context.WithoutCancel(ctx), actor(ctx), u.Name))
	}
	return err
}

// removeAPIUser removes what addAPIUser made; one who is gone is no error.
func (r registrar) removeAPIUser(ctx context.Context, name string) error {
	if name == "" {
		return &badRequest{"username is needed"}
	}
	u, ok := r.d.Identity.User(name)
	if !ok {
		return nil
	}
	if u.Device == deviceAPI {
		return r.d.Identity.RemoveUser(ctx, actor(ctx), u.Name)
	}
	for _, t := range r.apiTokens(u.Name) {
		if err := r.d.Identity.RemoveToken(ctx, actor(ctx), t.ID); err != nil && store.CodeOf(err) != store.NotFound {
			return err
		}
	}
	return nil
}
