package marti

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/hostapi"
)

const (
	tagGroups = "groups"

	// groupType is compared literally by ATAK (4).
	groupType = "com.bbn.marti.remote.groups.Group"
	userType  = "com.bbn.marti.remote.groups.User"
)

// Group is one direction of a group (4). Created is a day: ATAK refuses the
// whole group when it has a time of day.
type Group struct {
	Name        string          `json:"name"`
	Direction   string          `json:"direction" enum:"IN,OUT" doc:"IN: may be sent to; OUT: is seen"`
	Created     string          `json:"created" example:"2026-01-01"`
	Type        string          `json:"type" enum:"SYSTEM,LDAP"`
	BitPos      hostapi.GroupID `json:"bitpos" doc:"Number of the group, the same for ever"`
	Active      bool            `json:"active" doc:"The device takes part in it"`
	Description string          `json:"description"`
}

// User is somebody with a connection.
type User struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	ConnectionID string `json:"connectionId"`
	Address      string `json:"address"`
	Created      string `json:"created"`
}

func groupOf(g identity.Group, direction string, active bool) Group {
	return Group{
		Name: g.Name, Direction: direction, Created: g.Created.UTC().Format("2006-01-02"), Type: "SYSTEM",
		BitPos: g.ID, Active: active, Description: g.Description,
	}
}

type groupsInput struct {
	UseCache string `query:"useCache" doc:"true: both directions, with what is active on the caller's device; otherwise OUT alone"`
	SendSA   string `query:"sendLatestSA" doc:"true: the caller's connections get the latest positions again"`
	Client   string `query:"clientUid" doc:"UID of the device, for callers without a certificate"`
}

type userInput struct {
	Username string `query:"username" doc:"Name of the user; needed"`
}

type groupInput struct {
	Name      string `path:"name"`
	Direction string `path:"direction" doc:"IN or OUT"`
}

func (a *api) groupOperations() {
	get := func(path, id, summary, doc string) op {
		return op{
			method: http.MethodGet, path: path, id: id, tag: tagGroups, on: onAll, summary: summary, doc: doc,
			answers: ok[envelope[[]Group]](a, "The groups"),
		}
	}
	add(a, get("/Marti/api/groups/all", "groups", "Groups of the caller", "Administrators get all groups."), listGroups)

	o := get("/Marti/api/groups/user", "groups-user", "Groups of a user", "")
	o.answers, o.access = with(o.answers, "404", "There is no such user"), forAdmin
	add(a, o, func(c *call, in *userInput) (*reply, error) {
		u, known := c.Identity.User(in.Username)
		if !known {
			return nil, notFoundf("Not Found: there is no user %q", in.Username)
		}
		list := []Group{}
		for _, ch := range c.Identity.Channels(u.Name, "") {
			list = append(list, groupOf(ch.Group, ch.Direction, true))
		}
		return enveloped(c.api, groupType, list)
	})

	o = get("/Marti/api/groups/{name}/{direction}", "group", "One direction of a group", "One of the caller's; administrators get any.")
	o.answers = with(ok[envelope[Group]](a, "The group"), "404", "There is none, or it is not the caller's")
	add(a, o, oneGroup)

	o = get("/Marti/api/users/all", "users", "Users with a connection", "Connections of the caller's groups, the newest first.")
	o.answers = ok[envelope[[]User]](a, "The users")
	add(a, o, listUsers)

	for _, u := range []op{
		{method: http.MethodPost, path: "/Marti/api/groups/update", id: "groups-update-list", body: jsonBody("Names of users", &huma.Schema{Type: "array", Items: &huma.Schema{Type: "string"}})},
		{method: http.MethodGet, path: "/Marti/api/groups/update/{username}", id: "groups-update"},
	} {
		u.tag, u.on, u.access = tagGroups, onAll, forAdmin
		u.summary, u.doc = "Work the groups of connections out again", "Changes take effect at once anyhow; this sends the notice and the latest positions again."
		if u.body == nil {
			add(a, u, func(c *call, in *struct {
				Username string `path:"username"`
			}) (*reply, error) {
				return c.regroup([]string{in.Username})
			})
			continue
		}
		add(a, u, func(c *call, _ *none) (*reply, error) {
			var names []string
			if err := c.readJSON(&names); err != nil {
				return nil, err
			}
			return c.regroup(names)
		})
	}
}

