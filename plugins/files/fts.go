package main

import (
	"slices"
	"strings"

	"github.com/takhost/takhost/sdk"
)

// FreeTAKServer's endpoints (spec/rest.md 8.1, 8.2), as its web UI uses them. There
// PrimaryKey is the name of the file.

// ftsList lists packages, private ones too for those who may change them.
func (p *plugin) ftsList(c *sdk.Call, _ *sdk.Request, w *sdk.Response) error {
	found, err := look(c).search(&filter{work: mostWork, keywords: []*pattern{{text: packageKeyword}}})
	if err != nil {
		return err
	}
	j := w.JSON().Object().Key("json_list").Array()
	for _, f := range found {
		privacy := int64(0)
		if f.private() {
			privacy = 1
		}
		j.Object().Key("PrimaryKey").Text(f.name).Key("SubmissionUser").Text(f.user()).Key("Size").Int(f.size).Key("Privacy").Int(privacy).
			Key("SubmissionDateTime").Text(f.added.UTC().Format(httpDate)).Key("Name").Text(f.name).Key("Hash").Text(f.hash).End()
	}
	return nil
}

func (p *plugin) ftsAdd(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	ref, err := taken(c, r)
	if err != nil {
		return err
	}
	f, err := p.described(c, r, ref)
	if err != nil {
		return err
	}
	if f.creator == "" {
		f.creator = "server"
	}
	if !f.isPackage() {
		f.keywords = append(f.keywords, packageKeyword)
	}
	if f.mime == unknownType {
		f.mime = "application/x-zip-compressed"
	}
	if err := p.add(c, f); err != nil {
		return err
	}
	w.JSON().Object().Key("message").Text("success").Key("id").Text(f.id())
	return nil
}

// ftsNamed gives the files that an item of a request names: by hash, or else by its
// PrimaryKey, the name.
func ftsNamed(e *eye, in sdk.Fields) (found []*file, err error) {
	hash := in.TextOr("hash", in.TextOr("Hash", ""))
	name := in.TextOr("PrimaryKey", "")
	switch {
	case hash != "":
		found, err = e.byHash(hash)
	case name == "":
		in.Faultf("PrimaryKey", "is missing, and hash too")
		return nil, nil
	case len(name) <= maxText:
		found, err = e.find("by-name", name)
		if err == nil && len(found) == 0 {
			if f, err := e.byID(name); err == nil {
				found = append(found, f)
			} else if !sdk.Is(err, sdk.NotFound) {
				return nil, err
			}
		}
	}
	if err != nil {
		return nil, err
	}
	return e.changeable(found)
}

func (p *plugin) ftsChange(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	e := look(c)
	left := mostChanged
	for _, in := range r.Fields().Loose().Objects("DataPackages") {
		found, err := ftsNamed(e, in)
		if err != nil {
			return err
		}
		privacy := in.TextOr("Privacy", "", sdk.OneOf("0", "1", "true", "false", "True", "False", ""))
		name := cleanName(in.TextOr("Name", ""))
		keywords, err := ftsKeywords(in)
		if err != nil {
			return err
		}
		if err := r.Err(); err != nil {
			return err
		}
		for _, f := range found {
			if left--; left < 0 {
				return sdk.Limitf("at most %d packages can be changed at once", mostChanged)
			}
			switch privacy {
			case "":
			case "0", "false", "False":
				f.tool = publicTool
			default:
				f.tool = privateTool
			}
			if name != "" {
				f.name = name
			}
			if keywords != nil {
				f.keywords = keywords
			}
			if err := f.save(c); err != nil {
				return err
			}
		}
	}
	if err := r.Err(); err != nil {
		return err
	}
	w.JSON().Object().Key("message").Text("success")
	return nil
}

// ftsKeywords reads Keywords: a list, or a text with commas. What is a package stays
// one.
func ftsKeywords(in sdk.Fields) ([]string, error) {
	if !in.Has("Keywords") {
		return nil, nil
	}
	var list []string
	if n := in.Node().Child("Keywords"); n.NumChildren() > 0 {
		list = in.Texts("Keywords")
	} else {
		for one := range strings.SplitSeq(in.TextOr("Keywords", ""), ",") {
			if one = strings.TrimSpace(one); one != "" {
				list = append(list, one)
			}
		}
	}
	if len(list) >= maxList || slices.ContainsFunc(list, func(s string) bool { return len(s) > maxText }) {
		return nil, sdk.Invalidf("Keywords: are too many, or one is too long")
	}
	if !slices.Contains(list, packageKeyword) {
		list = append(list, packageKeyword)
	}
	return list, nil
}

func (p *plugin) ftsDelete(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	e := look(c)
	var all []*file // found before any is deleted: an item may be there twice
	for _, in := range r.Fields().Loose().Objects("DataPackages") {
		found, err := ftsNamed(e, in)
		if err != nil {
			return err
		}
		for _, f := range found {
			if !slices.ContainsFunc(all, func(had *file) bool { return had.key == f.key }) {
				all = append(all, f)
			}
		}
		if len(all) > mostChanged {
			return sdk.Limitf("at most %d packages can be deleted at once", mostChanged)
		}
	}
	if err := r.Err(); err != nil {
		return err
	}
	if len(all) > 0 {
		if err := e.remove(all...); err != nil {
			return err
		}
	}
	w.JSON().Object().Key("message").Text("success")
	return nil
}

// ftsBroadcast announces a package to all who may have it.
func (p *plugin) ftsBroadcast(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	in, body := paramsOf(r), r.Fields().Loose()
	name := in.text("uid", "hash")
	if name == "" {
		name = body.TextOr("uid", body.TextOr("hash", ""))
	}
	if err := r.Err(); err != nil {
		return err
	}
	if name == "" {
		return sdk.Invalidf("uid: the uid or the hash of the package is missing")
	}
	found, err := look(c).byHash(name)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return sdk.NotFoundf("there is no package %s", clip(name, 64))
	}
	if _, _, err := p.announce(c, found[0], receivers{all: true}); err != nil {
		return err
	}
	w.JSON().Object().Key("message").Text("success")
	return nil
}
