package main

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	rest "github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/identity"
)

var roles = []string{identity.RoleAdmin, identity.RoleOperator, identity.RoleUser, identity.RoleReadonly}

func checkRoles(list []string) error {
	for _, r := range list {
		if !slices.Contains(roles, r) {
			return usagef("--role: %q is none of %s", r, strings.Join(roles, ", "))
		}
	}
	return nil
}

type userAddCmd struct {
	sourceFlags
	passwordFlags
	Name       string   `arg:"" help:"Name to log in by. It is the common name of certificates."`
	FullName   string   `help:"Name for people."`
	Role       []string `placeholder:"ROLE" help:"admin, operator, user (the default) or readonly."`
	Group      []string `placeholder:"NAME[:in|out]" help:"A group to be in: both ways, or in (may send to it), or out (sees it). May be given several times. Without any, the user is in __ANON__."`
	NoPassword bool     `help:"Give the user no password: devices come in by enrolment code or package alone."`
	Expires    string   `placeholder:"WHEN" help:"When the account ends by itself: 30d, 2027-01-31 or RFC 3339."`
	Team       string   `help:"Team colour, for packages."`
	JSON       bool     `help:"Write JSON."`
}

// Run adds.
func (c *userAddCmd) Run(ctx context.Context, std streams) error {
	if c.NoPassword && c.PasswordStdin {
		return usagef("--no-password and --password-stdin do not go together")
	}
	in := rest.UserInput{Name: c.Name, FullName: c.FullName, Roles: c.Role, Team: c.Team}
	if err := checkRoles(c.Role); err != nil {
		return err
	}
	if c.Expires != "" {
		at, err := ahead("expires", c.Expires, time.Now())
		if err != nil {
			return err
		}
		in.Expires = &at
	}
	a, err := c.admin()
	if err != nil {
		return err
	}
	if in.Groups, err = a.memberships(ctx, c.Group); err != nil {
		return err
	}
	if !c.NoPassword {
		if in.Password, err = c.password(std, c.Name, ", or --no-password for a user who comes in by enrolment alone"); err != nil {
			return err
		}
	}
	var u rest.User
	if err := a.ask(ctx, http.MethodPost, usersPath, &in, &u); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std, &u)
	}
	return said(std, "%s: added (%s; in %s)\nbring a phone on with: takhost enrol %s%s",
		u.Name, strings.Join(u.Roles, ", "), groupsText(u.Groups), quoted(u.Name), c.again())
}

type userSetCmd struct {
	sourceFlags
	Name     string   `arg:"" help:"Name of the user."`
	FullName *string  `help:"Name for people."`
	Role     []string `placeholder:"ROLE" help:"Roles in the place of all that there were: admin, operator, user or readonly."`
	Group    []string `placeholder:"NAME[:in|out]" xor:"groups" help:"Groups in the place of all that there were: both ways, or in (may send to it), or out (sees it)."`
	Join     []string `placeholder:"NAME[:in|out]" help:"A further group, or another direction of one."`
	Leave    []string `placeholder:"NAME" help:"A group to leave."`
	NoGroups bool     `xor:"groups" help:"Leave all groups: the user is in __ANON__ then."`
	Enable   bool     `xor:"disabled" help:"Let the user in again."`
	Disable  bool     `xor:"disabled" help:"Keep the user out, and cut connections. Certificates stay good for later."`
	Expires  *string  `placeholder:"WHEN" help:"When the account ends by itself: 30d, 2027-01-31 or RFC 3339; never: it does not."`
	Team     *string  `help:"Team colour, for packages."`
	JSON     bool     `help:"Write JSON."`
}

// Run changes.
func (c *userSetCmd) Run(ctx context.Context, std streams) error {
	change := rest.UserChange{FullName: c.FullName, Team: c.Team}
	if c.Enable || c.Disable {
		change.Disabled = &c.Disable
	}
	if err := checkRoles(c.Role); err != nil {
		return err
	}
	if len(c.Role) > 0 {
		change.Roles = &c.Role
	}
	if c.Expires != nil {
		text := ""
		if *c.Expires != "never" && *c.Expires != "" {
			at, err := ahead("expires", *c.Expires, time.Now())
			if err != nil {
				return err
			}
			text = at.Format(time.RFC3339)
		}
		change.Expires = &text
	}
	a, err := c.admin()
	if err != nil {
		return err
	}
	if change.Groups, err = c.groups(ctx, a); err != nil {
		return err
	}
	if change == (rest.UserChange{}) {
		return usagef("say what to change: takhost user set --help lists the flags")
	}
	var u rest.User
	if err := a.ask(ctx, http.MethodPatch, under(usersPath, c.Name), &change, &u); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std, &u)
	}
	return said(std, "%s: changed (%s; %s; in %s)", u.Name, userState(&u, time.Now()), strings.Join(u.Roles, ", "), groupsText(u.Groups))
}

// groups works out the groups to be, nil when they stay.
func (c *userSetCmd) groups(ctx context.Context, a *admin) (*[]rest.Membership, error) {
	joins, err := a.memberships(ctx, append(slices.Clone(c.Group), c.Join...))
	if err != nil {
		return nil, err
	}
	list := []rest.Membership{}
	switch {
	case !c.NoGroups && len(c.Group)+len(c.Join)+len(c.Leave) == 0:
		return nil, nil
	case !c.NoGroups && len(c.Group) == 0:
		var u rest.User
		if err := a.get(ctx, under(usersPath, c.Name), nil, &u); err != nil {
			return nil, err
		}
		list = u.Groups
	}
	for _, name := range c.Leave {
		n := len(list)
		if list = slices.DeleteFunc(list, func(m rest.Membership) bool { return strings.EqualFold(m.Group, name) }); len(list) == n {
			return nil, usagef("--leave: %s is not in a group %s", c.Name, name)
		}
	}
	for _, m := range joins {
		if i := slices.IndexFunc(list, func(o rest.Membership) bool { return o.Group == m.Group }); i >= 0 {
			list[i] = m
			continue
		}
		list = append(list, m)
	}
	return &list, nil
}
