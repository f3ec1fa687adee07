package marti

import (
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/onboard"
)

// The administration of device profiles, as the official server's web pages and
// scripts made for it use it (6). Types of envelopes are the names of its classes.
const (
	profileType   = "Profile"
	fileType      = "ProfileFile"
	directoryType = "ProfileDirectory"
	textsType     = "String"

	// allGroups in a list of groups means everybody.
	allGroups = "APPLY_TO_ALL_GROUPS"
)

// ProfileName is what operations on one profile are asked with. It is exported for
// huma.
type ProfileName struct {
	Name string `path:"name"`
}

type profileAddInput struct {
	ProfileName
	Group []string `query:"group,explode" doc:"Group whose members get it; it may be repeated, or a list with commas. APPLY_TO_ALL_GROUPS is everybody. Needed"`
}

type profileFileInput struct {
	ProfileName
	ID string `path:"id"`
}

type profileUploadInput struct {
	ProfileName
	FileName string `query:"filename" doc:"Name of the file; needed"`
}

type directoriesInput struct {
	ProfileName
	Directories string `path:"directories"`
}

func (a *api) profileAdminOperations() {
	const base = "/Marti/api/device/profile"
	make := func(method, path, id, summary, doc string, access func(huma.Operation) huma.Operation, answers map[string]*huma.Response) op {
		if answers != nil && strings.Contains(path, "{name}") {
			answers = with(answers, "404", "There is none")
		}
		return op{
			method: method, path: base + path, id: "device-profile" + id, tag: tagProfiles, on: onAll, access: access,
			summary: summary, doc: doc, answers: answers,
		}
	}
	one := ok[envelope[DeviceProfile]](a, "The profile")
	done := func() map[string]*huma.Response {
		return map[string]*huma.Response{"200": {Description: "Done, without a body"}}
	}

	add(a, make(http.MethodGet, "", "s", "Device profiles", "", forOperators, ok[envelope[[]DeviceProfile]](a, "The profiles, by id")), listProfiles)
	add(a, make(http.MethodGet, "/{name}", "", "A device profile", "", forOperators, one), oneProfile)
	o := make(http.MethodPost, "/{name}", "-add", "Add a device profile", "For enrolment, and active. One that is there stays as it is.", forAdmin, done())
	add(a, asMade(o), addProfile)
	o = make(http.MethodPut, "/{name}", "-set", "Change a device profile", "Its files stay.", forAdmin, done())
	o.body = jsonBody("What is to change: active, type, tool, groups", a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[DeviceProfile](), true, "DeviceProfile"))
	add(a, o, setProfile)
	add(a, make(http.MethodDelete, "/{name}", "-remove", "Remove a device profile", "The last part of the path is its id, or its name.", forAdmin, done()), removeProfile)

	add(a, make(http.MethodGet, "/{name}/files", "-files", "Files of a device profile", "", forOperators, ok[envelope[[]DeviceProfileFile]](a, "The files")), profileFiles)
	o = make(http.MethodPut, "/{name}/file", "-file-put", "Put a file into a device profile", "In the place of one of that name. It may be as large as limits.upload of the configuration allows.",
		forAdmin, ok[envelope[DeviceProfileFile]](a, "The file"))
	o.body = &huma.RequestBody{Required: true, Description: "The file", Content: map[string]*huma.MediaType{anyType: {Schema: &huma.Schema{Type: "string", Format: "binary"}}}}
	add(a, o, putProfileFile)
	add(a, make(http.MethodGet, "/{name}/file/{id}", "-file", "A file of a device profile", "", forOperators, okAs(anyType, "The file")), getProfileFile)
	add(a, make(http.MethodDelete, "/{name}/file/{id}", "-file-remove", "Take a file out of a device profile", "", forAdmin, done()), removeProfileFile)

	const noFolders = "This server gives tools no folders of its own: their files belong into profiles."
	add(a, make(http.MethodGet, "/directories", "-folders", "Folders that profiles may have", noFolders, forOperators, ok[envelope[[]string]](a, "An empty list")),
		func(c *call, _ *none) (*reply, error) { return enveloped(c.api, textsType, []string{}) })
	add(a, make(http.MethodGet, "/{name}/directories", "-directories", "Folders of a device profile", noFolders, forOperators, ok[envelope[[]ProfileDirectory]](a, "An empty list")),
		func(c *call, in *ProfileName) (*reply, error) {
			if _, err := c.profileNamed(in.Name); err != nil {
				return nil, err
			}
			return enveloped(c.api, directoryType, []ProfileDirectory{})
		})
	add(a, make(http.MethodDelete, "/{name}/directories", "-directories-remove", "Take the folders out of a device profile", noFolders, forAdmin, done()),
		func(c *call, in *ProfileName) (*reply, error) {
			_, err := c.profileNamed(in.Name)
			return empty(http.StatusOK), err
		})
	add(a, make(http.MethodPut, "/{name}/directories/{directories}", "-directories-set", "Give folders to a device profile", noFolders, forAdmin, done()),
		func(c *call, in *directoriesInput) (*reply, error) {
			if _, err := c.profileNamed(in.Name); err != nil {
				return nil, err
			}
			return nil, invalidf("Invalid Request: there is no folder %q; %s", in.Directories, noFolders)
		})
}

