package fts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/store"
)

// newUser is a user to be. FreeTAKServer wants all keys; older documents of it
// leave some out, so only the name is needed here.
type newUser struct {
	Name       loose
	Group      loose
	Token      loose
	Password   loose
	Certs      loose
	DeviceType loose
}

func (r registrar) addUsers(ctx context.Context, q *Request) *Reply {
	var in struct{ SystemUsers []newUser }
	if err := q.decode(&in); err != nil {
		return r.failed(q, "An error occured attempting to create user(s).", err)
	}
	var failed []string
	m := message{Message: "all users created"}
	for i := range in.SystemUsers {
		u := &in.SystemUsers[i]
		if err := r.addUser(ctx, u); err != nil {
			failed = append(failed, "operation failed for user "+string(u.Name))
			m.Errors = append(m.Errors, string(u.Name)+": "+r.reason(q, err))
		}
	}
	if len(failed) == 0 {
		return asJSON(http.StatusCreated, m)
	}
	m.Message = strings.Join(failed, ", ")
	if len(failed) == len(in.SystemUsers) {
		m.Message = "all users failed to create " + m.Message
		return asJSON(http.StatusInternalServerError, m)
	}
	return asJSON(http.StatusCreated, m)
}

// addUser adds a user with all that was asked for, or nothing.
func (r registrar) addUser(ctx context.Context, in *newUser) error {
	device := strings.ToLower(string(in.DeviceType))
	switch device {
	case "":
		device = deviceMobile
	case deviceMobile, deviceWinTAK:
	default:
		return &badRequest{"DeviceType is mobile or wintak"}
	}
	u, err := r.d.Identity.AddUser(ctx, actor(ctx), identity.NewUser{
		User:     identity.User{Name: string(in.Name), UID: uuid.NewString(), Team: string(in.Group), Device: device},
		Password: string(in.Password),
	})
	if err != nil {
		return err
	}
	if err = r.equip(ctx, u, in); err == nil {
		return nil
	}
	// The caller may be gone, and half a user must not stay.
	undo := context.WithoutCancel(ctx)
	if gone := r.d.Identity.RemoveUser(undo, actor(ctx), u.Name); gone != nil {
		r.d.Log.Error("user made in part could not be removed", slog.String("user", u.Name), slog.Any("err", gone))
	}
	return err
}

// equip gives a new user token and package.
func (r registrar) equip(ctx context.Context, u identity.User, in *newUser) error {
	if in.Token != "" {
		if err := r.setToken(ctx, u.Name, tokenName, string(in.Token)); err != nil {
			return err
		}
	}
	if !strings.EqualFold(string(in.Certs), "true") {
		return nil
	}
	if r.d.Packages == nil {
		return &store.Error{Code: store.Unavailable, Msg: "this server makes no packages"}
	}
	name, err := r.d.Packages.Keep(ctx, actor(ctx), u.Name, u.Device)
	if err != nil {
		return fmt.Errorf("make the package: %w", err)
	}
	_, err = r.d.Identity.SetUser(ctx, actor(ctx), u.Name, func(u *identity.User) error {
		u.Package = name
		return nil
	})
	if err != nil {
		return errors.Join(err, r.d.Packages.Remove(name))
	}
	return nil
}

// setToken gives a user a token of that text in the place of the one that was
// set under the same name before.
func (r registrar) setToken(ctx context.Context, user, name, secret string) error {
	ids := r.d.Identity
	made, _, err := ids.NewToken(ctx, actor(ctx), identity.TokenSpec{User: user, Name: name, Secret: secret})
	if store.CodeOf(err) == store.Conflict {
		// It is somebody's already: to set one's own again is no error.
		if c, other := ids.ByToken(ctx, secret, actor(ctx).Addr); other == nil && c.User == user {
			return nil
		}
	}
	if err != nil {
		return err
	}
	for _, t := range ids.Tokens(user) {
		if t.Name == name && t.ID != made.ID {
			if err := ids.RemoveToken(ctx, actor(ctx), t.ID); err != nil && store.CodeOf(err) != store.NotFound {
				return err
			}
		}
	}
	return nil
}

func (r registrar) setUsers(ctx context.Context, q *Request) *Reply {
	const failure = "An error occured attempting to update user."
	var in struct {
		SystemUsers []struct{ UID, Token, Password, Group loose }
	}
	if err := q.decode(&in); err != nil {
		return r.failed(q, failure, err)
	}
	users := make([]identity.User, len(in.SystemUsers))
	for i, c := range in.SystemUsers {
		u, ok := r.byUID(string(c.UID))
		if !ok {
			return r.failed(q, failure, unknown(c.UID))
		}
		users[i] = u
	}
	for i, c := range in.SystemUsers {
		if err := r.setUser(ctx, users[i], string(c.Group), string(c.Password), string(c.Token)); err != nil {
			return r.failed(q, failure, err)
		}
	}
	return asJSON(http.StatusOK, message{Message: "user updated"})
}

func (r registrar) setUser(ctx context.Context, u identity.User, team, password, token string) error {
	if team != "" {
		_, err := r.d.Identity.SetUser(ctx, actor(ctx), u.Name, func(u *identity.User) error {
			u.Team = team
			return nil
		})
		if err != nil {
			return err
		}
	}
	if password != "" {
		if err := r.d.Identity.SetPassword(ctx, actor(ctx), u.Name, password); err != nil {
			return err
		}
	}
	if token != "" {
		return r.setToken(ctx, u.Name, tokenName, token)
	}
	return nil
}

func unknown(uid loose) error {
	if uid == "" {
		return &badRequest{"uid is missing"}
	}
	return &badRequest{"there is no user with that uid"}
}

// removeUsers takes away all of a user. Theirs fails halfway for users without
// certificates.
func (r registrar) removeUsers(ctx context.Context, q *Request) *Reply {
	const failure = "An error occured attempting to remove the user(s)."
	var in struct {
		SystemUsers []struct{ UID loose }
	}
	if err := q.decode(&in); err != nil {
		return r.failed(q, failure, err)
	}
	var errs []error
	for _, c := range in.SystemUsers {
		if c.UID == "" {
			errs = append(errs, unknown(c.UID))
		} else if u, ok := r.byUID(string(c.UID)); ok {
			errs = append(errs, r.removeUser(ctx, u)...)
		}
	}
	if len(errs) > 0 {
		return r.failed(q, failure, errs...)
	}
	return asJSON(http.StatusOK, message{Message: "user deleted"})
}

func (r registrar) removeUser(ctx context.Context, u identity.User) (errs []error) {
	if err := r.d.Identity.RemoveUser(ctx, actor(ctx), u.Name); err != nil && store.CodeOf(err) != store.NotFound {
		return []error{err}
	}
	if u.Package != "" && r.d.Packages != nil {
		if err := r.d.Packages.Remove(u.Package); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}
