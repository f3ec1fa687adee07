package main

import (
	"iter"
	"slices"
	"strings"

	"github.com/takhost/takhost/sdk"
)

// FreeTAKServer's endpoints (spec/rest.md 8.1, 8.2), as its web UI uses them. There
// PrimaryKey is the name of the file.

// ftsList lists packages, private ones too for those who may change them.
func (p *plugin) ftsList(c *sdk.Call, _ *sdk.Request, w *sdk.Response) error {
	j := w.JSON().Object().Key("json_list").Array()
	_, err := look(c).search(&filter{keywords: []*pattern{{text: packageKeyword}}}, j, func(f *file, j *sdk.JSON) {
		privacy := int64(0)
		if f.private() {
			privacy = 1
		}
		j.Object().Key("PrimaryKey").Text(f.name).Key("SubmissionUser").Text(f.user()).Key("Size").Int(f.size).Key("Privacy").Int(privacy).
			Key("SubmissionDateTime").Text(f.added.UTC().Format(httpDate)).Key("Name").Text(f.name).Key("Hash").Text(f.hash).End()
	})
	return err
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
		f.mime = packageType
	}
	if err := p.add(c, f); err != nil {
		return err
	}
	w.JSON().Object().Key("message").Text("success").Key("id").Text(f.id())
	return nil
}

// mostItems bounds the packages of one request, as each of them takes some operations of
// the host to find and thirteen to delete.
const mostItems = 50

// ftsNamed gives the packages that the items of a request name, each one once.
func ftsNamed(e *eye, in sdk.Fields, do func(in sdk.Fields, found []*file) error) error {
	n := 0
	for _, item := range in.Loose().Objects("DataPackages") {
		hash := item.TextOr("hash", item.TextOr("Hash", ""))
		name := item.TextOr("PrimaryKey", "")
		if n++; n > mostItems {
			return sdk.Limitf("at most %d packages can be named at once", mostItems)
		}
		var found []*file
		var err error
		switch {
		case hash != "":
			found, err = e.toChange(hash, mostItems)
		case name == "":
			item.Faultf("PrimaryKey", "is missing, and hash too")
		default:
			found, err = e.ftsByName(name)
		}
		if err == nil {
			err = do(item, found)
		}
		if err != nil {
			return err
		}
	}
	return in.Err()
}

// ftsByName gives the packages of a name that one sender has: the caller, if he has one,
// or else, of those that an operator may change, who sent the latest. The web interface
// gives the name of the row that its user sees, and he means no more than that. What is
// no name may be a number.
func (e *eye) ftsByName(name string) (found []*file, err error) {
	if len(name) > maxText {
		return nil, errNoFile
	}
	for _, some := range []iter.Seq2[*file, error]{e.mine("by-name", name), e.seen(e.is("by-name", name).Descending())} {
		others := false
		for f, err := range some {
			if err != nil {
				return nil, err
			}
			switch {
			case !f.isPackage() || len(found) > 0 && f.submitter != found[0].submitter:
			case !e.mayChange(f):
				others = true
			default:
				found = append(found, f)
			}
			if len(found) > mostItems {
				return nil, tooMany(mostItems)
			}
		}
		if len(found) > 0 {
			return found, nil
		}
		if others {
			return nil, errNotYours
		}
	}
	f, err := e.byID(name)
	if err == nil && !e.mayChange(f) {
		err = errNotYours
	}
	if sdk.Is(err, sdk.NotFound) {
		err = errNoFile
	}
	return []*file{f}, err
}

func (p *plugin) ftsChange(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	left := mostChanged
	err := ftsNamed(look(c), r.Fields(), func(in sdk.Fields, found []*file) error {
		privacy := in.TextOr("Privacy", "", sdk.OneOf("0", "1", "true", "false", "True", "False", ""))
		name := cleanName(in.TextOr("Name", ""))
		keywords, err := ftsKeywords(in)
		if err != nil {
			return err
		}
		if err := r.Err(); err != nil {
			return err
		}
		if left -= len(found); left < 0 {
			return tooMany(mostChanged)
		}
		return change(c, found, func(f *file) {
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
		})
	})
	if err != nil {
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
	err := ftsNamed(e, r.Fields(), func(_ sdk.Fields, found []*file) error {
		for _, f := range found {
			if !slices.ContainsFunc(all, func(had *file) bool { return had.key == f.key }) {
				all = append(all, f)
			}
		}
		if len(all) > mostDeleted {
			return tooMany(mostDeleted)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := e.remove(all...); err != nil {
		return err
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
	f, err := look(c).one(name)
	if sdk.Is(err, sdk.NotFound) {
		return sdk.NotFoundf("there is no package %s", shown(name))
	}
	if err != nil {
		return err
	}
	if _, err := p.announce(c, f, receivers{all: true}); err != nil {
		return err
	}
	w.JSON().Object().Key("message").Text("success")
	return nil
}