// asMade adds the answer to what was not there before.
func asMade(o op) op {
	o.answers["201"] = &huma.Response{Description: "Made, without a body"}
	delete(o.answers, "404")
	return o
}

// profileNamed gives a profile to those who may see all.
func (c *call) profileNamed(name string) (onboard.Profile, error) {
	if c.Profiles == nil || c.Keeper == nil {
		return onboard.Profile{}, notFoundf("Not Found: this server has no device profiles")
	}
	return c.Profiles.Profile(name)
}

func listProfiles(c *call, _ *none) (*reply, error) {
	list := []DeviceProfile{}
	if c.Profiles != nil {
		all, err := c.Profiles.Profiles(c)
		if err != nil {
			return nil, err
		}
		for i := range all {
			list = append(list, c.deviceProfile(&all[i]))
		}
	}
	slices.SortFunc(list, func(a, b DeviceProfile) int { return int(a.ID - b.ID) })
	return enveloped(c.api, profileType, list)
}

func oneProfile(c *call, in *ProfileName) (*reply, error) {
	v, err := c.profileNamed(in.Name)
	if err != nil {
		return nil, err
	}
	return enveloped(c.api, profileType, c.deviceProfile(&v))
}

func addProfile(c *call, in *profileAddInput) (*reply, error) {
	if _, err := c.profileNamed(in.Name); err == nil {
		return empty(http.StatusOK), nil
	} else if c.Keeper == nil {
		return nil, err
	}
	switch in.Name {
	case "connection", "directories", "tool":
		return nil, invalidf("Invalid Request: %q is no name for a device profile, its paths would mean something else", in.Name)
	}
	var groups []string
	for _, text := range in.Group {
		// A name may have a comma in it.
		if _, known := c.Identity.Group(text); known || text == allGroups {
			groups = append(groups, text)
			continue
		}
		for name := range strings.SplitSeq(text, ",") {
			if name = strings.TrimSpace(name); name != "" {
				groups = append(groups, name)
			}
		}
	}
	v := onboard.Profile{Name: in.Name, Kind: onboard.OnEnrolment, Active: true}
	if err := c.regroupProfile(&v, groups); err != nil {
		return nil, err
	}
	if err := c.Keeper.Add(c, c.actor(), v); err != nil {
		return nil, err
	}
	return empty(http.StatusCreated), nil
}

func setProfile(c *call, in *ProfileName) (*reply, error) {
	var change profileChange
	if err := c.readJSON(&change); err != nil {
		return nil, err
	}
	was, err := c.profileNamed(in.Name)
	if err != nil {
		return nil, err
	}
	if change.Name != nil && *change.Name != was.Name {
		return nil, invalidf("Invalid Request: the name of a device profile stays as it is")
	}
	err = c.Keeper.Set(c, c.actor(), in.Name, func(v *onboard.Profile) error { return c.changeProfile(v, &change) })
	if err != nil {
		return nil, err
	}
	return empty(http.StatusOK), nil
}

func removeProfile(c *call, in *ProfileName) (*reply, error) {
	name := in.Name
	if id, err := strconv.ParseInt(in.Name, 10, 64); err == nil && c.Profiles != nil {
		all, err := c.Profiles.Profiles(c)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(all, func(v onboard.Profile) bool { return v.ID == id }); i >= 0 {
			name = all[i].Name
		}
	}
	if _, err := c.profileNamed(name); err != nil {
		return nil, err
	}
	if err := c.Keeper.Remove(c, c.actor(), name); err != nil {
		return nil, err
	}
	return empty(http.StatusOK), nil
}
