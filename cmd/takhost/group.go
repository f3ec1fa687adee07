package main

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	rest "github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/hostapi"
)

const groupsPath = "/api/v1/groups"

type groupCmd struct {
	List   groupListCmd   `cmd:"" help:"List the groups."`
	Add    groupAddCmd    `cmd:"" help:"Add a group."`
	Set    groupSetCmd    `cmd:"" help:"Rename or describe a group. Its members stay."`
	Remove groupRemoveCmd `cmd:"" help:"Remove a group. Whoever was in no other is in __ANON__ then."`
}

type groupListCmd struct {
	sourceFlags
	JSON bool `help:"Write JSON."`
}

// Run lists.
func (c *groupListCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	list, err := a.groups(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std, list)
	}
	t := newTable("NAME", "USERS", "ID", "DESCRIPTION")
	for _, g := range list {
		t.row(g.Name, strconv.Itoa(g.Users), strconv.Itoa(g.ID), g.Description)
	}
	return t.write(std, "there are no groups")
}

func (a *admin) groups(ctx context.Context) ([]rest.Group, error) {
	return all(ctx, a, groupsPath, nil, func(p *rest.GroupPage) ([]rest.Group, string) { return p.Groups, p.Next })
}

type groupAddCmd struct {
	sourceFlags
	Name        string `arg:"" help:"Name of the group."`
	Description string `help:"What it is for."`
	JSON        bool   `help:"Write JSON."`
}

// Run adds.
func (c *groupAddCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	var g rest.Group
	if err := a.ask(ctx, http.MethodPost, groupsPath, rest.GroupInput{Name: c.Name, Description: c.Description}, &g); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std, &g)
	}
	return said(std, "group %s: added; put somebody into it with: takhost user set NAME --join %s%s", g.Name, quoted(g.Name), c.again())
}

type groupSetCmd struct {
	sourceFlags
	Name        string  `arg:"" help:"Name of the group."`
	Rename      *string `placeholder:"NAME" help:"Its new name."`
	Description *string `help:"What it is for."`
	JSON        bool    `help:"Write JSON."`
}

// Run changes.
func (c *groupSetCmd) Run(ctx context.Context, std streams) error {
	if c.Rename == nil && c.Description == nil {
		return usagef("say what to change: --rename or --description")
	}
	a, err := c.admin()
	if err != nil {
		return err
	}
	var g rest.Group
	if err := a.ask(ctx, http.MethodPatch, under(groupsPath, c.Name), rest.GroupChange{Name: c.Rename, Description: c.Description}, &g); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std, &g)
	}
	return said(std, "group %s: changed, %s", g.Name, number(g.Users, "user"))
}

type groupRemoveCmd struct {
	sourceFlags
	Name string `arg:"" help:"Name of the group."`
}

// Run removes.
func (c *groupRemoveCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	if err := a.do(ctx, http.MethodDelete, under(groupsPath, c.Name), nil, nil, nil); err != nil {
		return err
	}
	return said(std, "group %s: removed", c.Name)
}

// memberships reads flags such as Blue, Blue:in or Blue:out, and checks that the
// groups are there: a misspelt one is seen before anything is changed.
func (a *admin) memberships(ctx context.Context, flags []string) (list []rest.Membership, err error) {
	if len(flags) == 0 {
		return nil, nil
	}
	groups, err := a.groups(ctx)
	if err != nil {
		return nil, err
	}
	for _, text := range flags {
		name, way, one := strings.Cut(text, ":")
		m := rest.Membership{Group: name}
		switch {
		case one && way == "in":
			m.Out = new(bool)
		case one && way == "out":
			m.In = new(bool)
		case one:
			return nil, usagef("group %q: write %s, %s:in (may send to it) or %s:out (sees it)", text, name, name, name)
		}
		i := slices.IndexFunc(groups, func(g rest.Group) bool { return strings.EqualFold(g.Name, name) })
		if i < 0 {
			return nil, usagef("there is no group %s: takhost group list shows them, takhost group add %s makes it", name, quoted(name))
		}
		m.Group = groups[i].Name
		list = append(list, m)
	}
	return list, nil
}

// groupsText is the reverse of memberships, for people.
func groupsText(list []rest.Membership) string {
	if len(list) == 0 {
		return hostapi.AnonGroupName
	}
	names := make([]string, len(list))
	for i, m := range list {
		names[i] = m.Group
		switch in, out := m.In == nil || *m.In, m.Out == nil || *m.Out; {
		case !out:
			names[i] += ":in"
		case !in:
			names[i] += ":out"
		}
	}
	return strings.Join(names, ", ")
}

// quoted is a name as it is typed into a shell.
func quoted(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool {
		return !strings.ContainsRune("._-@/:", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) {
		return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
	}
	return name
}
