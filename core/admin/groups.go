package admin

import (
	"context"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/web"
)

// Group is a routing group as it goes out.
type Group struct {
	ID          int       `json:"id" doc:"Never given to another group; the bitpos of TAK clients" example:"2"`
	Name        string    `json:"name" example:"Blue"`
	Description string    `json:"description,omitempty"`
	Users       int       `json:"users" doc:"How many users are in it"`
	Created     time.Time `json:"created"`
}

// GroupPage is a page of the list of groups.
type GroupPage struct {
	Groups []Group `json:"groups" nullable:"false"`
	Next   string  `json:"next,omitempty" doc:"Give it as after for the next page; absent on the last one"`
}

// GroupInput is what a request to create a group brings.
type GroupInput struct {
	Name        string `json:"name" minLength:"1" maxLength:"256" example:"Blue"`
	Description string `json:"description,omitempty" maxLength:"1024"`
}

// GroupChange is what a request to change a group brings. What is left out
// stays.
type GroupChange struct {
	Name        *string `json:"name,omitempty" minLength:"1" maxLength:"256"`
	Description *string `json:"description,omitempty" maxLength:"1024"`
}

// InGroup names the group in a path.
type InGroup struct {
	Name string `path:"name" maxLength:"256" doc:"Name of the group" example:"Blue"`
}

func (r registrar) groups() {
	const tag = "groups"
	ids := r.d.Identity

	huma.Register(r.api, operators(r.op("GET", "/groups", "groups", tag, "All groups",
		"Routing groups, which TAK clients call channels: whoever is in none is in __ANON__. A team colour is no group.")),
		func(_ context.Context, in *struct{ web.Paging }) (*Answer[GroupPage], error) {
			users := ids.Users()
			var all []Group
			for _, g := range ids.Groups() {
				all = append(all, groupOf(g, users))
			}
			key := func(g Group) string { return sortKey(g.Name) }
			list, next := page(sortedBy(all, key), in.Paging, key)
			return answer(GroupPage{list, next}, nil)
		})

	huma.Register(r.api, created(admins(r.op("POST", "/groups", "group-add", tag, "Add a group", "", clash))),
		func(ctx context.Context, in *struct{ Body GroupInput }) (*Answer[Group], error) {
			g, err := ids.AddGroup(ctx, actor(ctx), in.Body.Name, in.Body.Description)
			return answer(groupOf(g, nil), err)
		})

	huma.Register(r.api, operators(r.op("GET", "/groups/{name}", "group", tag, "One group", "", missing)),
		func(_ context.Context, in *InGroup) (*Answer[Group], error) {
			g, ok := ids.Group(in.Name)
			if !ok {
				return nil, notFoundf("there is no group %s", clip(in.Name))
			}
			return answer(groupOf(g, ids.Users()), nil)
		})

	huma.Register(r.api, admins(r.op("PATCH", "/groups/{name}", "group-set", tag, "Change a group",
		"A new name is in force at once; members and what was sent to the group stay with it.", missing, clash)),
		func(ctx context.Context, in *struct {
			InGroup
			Body GroupChange
		}) (*Answer[Group], error) {
			was := in.Name
			g, err := ids.SetGroup(ctx, actor(ctx), in.Name, func(g *identity.Group) error {
				was = g.Name
				set(&g.Name, in.Body.Name)
				set(&g.Description, in.Body.Description)
				return nil
			})
			if err == nil && g.Name != was {
				err = r.d.Profiles.regroup(ctx, actor(ctx), was, g.Name)
			}
			return answer(groupOf(g, ids.Users()), err)
		})

	huma.Register(r.api, admins(r.op("DELETE", "/groups/{name}", "group-remove", tag, "Remove a group",
		"Its members leave it. While it is the only one of somebody, who would be in __ANON__ without it, it stays; so does __ANON__.", missing, clash)),
		func(ctx context.Context, in *InGroup) (*struct{}, error) {
			return nil, problemOf(ids.RemoveGroup(ctx, actor(ctx), in.Name))
		})
}

// groupOf counts the members among users.
func groupOf(g identity.Group, users []identity.User) Group {
	out := Group{ID: int(g.ID), Name: g.Name, Description: g.Description, Created: g.Created}
	for _, u := range users {
		if len(u.Groups) == 0 && isAnon(g.Name) || slices.ContainsFunc(u.Groups, func(m identity.Membership) bool { return m.Group == g.Name }) {
			out.Users++
		}
	}
	return out
}
