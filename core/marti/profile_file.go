package marti

import (
	"io"
	"net/http"
	"slices"
	"strconv"

	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/web"
)

func profileFiles(c *call, in *ProfileName) (*reply, error) {
	v, err := c.profileNamed(in.Name)
	if err != nil {
		return nil, err
	}
	list := []DeviceProfileFile{}
	for _, f := range v.Files {
		list = append(list, DeviceProfileFile{f.ID, f.Name})
	}
	slices.SortFunc(list, func(a, b DeviceProfileFile) int { return int(a.ID - b.ID) })
	return enveloped(c.api, fileType, list)
}

func putProfileFile(c *call, in *profileUploadInput) (*reply, error) {
	if _, err := c.profileNamed(in.Name); err != nil {
		return nil, err
	}
	if in.FileName == "" {
		return nil, invalidf("Invalid Request: filename is needed")
	}
	var f onboard.File
	problem := web.TakeUpload(c.w, c.r, c.Keeper.MaxFile(), func(from io.Reader) (err error) {
		f, err = c.Keeper.PutFile(c, c.actor(), in.Name, in.FileName, c.r.ContentLength, from)
		return err
	})
	if problem != nil {
		return nil, problem
	}
	return enveloped(c.api, fileType, DeviceProfileFile{f.ID, f.Name})
}

// fileOf finds a file by the number in a path.
func (c *call) fileOf(in *profileFileInput) (*onboard.File, error) {
	v, err := c.profileNamed(in.Name)
	if err != nil {
		return nil, err
	}
	id, err := strconv.ParseInt(in.ID, 10, 64)
	if i := slices.IndexFunc(v.Files, func(f onboard.File) bool { return f.ID == id }); err == nil && i >= 0 {
		return &v.Files[i], nil
	}
	return nil, notFoundf("Not Found: the profile has no file %.60q", in.ID)
}

func getProfileFile(c *call, in *profileFileInput) (*reply, error) {
	f, err := c.fileOf(in)
	if err != nil {
		return nil, err
	}
	rep, err := c.single(f)
	if err == nil {
		rep.contentType = anyType // whatever it is, a browser is not to show it
	}
	return rep, err
}

func removeProfileFile(c *call, in *profileFileInput) (*reply, error) {
	f, err := c.fileOf(in)
	if err != nil {
		return nil, err
	}
	if err := c.Keeper.RemoveFile(c, c.actor(), in.Name, f.Name); err != nil {
		return nil, err
	}
	return empty(http.StatusOK), nil
}
