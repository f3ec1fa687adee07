package marti

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/hostapi"
)

const tagProfiles = "profiles"

// ProfileQuery is what all profile operations are asked with. It is exported for
// huma, which looks into exported structs alone.
type ProfileQuery struct {
	SyncSecAgo string `query:"syncSecago" doc:"Files that changed within so many seconds; -1, the default, is all"`
	ClientUID  string `query:"clientUid" doc:"UID of the device"`
}

type toolInput struct {
	Tool string `path:"tool"`
	ProfileQuery
}

type fileInput struct {
	Tool     string   `path:"tool"`
	Path     []string `query:"relativePath,explode" doc:"Path of a file; it may be repeated; needed"`
	Modified string   `header:"If-Modified-Since" doc:"Files that changed later"`
	ProfileQuery
}

func (a *api) profileOperations() {
	get := func(path, id, summary string, on []string) op {
		return op{
			method: http.MethodGet, path: path, id: id, tag: tagProfiles, on: on, summary: summary,
			doc:     "A mission package with the files of all profiles for the caller's groups.",
			answers: with(with(okAs(zipType, "The package"), "204", "There is nothing for the caller"), "304", "The caller has it"),
		}
	}
	o := get("/Marti/api/tls/profile/enrollment", "profile-enrolment", "Files for a device that was enrolled", onEnrol)
	o.access = enrolling
	add(a, o, func(c *call, in *ProfileQuery) (*reply, error) {
		return c.profile(onboard.Wanted{Kind: onboard.OnEnrolment}, in)
	})
	add(a, get("/Marti/api/device/profile/connection", "profile-connection", "Files for a device that connects", onAll),
		func(c *call, in *ProfileQuery) (*reply, error) {
			return c.profile(onboard.Wanted{Kind: onboard.OnConnection}, in)
		})
	add(a, get("/Marti/api/device/profile/tool/{tool}", "profile-tool", "Files for a tool of the client", onAll),
		func(c *call, in *toolInput) (*reply, error) {
			return c.profile(onboard.Wanted{Kind: onboard.OfTool, Tool: in.Tool}, &in.ProfileQuery)
		})
	for _, f := range []struct {
		path, id string
		on       []string
		access   func(huma.Operation) huma.Operation
	}{
		{"/Marti/api/device/profile/tool/{tool}/file", "profile-file", onAll, nil},
		{"/Marti/api/tls/profile/tool/{tool}/file", "profile-file-enrolment", onEnrol, enrolling},
	} {
		o := get(f.path, f.id, "Single files for a tool of the client", f.on)
		o.doc, o.access = "One file as it is, or a mission package of several.", f.access
		o.answers = with(with(okAs(anyType, "The file"), "304", "None of them changed since"), "404", "There is no such file")
		add(a, o, profileFile)
	}
}

// wanted completes what a caller asks for.
func (c *call) wanted(w onboard.Wanted, q *ProfileQuery) (onboard.Wanted, error) {
	ago, err := number("syncSecago", q.SyncSecAgo, -1)
	if err != nil {
		return w, err
	}
	if ago >= 0 {
		w.Since = c.Now().Add(-time.Duration(min(ago, maxAgo)) * time.Second)
	}
	w.Groups = c.outGroups()
	return w, nil
}

// outGroups gives the names of the groups that the caller sees.
func (c *call) outGroups() (list []string) {
	groups := c.groupsByID()
	for _, id := range c.Groups.Members(hostapi.SetID(c.caller.OutSet)) {
		if g, known := groups[id]; known {
			list = append(list, g.Name)
		}
	}
	return list
}

// chosenProfiles gives the profiles of the caller's groups.
func (c *call) chosenProfiles(w onboard.Wanted) ([]onboard.Profile, error) {
	if c.Profiles == nil {
		return nil, nil
	}
	all, err := c.Profiles.Profiles(c)
	if err != nil {
		return nil, err
	}
	return onboard.Choose(all, w), nil
}

// profile answers with the package of all files, 204 if there are none: ATAK
// takes both for success (6).
func (c *call) profile(w onboard.Wanted, q *ProfileQuery) (*reply, error) {
	w, err := c.wanted(w, q)
	if err != nil {
		return nil, err
	}
	list, err := c.chosenProfiles(w)
	if err != nil {
		return nil, err
	}
	if w.Kind == onboard.OnEnrolment {
		prefs, err := c.channelPrefs()
		if err != nil {
			return nil, err
		}
		list = append(list, prefs...)
	}
	return c.packed(time.Time{}, w.PackageName(), list...)
}

