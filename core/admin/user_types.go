package admin

import (
	"slices"
	"time"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/hostapi"
)

// User is an account as it goes out.
type User struct {
	Name        string       `json:"name" doc:"Login, and the common name of certificates" example:"ann"`
	FullName    string       `json:"full_name,omitempty" example:"Ann Example"`
	Roles       []string     `json:"roles" nullable:"false" doc:"admin, operator, user or readonly" example:"[\"user\"]"`
	Groups      []Membership `json:"groups" nullable:"false" doc:"None: the user is in __ANON__ both ways"`
	Disabled    bool         `json:"disabled" doc:"Cannot log in, connect or enrol"`
	HasPassword bool         `json:"has_password"`
	Created     time.Time    `json:"created"`
	Changed     time.Time    `json:"changed"`
	Expires     *time.Time   `json:"expires,omitempty" doc:"When the account ends by itself"`

	UID     string `json:"uid,omitempty" doc:"What FreeTAKServer's API calls the user's uid"`
	Team    string `json:"team,omitempty" doc:"Team colour, which FreeTAKServer's API calls group" example:"Cyan"`
	Device  string `json:"device,omitempty" doc:"For FreeTAKServer's API: mobile, wintak, or api for whom its /APIUser made"`
	Package string `json:"package,omitempty" doc:"Package that was made for the user and is kept: see /api/v1/connection-packages"`
}

// Membership says in which direction a user is in a group.
type Membership struct {
	Group string `json:"group" minLength:"1" maxLength:"256" example:"Blue"`
	In    *bool  `json:"in,omitempty" doc:"The user's events go to the group; true when it is left out"`
	Out   *bool  `json:"out,omitempty" doc:"The user gets what goes to the group; true when it is left out"`
}

func userOf(u identity.User) User {
	return User{
		Name: u.Name, FullName: u.FullName, Roles: append([]string{}, u.Roles...), Groups: membershipsOf(u.Groups),
		Disabled: u.Disabled, HasPassword: u.HasPassword, Created: u.Created, Changed: u.Changed, Expires: u.Expires,
		UID: u.UID, Team: u.Team, Device: u.Device, Package: u.Package,
	}
}

func membershipsOf(list []identity.Membership) []Membership {
	out := make([]Membership, len(list))
	for i, m := range list {
		out[i] = Membership{m.Group, &m.In, &m.Out}
	}
	return out
}

// memberships reads what a request says. A direction that is left out is open.
func memberships(list []Membership) ([]identity.Membership, error) {
	out := make([]identity.Membership, 0, len(list))
	for _, m := range list {
		k := identity.Membership{Group: m.Group, In: m.In == nil || *m.In, Out: m.Out == nil || *m.Out}
		switch {
		case !k.In && !k.Out:
			return nil, invalidf("groups: %s is neither in nor out: leave it out of the list", clip(m.Group))
		case slices.ContainsFunc(out, func(o identity.Membership) bool { return o.Group == m.Group }):
			return nil, invalidf("groups: %s is there twice", clip(m.Group))
		}
		out = append(out, k)
	}
	return out, nil
}

// UserInput is what a request to create a user brings.
type UserInput struct {
	Name     string       `json:"name" minLength:"1" maxLength:"64" doc:"Letters, digits, . _ - @ and space; unique without regard to case" example:"ann"`
	FullName string       `json:"full_name,omitempty" maxLength:"256" example:"Ann Example"`
	Password string       `json:"password,omitempty" maxLength:"1024" doc:"None: the user can only be enrolled" example:"correct horse battery"`
	Roles    []string     `json:"roles,omitempty" maxItems:"4" enum:"admin,operator,user,readonly" doc:"None: user" example:"[\"user\"]"`
	Groups   []Membership `json:"groups,omitempty" maxItems:"1024" doc:"None: __ANON__ both ways"`
	Disabled bool         `json:"disabled,omitempty"`
	Expires  *time.Time   `json:"expires,omitempty" doc:"When the account ends by itself" example:"2027-01-01T00:00:00Z"`
	UID      string       `json:"uid,omitempty" maxLength:"256" doc:"For FreeTAKServer's API; none: one is made"`
	Team     string       `json:"team,omitempty" maxLength:"64" example:"Cyan"`
	Device   string       `json:"device,omitempty" enum:"mobile,wintak" doc:"For FreeTAKServer's API"`
}

// UserChange is what a request to change a user brings. What is left out stays.
type UserChange struct {
	FullName *string       `json:"full_name,omitempty" maxLength:"256"`
	Roles    *[]string     `json:"roles,omitempty" maxItems:"4" enum:"admin,operator,user,readonly"`
	Groups   *[]Membership `json:"groups,omitempty" maxItems:"1024" doc:"In the place of all that there were"`
	Disabled *bool         `json:"disabled,omitempty"`
	Expires  *string       `json:"expires,omitempty" doc:"RFC 3339; an empty text takes the end away" example:"2027-01-01T00:00:00Z"`
	Team     *string       `json:"team,omitempty" maxLength:"64"`
	Device   *string       `json:"device,omitempty" enum:"mobile,wintak,"`
}

// apply makes the change.
func (c *UserChange) apply(u *identity.User) error {
	set(&u.FullName, c.FullName)
	set(&u.Disabled, c.Disabled)
	set(&u.Team, c.Team)
	set(&u.Device, c.Device)
	if c.Roles != nil {
		u.Roles = *c.Roles
	}
	if c.Groups != nil {
		groups, err := memberships(*c.Groups)
		if err != nil {
			return err
		}
		u.Groups = groups
	}
	if c.Expires != nil {
		u.Expires = nil
		if *c.Expires != "" {
			at, err := time.Parse(time.RFC3339, *c.Expires)
			if err != nil {
				return invalidf("expires: %q is no time such as 2027-01-01T00:00:00Z", clip(*c.Expires))
			}
			u.Expires = &at
		}
	}
	return nil
}

func set[T any](to *T, v *T) {
	if v != nil {
		*to = *v
	}
}

// plain says whether somebody is no more than a user: operators may bring such
// people on.
func plain(u identity.User) bool {
	return len(u.Roles) == 0 || len(u.Roles) == 1 && u.Roles[0] == roleUser
}

// isAnon says whether a group is the one that everybody is in who has no other.
func isAnon(group string) bool { return group == hostapi.AnonGroupName }
