package admin

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/web"
)

// Profile is a device profile without what its files hold.
type Profile struct {
	Name    string        `json:"name" example:"maps"`
	Kind    string        `json:"kind" enum:"enrollment,connection,tool" doc:"When clients take it: at enrolment, at each connection, or when they ask for the tool"`
	Tool    string        `json:"tool,omitempty" doc:"With the kind tool"`
	Groups  []string      `json:"groups" nullable:"false" doc:"Only for users of these; none: for everybody"`
	Active  bool          `json:"active"`
	Files   []ProfileFile `json:"files" nullable:"false"`
	Changed time.Time     `json:"changed"`
}

// ProfileFile is one file of a profile.
type ProfileFile struct {
	Name    string    `json:"name" example:"preferences.pref"`
	Size    int64     `json:"size" doc:"Bytes"`
	Hash    string    `json:"hash" doc:"SHA-256 of the content"`
	Changed time.Time `json:"changed"`
}

// ProfilePage is a page of the list of profiles.
type ProfilePage struct {
	Profiles []Profile `json:"profiles" nullable:"false"`
	Next     string    `json:"next,omitempty" doc:"Give it as after for the next page; absent on the last one"`
}

// ProfileInput is what a request to create or change a profile brings.
type ProfileInput struct {
	Kind   string   `json:"kind" enum:"enrollment,connection,tool" example:"enrollment"`
	Tool   string   `json:"tool,omitempty" maxLength:"64" doc:"With the kind tool: what asks for it"`
	Groups []string `json:"groups,omitempty" maxItems:"256" example:"[\"Blue\"]"`
	Active *bool    `json:"active,omitempty" doc:"true when it is left out"`
}

// NewProfile is what a request to create a profile brings.
type NewProfile struct {
	Name string `json:"name" minLength:"1" maxLength:"64" example:"maps"`
	ProfileInput
}

// InProfile names the profile in a path.
type InProfile struct {
	Name string `path:"name" maxLength:"64" doc:"Name of the profile" example:"maps"`
}

// InProfileFile names a file of a profile in a path.
type InProfileFile struct {
	InProfile
	File string `path:"file" maxLength:"256" doc:"Name of the file; of a tool's profile a path, its slashes written as %2F" example:"preferences.pref"`
}

func (r registrar) profiles() {
	const tag = "profiles"
	p := r.d.Profiles

	huma.Register(r.api, operators(r.op("GET", "/profiles", "profiles", tag, "Device profiles",
		"Files that clients take and import by themselves: settings, maps, certificates.")),
		func(ctx context.Context, in *struct{ web.Paging }) (*Answer[ProfilePage], error) {
			all, err := p.Profiles(ctx)
			if err != nil {
				return nil, problemOf(err)
			}
			var out []Profile
			for i := range all {
				out = append(out, profileOf(&all[i]))
			}
			list, next := page(sortedBy(out, func(v Profile) string { return sortKey(v.Name) }), in.Paging, func(v Profile) string { return sortKey(v.Name) })
			return answer(ProfilePage{list, next}, nil)
		})

	huma.Register(r.api, created(admins(r.op("POST", "/profiles", "profile-add", tag, "Add a device profile", "Without files; they are put one by one.", clash))),
		func(ctx context.Context, in *struct{ Body NewProfile }) (*Answer[Profile], error) {
			v := onboard.Profile{Name: in.Body.Name}
			if err := r.fill(&v, &in.Body.ProfileInput); err != nil {
				return nil, problemOf(err)
			}
			return r.shown(v.Name, p.Add(ctx, actor(ctx), v))
		})

	huma.Register(r.api, operators(r.op("GET", "/profiles/{name}", "profile", tag, "One device profile", "", missing)),
		func(_ context.Context, in *InProfile) (*Answer[Profile], error) { return r.shown(in.Name, nil) })

	huma.Register(r.api, admins(r.op("PUT", "/profiles/{name}", "profile-set", tag, "Change a device profile", "Its files stay.", missing)),
		func(ctx context.Context, in *struct {
			InProfile
			Body ProfileInput
		}) (*Answer[Profile], error) {
			return r.shown(in.Name, p.Set(ctx, actor(ctx), in.Name, func(v *onboard.Profile) error { return r.fill(v, &in.Body) }))
		})

	huma.Register(r.api, admins(r.op("DELETE", "/profiles/{name}", "profile-remove", tag, "Remove a device profile", "With its files. What clients have taken they keep.", missing)),
		func(ctx context.Context, in *InProfile) (*struct{}, error) {
			return nil, problemOf(p.Remove(ctx, actor(ctx), in.Name))
		})

	r.profileFiles()
	r.preferences()
}

// shown shows a profile after a change.
func (r registrar) shown(name string, err error) (*Answer[Profile], error) {
	if err != nil {
		return nil, problemOf(err)
	}
	v, err := r.d.Profiles.Profile(name)
	return answer(profileOf(&v), err)
}

// fill takes what a request says. Groups must be there: one that is misspelt
// would hide the profile from everybody.
func (r registrar) fill(v *onboard.Profile, in *ProfileInput) error {
	for _, g := range in.Groups {
		if _, ok := r.d.Identity.Group(g); !ok {
			return invalidf("groups: there is no group %s", clip(g))
		}
	}
	v.Kind, v.Tool, v.Groups, v.Active = onboard.Kind(in.Kind), in.Tool, in.Groups, in.Active == nil || *in.Active
	return nil
}

func profileOf(v *onboard.Profile) Profile {
	out := Profile{
		Name: v.Name, Kind: string(v.Kind), Tool: v.Tool, Groups: append([]string{}, v.Groups...), Active: v.Active,
		Files: []ProfileFile{}, Changed: v.Changed,
	}
	for _, f := range v.Files {
		out.Files = append(out.Files, ProfileFile{f.Name, f.Size, f.Hash, f.Changed})
	}
	return out
}