func (c *call) regroup(names []string) (*reply, error) {
	for _, name := range names {
		if _, known := c.Identity.User(name); !known {
			return nil, notFoundf("Not Found: there is no user %q", name)
		}
	}
	for _, name := range names {
		u, _ := c.Identity.User(name)
		c.Core.Regroup(u.Name, "", "")
	}
	return empty(http.StatusOK), nil
}

func listGroups(c *call, in *groupsInput) (*reply, error) {
	device := c.device(in.Client)
	list := c.ownGroups(device, truth(in.UseCache))
	if truth(in.UseCache) && truth(in.SendSA) && c.caller.User != "" {
		c.Core.Replay(c.caller.User, device)
	}
	return enveloped(c.api, groupType, list)
}

// ownGroups lists the caller's groups; both says whether IN too. The anonymous
// caller is in whatever his sets hold, as he is no user.
func (c *call) ownGroups(device string, both bool) []Group {
	list := []Group{}
	for _, ch := range c.channels(device) {
		if both || c.isAdmin() || ch.Direction == identity.DirectionOut {
			list = append(list, groupOf(ch.Group, ch.Direction, ch.Active))
		}
	}
	slices.SortStableFunc(list, func(a, b Group) int {
		if n := cmp.Compare(a.BitPos, b.BitPos); n != 0 {
			return n
		}
		return strings.Compare(a.Direction, b.Direction)
	})
	return list
}

// channels gives the caller's groups with what is active on his device. Those
// of an administrator are all groups there are: what he is no member of is
// listed as not active.
func (c *call) channels(device string) []identity.Channel {
	var list []identity.Channel
	if _, known := c.Identity.User(c.caller.User); known && c.caller.User != "" {
		switches := c.switches()
		list = c.Identity.Channels(c.caller.User, device)
		for i := range list {
			list[i].Active = list[i].Active || !switches
		}
	} else {
		groups := c.groupsByID()
		for _, set := range []struct {
			id        int32
			direction string
		}{{c.caller.InSet, identity.DirectionIn}, {c.caller.OutSet, identity.DirectionOut}} {
			for _, id := range c.Groups.Members(hostapi.SetID(set.id)) {
				if g, known := groups[id]; known {
					list = append(list, identity.Channel{Group: g, Direction: set.direction, Active: true})
				}
			}
		}
	}
	if !c.isAdmin() {
		return list
	}
	for _, g := range c.Identity.Groups() {
		for _, direction := range []string{identity.DirectionIn, identity.DirectionOut} {
			if !slices.ContainsFunc(list, func(ch identity.Channel) bool { return ch.Group.ID == g.ID && ch.Direction == direction }) {
				list = append(list, identity.Channel{Group: g, Direction: direction})
			}
		}
	}
	return list
}

func oneGroup(c *call, in *groupInput) (*reply, error) {
	for _, g := range c.ownGroups(c.device(""), true) {
		if g.Name == in.Name && g.Direction == in.Direction {
			return enveloped(c.api, groupType, g)
		}
	}
	return nil, notFoundf("Not Found: no group %q with the direction %q", in.Name, in.Direction)
}

func listUsers(c *call, _ *none) (*reply, error) {
	list := each(c.clients(), func(cl *Client) User {
		s := c.subscription(cl, nil)
		return User{ID: cl.User, Name: cl.User, ConnectionID: s.UID, Address: s.IPAddress, Created: stamp(cl.Since)}
	})
	slices.Reverse(list)
	return enveloped(c.api, userType, list)
}

// groupsByID gives all groups.
func (c *call) groupsByID() map[hostapi.GroupID]identity.Group {
	all := map[hostapi.GroupID]identity.Group{}
	for _, g := range c.Identity.Groups() {
		all[g.ID] = g
	}
	return all
}

// knows says whether the caller is in a group, in one direction or the other.
func (c *call) knows(id hostapi.GroupID) bool {
	return slices.Contains(c.Groups.Members(hostapi.SetID(c.caller.OutSet)), id) || slices.Contains(c.Groups.Members(hostapi.SetID(c.caller.InSet)), id)
}