// packed answers with a package of profiles. Its content is opened before, as a
// file that is lost could only cut the answer short later.
func (c *call) packed(modified time.Time, name string, list ...onboard.Profile) (*reply, error) {
	a, err := onboard.Zip(name, list...)
	if err != nil {
		return nil, err
	}
	if a == nil {
		return empty(http.StatusNoContent), nil
	}
	for _, hash := range a.Hashes() {
		f, err := c.openFile(hash)
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			return nil, err
		}
	}
	return zipped(func(c *call) {
		r := a.Open(c.openFile)
		defer r.Close()
		web.ServeContent(c.w, c.r, a.Tag(), modified, r)
		if err := r.Err(); err != nil && c.Err() == nil {
			c.Log.Error("package of device profiles cut short", slog.String("package", name), slog.Any("err", err))
		}
	}), nil
}

// openFile opens the content of a file. That it is not there is a failure of the
// server, as its profile is.
func (c *call) openFile(hash string) (io.ReadSeekCloser, error) {
	f, err := c.Profiles.Open(c, hash)
	if err != nil {
		return nil, fmt.Errorf("open a file of a device profile: %v", err) // without its code
	}
	return f, nil
}

func zipped(serve func(*call)) *reply {
	return (&reply{contentType: zipType, serve: serve}).set("Content-Disposition", "attachment; filename="+onboard.ZipName)
}

// channelPrefs makes ATAK show its channels to those who have any to choose
// from; it hides them otherwise.
func (c *call) channelPrefs() ([]onboard.Profile, error) {
	own := func(ch identity.Channel) bool { return ch.Group.ID != hostapi.AnonGroup }
	_, user := c.enrolled()
	if !slices.ContainsFunc(c.Identity.Channels(user, ""), own) {
		return nil, nil
	}
	host := c.hostname()
	if r, err := c.Core.Reach(); err == nil {
		host = r.Host
	}
	b, err := new(onboard.Prefs).Group(onboard.AppPrefs).
		Set("prefs_enable_channels", "true").Set("prefs_enable_channels_host-"+host, "true").Bytes()
	if err != nil {
		return nil, fmt.Errorf("write preferences: %w", err)
	}
	return []onboard.Profile{{
		Name: "channels", Kind: onboard.OnEnrolment, Active: true, Files: []onboard.File{onboard.Made("enable-channels.pref", b)},
	}}, nil
}

func profileFile(c *call, in *fileInput) (*reply, error) {
	if len(in.Path) == 0 {
		return nil, invalidf("Invalid Request: relativePath is needed")
	}
	w, err := c.wanted(onboard.Wanted{Kind: onboard.OfTool, Tool: in.Tool}, &in.ProfileQuery)
	if err != nil {
		return nil, err
	}
	list, err := c.chosenProfiles(w)
	if err != nil {
		return nil, err
	}
	files, err := onboard.Pick(list, in.Path, time.Time{})
	if errors.Is(err, onboard.ErrNoFile) || err == nil && len(files) == 0 {
		return empty(http.StatusNotFound), nil
	}
	if err != nil {
		return nil, err
	}
	newest := onboard.Newest(files)
	// Who names a tag goes by that.
	if since, err := http.ParseTime(in.Modified); err == nil && c.r.Header.Get("If-None-Match") == "" {
		// The header has whole seconds, and what changed within that one is known.
		if files, err = onboard.Pick(list, in.Path, since.Add(time.Second-1)); err != nil {
			return nil, err
		}
	}
	switch len(files) {
	case 0:
		return empty(http.StatusNotModified).set("Last-Modified", newest.UTC().Format(http.TimeFormat)), nil
	case 1:
		return c.single(&files[0])
	}
	return c.packed(newest, "multiFile", onboard.Profile{Name: "multiFile", Kind: onboard.OfTool, Tool: in.Tool, Active: true, Files: files})
}

// single answers with a file as it is.
func (c *call) single(f *onboard.File) (*reply, error) {
	content, err := f.Open(c.openFile)
	if err != nil {
		return nil, err
	}
	name := path.Base(f.Name)
	contentType := mime.TypeByExtension(path.Ext(name))
	if contentType == "" {
		contentType = anyType
	}
	return (&reply{contentType: contentType, serve: func(c *call) {
		defer content.Close()
		web.ServeContent(c.w, c.r, f.Hash, f.Changed, content)
	}}).set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name})), nil
}
