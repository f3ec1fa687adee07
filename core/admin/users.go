package admin

import (
	"context"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/web"
)

// UserPage is a page of the list of users.
type UserPage struct {
	Users []User `json:"users" nullable:"false"`
	Next  string `json:"next,omitempty" doc:"Give it as after for the next page; absent on the last one"`
}

// Named names the user in a path.
type Named struct {
	Name string `path:"name" maxLength:"256" doc:"Name of the user" example:"ann"`
}

// Password is what a request to set one brings.
type Password struct {
	Password string `json:"password" minLength:"1" maxLength:"1024" example:"correct horse battery"`
}

func (r registrar) users() {
	const tag = "users"
	ids := r.d.Identity

	huma.Register(r.api, operators(r.op("GET", "/users", "users", tag, "All users", "By name.")),
		func(_ context.Context, in *struct {
			web.Paging
			Group string `query:"group" doc:"Only those in this group"`
			Role  string `query:"role" doc:"Only those with this role"`
		}) (*Answer[UserPage], error) {
			var all []User
			for _, u := range ids.Users() {
				if v := userOf(u); v.has(in.Role) && v.in(in.Group) {
					all = append(all, v)
				}
			}
			list, next := page(sortedBy(all, func(u User) string { return sortKey(u.Name) }), in.Paging, func(u User) string { return sortKey(u.Name) })
			return answer(UserPage{list, next}, nil)
		})

	huma.Register(r.api, created(admins(r.op("POST", "/users", "user-add", tag, "Add a user",
		"The name is in use without regard to case, also as the common name of certificates.", clash))),
		func(ctx context.Context, in *struct{ Body UserInput }) (*Answer[User], error) {
			u, err := in.Body.user()
			if err != nil {
				return nil, problemOf(err)
			}
			u, err = ids.AddUser(ctx, actor(ctx), identity.NewUser{User: u, Password: in.Body.Password})
			return answer(userOf(u), err)
		})

	huma.Register(r.api, operators(r.op("GET", "/users/{name}", "user", tag, "One user", "", missing)),
		func(_ context.Context, in *Named) (*Answer[User], error) {
			u, err := r.user(in.Name)
			return answer(userOf(u), err)
		})

	huma.Register(r.api, admins(r.op("PATCH", "/users/{name}", "user-set", tag, "Change a user",
		"What the body leaves out stays. It is in force at once, also for connections there are: who is disabled is cut off. "+
			"The last administrator cannot be disabled or lose the role. Who becomes an administrator or operator loses the enrolment codes and certificates that operators made.", missing, clash)),
		func(ctx context.Context, in *struct {
			Named
			Body UserChange
		}) (*Answer[User], error) {
			u, err := r.setUser(ctx, in.Name, &in.Body)
			return answer(userOf(u), err)
		})

	huma.Register(r.api, admins(r.op("DELETE", "/users/{name}", "user-remove", tag, "Remove a user",
		"With tokens, sessions and enrolments. All certificates of the user are revoked and connections cut. The last administrator stays.", missing, clash)),
		func(ctx context.Context, in *Named) (*struct{}, error) {
			return nil, problemOf(r.removeUser(ctx, in.Name))
		})

	huma.Register(r.api, admins(r.op("PUT", "/users/{name}/password", "user-password", tag, "Set a user's password",
		"All sessions of the user end.", missing)),
		func(ctx context.Context, in *struct {
			Named
			Body Password
		}) (*struct{}, error) {
			return nil, problemOf(ids.SetPassword(ctx, actor(ctx), in.Name, in.Body.Password))
		})

	r.importUsers()
}

// user gives a user, or not_found.
func (r registrar) user(name string) (identity.User, error) {
	u, ok := r.d.Identity.User(name)
	if !ok {
		return identity.User{}, notFoundf("there is no user %s", clip(name))
	}
	return u, nil
}

// userFor gives a user whom the caller may bring on.
func (r registrar) userFor(ctx context.Context, name string) (identity.User, error) {
	u, err := r.user(name)
	if err == nil && !isAdmin(web.CallerOf(ctx)) && !plain(u) {
		err = forbidden("operators do this for those whose only role is user")
	}
	return u, err
}

// removeUser also takes away the package that is kept for the user.
func (r registrar) removeUser(ctx context.Context, name string) error {
	u, err := r.user(name)
	if err != nil {
		return err
	}
	if err := r.d.Identity.RemoveUser(ctx, actor(ctx), u.Name); err != nil {
		return err
	}
	if u.Package == "" || r.d.Packages == nil {
		return nil
	}
	return r.d.Packages.Remove(u.Package)
}

func (in *UserInput) user() (identity.User, error) {
	groups, err := memberships(in.Groups)
	uid := in.UID
	if uid == "" {
		uid = uuid.NewString()
	}
	return identity.User{
		Name: in.Name, FullName: in.FullName, Roles: in.Roles, Groups: groups, Disabled: in.Disabled, Expires: in.Expires,
		UID: uid, Team: in.Team, Device: in.Device,
	}, err
}

func (u *User) has(role string) bool { return role == "" || slices.Contains(u.Roles, role) }

func (u *User) in(group string) bool {
	if group == "" || isAnon(group) && len(u.Groups) == 0 {
		return true
	}
	for _, m := range u.Groups {
		if m.Group == group {
			return true
		}
	}
	return false
}
