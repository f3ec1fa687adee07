package identity

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/takhost/takhost/core/store"
)

// Users gives all users by name.
func (s *Service) Users() []User {
	st := s.state.Load()
	users := make([]User, 0, len(st.users.m))
	for _, a := range st.users.m {
		users = append(users, st.show(a))
	}
	slices.SortFunc(users, func(a, b User) int {
		return cmp.Or(cmp.Compare(fold(a.Name), fold(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	return users
}

// User gives the user of that name, in whatever case.
func (s *Service) User(name string) (User, bool) {
	st := s.state.Load()
	a := st.user(name)
	if a == nil {
		return User{}, false
	}
	return st.show(a), true
}

// AddUser adds a user.
func (s *Service) AddUser(ctx context.Context, by Actor, u NewUser) (User, error) {
	users, err := s.AddUsers(ctx, by, []NewUser{u})
	if err != nil {
		return User{}, err
	}
	return users[0], nil
}

// CheckUsers tells what would be wrong with adding these users, one after the
// other: an error or nil for each.
func (s *Service) CheckUsers(users []NewUser) []error {
	d := s.draft(Actor{})
	faults := make([]error, len(users))
	for i := range users {
		_, faults[i] = d.addUser(&users[i], "")
	}
	return faults
}

// AddUsers adds all of the users, or none of them.
func (s *Service) AddUsers(ctx context.Context, by Actor, users []NewUser) ([]User, error) {
	// A fault is told before much is hashed, which takes a while each.
	for i, err := range s.CheckUsers(users) {
		if err != nil {
			return nil, fmt.Errorf("add user %s: %w", users[i].Name, err)
		}
	}
	hashes := make([]string, len(users))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(s.opt.Hashes)
	for i := range users {
		hashes[i] = users[i].PasswordHash
		if users[i].Password == "" {
			continue
		}
		g.Go(func() (err error) {
			hashes[i], err = s.hasher.hash(gctx, users[i].Password)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("add users: %w", err)
	}
	var added []User
	err := s.change(ctx, by, func(d *draft) error {
		for i := range users {
			a, err := d.addUser(&users[i], hashes[i])
			if err != nil {
				return fmt.Errorf("add user %s: %w", users[i].Name, err)
			}
			added = append(added, d.show(a))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return added, nil
}

func (d *draft) addUser(u *NewUser, hash string) (*account, error) {
	if err := checkName("user", u.Name); err != nil {
		return nil, err
	}
	switch {
	case d.user(u.Name) != nil:
		return nil, conflict("there is a user %s already", d.user(u.Name).Name)
	case u.Password != "" && u.PasswordHash != "":
		return nil, invalid("has a password and the hash of one")
	}
	if u.Password != "" {
		if err := checkPassword(u.Name, u.Password); err != nil {
			return nil, err
		}
	}
	if u.PasswordHash != "" {
		if err := checkHash(u.PasswordHash); err != nil {
			return nil, err
		}
	}
	a := &account{key: fold(u.Name), hash: hash}
	a.Name, a.Created = u.Name, d.now
	if err := d.setAccount(a, &u.User); err != nil {
		return nil, err
	}
	d.putAccount(a)
	d.note("user.add", a.Name, d.describe(&account{User: User{Roles: []string{RoleUser}}}, a))
	return a, nil
}

// setAccount takes over what may be changed of a user.
func (d *draft) setAccount(a *account, u *User) (err error) {
	if a.Roles, err = checkRoles(u.Roles); err != nil {
		return err
	}
	if a.members, err = d.members(u.Groups); err != nil {
		return err
	}
	for _, f := range []struct{ what, text string }{
		{"full name", u.FullName}, {"uid", u.UID}, {"team", u.Team}, {"device", u.Device}, {"package", u.Package},
	} {
		if err := checkText(f.what, f.text); err != nil {
			return err
		}
	}
	a.FullName, a.UID, a.Team, a.Device, a.Package = u.FullName, u.UID, u.Team, u.Device, u.Package
	a.Disabled, a.Expires, a.Changed = u.Disabled, copyTime(u.Expires), d.now
	return nil
}

// clone gives a copy to change, with devices of its own, as their sets are found
// anew.
func (a *account) clone() *account {
	c := *a
	c.devices = make(map[string]*device, len(a.devices))
	for uid, dev := range a.devices {
		copied := *dev
		c.devices[uid] = &copied
	}
	return &c
}

// SetUser lets change turn a copy of the user and keeps what it made of it. The
// name stays: certificates, events and missions have it.
func (s *Service) SetUser(ctx context.Context, by Actor, name string, change func(*User) error) (User, error) {
	var set User
	err := s.change(ctx, by, func(d *draft) error {
		was := d.user(name)
		if was == nil {
			return notFound("user %s: there is no such user", name)
		}
		u := d.show(was)
		if err := change(&u); err != nil {
			return err
		}
		if u.Name != was.Name {
			return invalid("user %s: the name of a user does not change; add another user", was.Name)
		}
		a := was.clone()
		if err := d.setAccount(a, &u); err != nil {
			return fmt.Errorf("user %s: %w", was.Name, err)
		}
		text := d.describe(was, a)
		if text == "" {
			set = d.show(was)
			return nil
		}
		d.putAccount(a)
		if err := d.checkAdmins(); err != nil {
			return err
		}
		if !a.usable(d.now) {
			d.endSessions(a.Name)
			d.gone(a.Name)
		}
		d.note("user.set", a.Name, text)
		set = d.show(a)
		return nil
	})
	return set, err
}

// describe tells in words what is different.
func (d *draft) describe(was, is *account) string {
	var all []string
	add := func(differs bool, format string, args ...any) {
		if differs {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	add(!slices.Equal(was.Roles, is.Roles), "roles %s", strings.Join(is.Roles, ", "))
	add(!slices.Equal(was.members, is.members), "groups %s", describeGroups(d.memberships(is.members)))
	add(was.FullName != is.FullName, "full name %q", is.FullName)
	add(!was.Disabled && is.Disabled, "disabled")
	add(was.Disabled && !is.Disabled, "enabled")
	if is.Expires != nil {
		add(was.Expires == nil || !was.Expires.Equal(*is.Expires), "ends %s", is.Expires.Format(time.RFC3339))
	}
	add(was.Expires != nil && is.Expires == nil, "does not end")
	add(was.UID != is.UID, "uid %q", is.UID)
	add(was.Team != is.Team, "team %q", is.Team)
	add(was.Device != is.Device, "device %q", is.Device)
	add(was.Package != is.Package, "package %q", is.Package)
	return strings.Join(all, "; ")
}

func describeGroups(groups []Membership) string {
	if len(groups) == 0 {
		return "none"
	}
	var all []string
	for _, m := range groups {
		switch {
		case !m.In:
			m.Group += " (out)"
		case !m.Out:
			m.Group += " (in)"
		}
		all = append(all, m.Group)
	}
	return strings.Join(all, ", ")
}

// checkAdmins refuses a change after which nobody could administer the server,
// or nobody by password. An administrator whose account will end does not count.
func (d *draft) checkAdmins() error {
	was, wasPassword := d.old.admins()
	is, isPassword := d.admins()
	if was > 0 && is == 0 || wasPassword > 0 && isPassword == 0 {
		return conflict("this is the last administrator who can log in: make another user administrator first")
	}
	return nil
}

func (s *state) admins() (all, withPassword int) {
	for _, a := range s.users.m {
		if a.is(RoleAdmin) && !a.Disabled && a.Expires == nil {
			all++
			if a.hash != "" {
				withPassword++
			}
		}
	}
	return all, withPassword
}

// RemoveUser removes a user with all that is his: certificates are revoked;
// tokens, sessions, enrolment codes and channels go.
func (s *Service) RemoveUser(ctx context.Context, by Actor, name string) error {
	return s.change(ctx, by, func(d *draft) error {
		a := d.user(name)
		if a == nil {
			return notFound("user %s: there is no such user", name)
		}
		d.users.del(a.key)
		if err := d.checkAdmins(); err != nil {
			return err
		}
		d.drop(kindUser, a.key)
		for _, dev := range a.devices {
			d.forget(dev.record(a))
		}
		d.endSessions(a.Name)
		for _, t := range d.old.tokens.m {
			if t.User == a.Name {
				d.dropToken(t)
			}
		}
		for _, e := range d.old.enrolments.m {
			if e.User == a.Name {
				d.dropEnrolment(e)
			}
		}
		revoked := 0
		for _, c := range d.old.certs.m {
			if c.User == a.Name && c.Revoked == nil {
				d.revoke(c, "user removed")
				revoked++
			}
		}
		d.gone(a.Name)
		d.note("user.remove", a.Name, fmt.Sprintf("certificates revoked: %d", revoked))
		return nil
	})
}

// SetPassword sets the password of a user and ends his sessions. Without a
// password he cannot log in by one.
func (s *Service) SetPassword(ctx context.Context, by Actor, name, password string) error {
	a := s.state.Load().user(name)
	if a == nil {
		return notFound("user %s: there is no such user", name)
	}
	var hash string
	if password != "" {
		if err := checkPassword(a.Name, password); err != nil {
			return err
		}
		var err error
		if hash, err = s.hasher.hash(ctx, password); err != nil {
			return fmt.Errorf("set password of user %s: %w", a.Name, err)
		}
	}
	return s.change(ctx, by, func(d *draft) error {
		was := d.user(name)
		if was == nil {
			return notFound("user %s: there is no such user", name)
		}
		return d.setPassword(was, hash)
	})
}

func (d *draft) setPassword(was *account, hash string) error {
	a := was.clone()
	a.hash, a.Changed = hash, d.now
	d.putAccount(a)
	if err := d.checkAdmins(); err != nil {
		return err
	}
	d.endSessions(a.Name)
	detail := "set"
	if hash == "" {
		detail = "removed"
	}
	d.note("user.password", a.Name, detail)
	return nil
}

// known gives the user if he may come in now.
func (s *state) known(name string, now time.Time) (*account, error) {
	a := s.user(name)
	if a == nil {
		return nil, notFound("user %s: there is no such user", name)
	}
	if _, detail := a.refused(now); detail != "" {
		return nil, fail(store.Forbidden, "user %s: %s", a.Name, detail)
	}
	return a, nil
}

// sortedValues gives the values of a map in the order of its keys.
func sortedValues[V any](m map[string]V) []V {
	all := make([]V, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		all = append(all, m[k])
	}
	return all
}
