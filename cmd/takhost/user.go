package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	rest "github.com/takhost/takhost/core/admin"
)

const usersPath = "/api/v1/users"

type userCmd struct {
	Add    userAddCmd    `cmd:"" help:"Add a user. The password is asked for, unless a flag says otherwise."`
	List   userListCmd   `cmd:"" help:"List the users."`
	Show   userShowCmd   `cmd:"" help:"Show one user with certificates, tokens and enrolment codes."`
	Set    userSetCmd    `cmd:"" help:"Change a user. What no flag names stays; it is in force at once."`
	Passwd userPasswdCmd `cmd:"" help:"Set a user's password. All logins of the user end."`
	Remove userRemoveCmd `cmd:"" help:"Remove a user. All certificates are revoked, connections cut."`
	Import userImportCmd `cmd:"" help:"Add many users from a CSV file, and print cards for them."`
	Sheet  userSheetCmd  `cmd:"" help:"Make enrolment codes for users who are there, as cards to print."`
}

type userListCmd struct {
	sourceFlags
	Group string `placeholder:"NAME" help:"Only those in this group."`
	Role  string `placeholder:"ROLE" help:"Only those with this role."`
	JSON  bool   `help:"Write JSON."`
}

// Run lists.
func (c *userListCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	list, err := a.users(ctx, url.Values{"group": {c.Group}, "role": {c.Role}})
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std, list)
	}
	t, now := newTable("NAME", "FULL NAME", "ROLES", "GROUPS", "STATE", "PASSWORD"), time.Now()
	for i := range list {
		u := &list[i]
		t.row(u.Name, u.FullName, strings.Join(u.Roles, ", "), groupsText(u.Groups), userState(u, now), yes(u.HasPassword))
	}
	none := "there are no users: takhost user add NAME" + c.again()
	if c.Group != "" || c.Role != "" {
		none = "there are no such users"
	}
	return t.write(std, none)
}

func (a *admin) users(ctx context.Context, query url.Values) ([]rest.User, error) {
	return all(ctx, a, usersPath, query, func(p *rest.UserPage) ([]rest.User, string) { return p.Users, p.Next })
}

// userState tells whether somebody may come in.
func userState(u *rest.User, now time.Time) string {
	switch {
	case u.Disabled:
		return "disabled"
	case u.Expires != nil && !now.Before(*u.Expires):
		return "expired"
	}
	return "active"
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

type userShowCmd struct {
	sourceFlags
	Name string `arg:"" help:"Name of the user."`
	JSON bool   `help:"Write JSON."`
}

// userDetails is a user with what belongs to him.
type userDetails struct {
	rest.User
	Certificates []rest.Certificate `json:"certificates"`
	Tokens       []rest.Token       `json:"tokens"`
	Enrolments   []rest.Enrolment   `json:"enrolments"`
}

// Run shows.
func (c *userShowCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	var d userDetails
	if err := a.get(ctx, under(usersPath, c.Name), nil, &d.User); err != nil {
		return err
	}
	of := url.Values{"user": {d.Name}}
	if d.Certificates, err = a.certificates(ctx, of); err != nil {
		return err
	}
	if d.Tokens, err = a.tokens(ctx, of); err != nil {
		return err
	}
	if d.Enrolments, err = a.enrolments(ctx, of); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std, &d)
	}
	var f facts
	d.tell(&f, time.Now())
	return f.write(std)
}

func (d *userDetails) tell(f *facts, now time.Time) {
	f.line("user", d.Name)
	f.line("full name", d.FullName)
	f.line("state", userState(&d.User, now))
	f.line("roles", strings.Join(d.Roles, ", "))
	f.line("groups", groupsText(d.Groups))
	f.line("password", yes(d.HasPassword))
	f.line("created", local(&d.Created))
	f.line("changed", local(&d.Changed))
	f.line("expires", local(d.Expires))
	f.line("team", d.Team)
	f.line("device", d.Device)
	f.line("package", d.Package)
	certificates, tokens, codes := []string{}, []string{}, []string{}
	for i := range d.Certificates {
		k := &d.Certificates[i]
		text := k.Serial + " " + k.Kind + ", " + k.State
		if k.State == "active" || k.State == "replaced" {
			text += ", ends " + local(&k.NotAfter)
		}
		certificates = append(certificates, text)
	}
	for i := range d.Tokens {
		k := &d.Tokens[i]
		tokens = append(tokens, strings.TrimSpace(k.ID+" "+k.Name)+", used "+ago(k.Used, now))
	}
	for i := range d.Enrolments {
		k := &d.Enrolments[i]
		codes = append(codes, k.ID+" "+k.State+", "+usesOf(k)+", until "+local(&k.Expires))
	}
	f.lines("certificates", certificates)
	f.lines("tokens", tokens)
	f.lines("codes", codes)
}

type userPasswdCmd struct {
	sourceFlags
	passwordFlags
	Name string `arg:"" help:"Name of the user."`
}

// Run sets the password.
func (c *userPasswdCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	var u rest.User // before anybody types for somebody who is not there
	if err := a.get(ctx, under(usersPath, c.Name), nil, &u); err != nil {
		return err
	}
	password, err := c.password(std, u.Name, "")
	if err != nil {
		return err
	}
	if err := a.ask(ctx, http.MethodPut, under(usersPath, u.Name, "password"), rest.Password{Password: password}, nil); err != nil {
		return err
	}
	return said(std, "%s: the password was set, all logins ended", u.Name)
}

type userRemoveCmd struct {
	sourceFlags
	Name string `arg:"" help:"Name of the user."`
}

// Run removes.
func (c *userRemoveCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	if err := a.do(ctx, http.MethodDelete, under(usersPath, c.Name), nil, nil, nil); err != nil {
		return err
	}
	return said(std, "%s: removed; certificates are revoked, tokens and codes void, connections cut", c.Name)
}
