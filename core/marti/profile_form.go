package marti

import (
	"slices"
	"strings"

	"github.com/takhost/takhost/core/onboard"
)

// kinds translates ours into the official server's.
var kinds = map[onboard.Kind]string{onboard.OnEnrolment: "Enrollment", onboard.OnConnection: "Connection", onboard.OfTool: "Tool"}

// DeviceProfile is a profile as the official server shows it.
type DeviceProfile struct {
	ID                int64    `json:"id" doc:"By which it is removed"`
	Name              string   `json:"name"`
	Active            bool     `json:"active"`
	ApplyOnEnrollment bool     `json:"applyOnEnrollment"`
	ApplyOnConnect    bool     `json:"applyOnConnect"`
	Type              string   `json:"type" enum:"Enrollment,Connection,Tool" doc:"When clients take it"`
	Updated           string   `json:"updated" example:"2026-01-01T00:00:00.000Z"`
	Tool              *string  `json:"tool" doc:"With the type Tool"`
	Groups            []string `json:"groups" nullable:"false" doc:"Whose members get it; all groups there are when everybody does"`
}

// DeviceProfileFile is a file of one.
type DeviceProfileFile struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// ProfileDirectory is a folder of the server whose files a tool may ask for. This
// server has none.
type ProfileDirectory struct {
	ID   int64  `json:"id"`
	Path string `json:"path"`
}

// profileChange is what a PUT brings. What it leaves out stays.
type profileChange struct {
	Name   *string   `json:"name"`
	Active *bool     `json:"active"`
	Type   *string   `json:"type"`
	Tool   *string   `json:"tool"`
	Groups *[]string `json:"groups"`
}

func (c *call) deviceProfile(v *onboard.Profile) DeviceProfile {
	d := DeviceProfile{
		ID: v.ID, Name: v.Name, Active: v.Active, Type: kinds[v.Kind], Updated: stamp(v.Changed), Groups: append([]string{}, v.Groups...),
		ApplyOnEnrollment: v.Kind == onboard.OnEnrolment, ApplyOnConnect: v.Kind == onboard.OnConnection,
	}
	if v.Tool != "" {
		d.Tool = &v.Tool
	}
	if len(v.Groups) == 0 {
		d.Groups = c.groupNames()
	}
	return d
}

// groupNames gives the names of all groups, in their order.
func (c *call) groupNames() []string {
	list := []string{}
	for _, g := range c.Identity.Groups() {
		list = append(list, g.Name)
	}
	slices.Sort(list)
	return list
}

func (c *call) changeProfile(v *onboard.Profile, change *profileChange) error {
	if change.Type != nil {
		kind := onboard.Kind("")
		for ours, theirs := range kinds {
			if strings.EqualFold(*change.Type, theirs) {
				kind = ours
			}
		}
		if kind == "" {
			return invalidf("Invalid Request: type %.60q is none of Enrollment, Connection, Tool", *change.Type)
		}
		v.Kind = kind
	}
	if change.Tool != nil {
		v.Tool = *change.Tool
	}
	if v.Kind != onboard.OfTool {
		v.Tool = "" // what stands in a field that is switched off
	}
	if change.Active != nil {
		v.Active = *change.Active
	}
	if change.Groups != nil {
		return c.regroupProfile(v, *change.Groups)
	}
	return nil
}

// regroupProfile gives a profile to these groups. Nobody is none of them: here that
// would be everybody. Who gets a profile for everybody shown, and saves it, has not
// bound it to the groups of today.
func (c *call) regroupProfile(v *onboard.Profile, names []string) error {
	if slices.Contains(names, allGroups) {
		v.Groups = nil
		return nil
	}
	if len(names) == 0 {
		return invalidf("Invalid Request: name the groups that get the profile, or %s for everybody", allGroups)
	}
	groups := []string{}
	for _, name := range names {
		g, known := c.Identity.Group(name)
		if !known {
			return invalidf("Invalid Request: there is no group %q", name)
		}
		if !slices.Contains(groups, g.Name) {
			groups = append(groups, g.Name)
		}
	}
	if len(v.Groups) == 0 && v.ID != 0 && len(groups) == len(c.groupNames()) {
		return nil
	}
	v.Groups = groups
	return nil
}
