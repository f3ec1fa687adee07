package main

import (
	"slices"
	"strings"

	"github.com/takhost/takhost/sdk"
)

// The official server's file manager, of which CloudTAK uses a part.

// managed gives all files that show in the manager for these parameters.
func managed(c *sdk.Call, r *sdk.Request) ([]*file, error) {
	in := paramsOf(r)
	f := &filter{work: mostWork, mission: in.text("mission")}
	if in.text("missionPackage") == "true" {
		f.keywords = []*pattern{{text: packageKeyword}}
	}
	name := strings.ToLower(in.text("name"))
	if err := r.Err(); err != nil {
		return nil, err
	}
	found, err := look(c).search(f)
	return slices.DeleteFunc(found, func(x *file) bool { return !strings.Contains(strings.ToLower(x.name), name) }), err
}

func (p *plugin) filesList(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	in := r.Query()
	page, limit := in.IntOr("page", 1, sdk.Between(0, 1e6)), in.IntOr("limit", 100, sdk.Between(1, mostFound))
	by := strings.ToLower(in.TextOr("sort", ""))
	up := in.BoolOr("ascending", false)
	found, err := managed(c, r)
	if err != nil {
		return err
	}
	arrange(found, by, up)
	from := min((max(page, 1)-1)*limit, int64(len(found)))
	j := envelope(w, "java.util.Map").Array()
	names := map[int32][]string{}
	for _, f := range found[from:min(from+limit, int64(len(found)))] {
		groups := f.groups
		if len(groups) == 0 {
			known, ok := names[f.set]
			if !ok {
				if known, err = groupsOf(c, f.set); err != nil {
					return err
				}
				names[f.set] = known
			}
			groups = known
		}
		f.writeRow(j, groups)
	}
	return nil
}

// arrange sorts by a column. The latest is first unless something else is asked for.
func arrange(files []*file, by string, up bool) {
	value := map[string]func(*file) string{
		"name": func(f *file) string { return strings.ToLower(f.name) }, "user": (*file).user, "creator": func(f *file) string { return f.creator },
		"mimetype": func(f *file) string { return f.mime }, "hash": func(f *file) string { return f.hash },
		"keywords": func(f *file) string { return joined(f.keywords) },
	}[by]
	slices.SortStableFunc(files, func(a, b *file) int {
		n := 0
		switch {
		case value != nil:
			n = strings.Compare(value(a), value(b))
		case by == "size":
			n = compare(a.size, b.size)
		case by == "expiration":
			n = compare(a.expirySeconds(), b.expirySeconds())
		default:
			n = a.added.Compare(b.added)
		}
		if !up {
			n = -n
		}
		return n
	})
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (p *plugin) filesCount(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	found, err := managed(c, r)
	if err != nil {
		return err
	}
	envelope(w, "java.lang.Integer").Int(int64(len(found)))
	return nil
}

func (p *plugin) filesDelete(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	e := look(c)
	found, err := e.byHash(r.Param("hash"))
	if err != nil {
		return err
	}
	if err := e.remove(found...); err != nil {
		return err
	}
	envelope(w, "java.lang.String").Text(r.Param("hash"))
	return nil
}

// filesChange changes keywords and expiration of a content. The user stays who he is.
func (p *plugin) filesChange(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	in := paramsOf(r)
	keywords, hasKeywords := in.list("keywords", "keyword"), in.query.Has("keywords") || in.query.Has("keyword")
	until := in.text("expiration")
	at := in.expiry(c.Now(), until)
	if err := r.Err(); err != nil {
		return err
	}
	e := look(c)
	found, err := e.byHash(r.Param("hash"))
	if err != nil {
		return err
	}
	if found, err = e.changeable(found); err != nil {
		return err
	}
	for _, f := range found[:min(len(found), mostChanged)] {
		was := f.isPackage()
		if hasKeywords {
			f.keywords = slices.Clone(keywords)
		}
		if f.isPackage() && !was {
			if err := checkPackage(c, f.hash); err != nil {
				return err
			}
		}
		if until != "" {
			f.expires = at
		}
		if err := f.save(c); err != nil {
			return err
		}
	}
	envelope(w, "java.lang.String").Text(r.Param("hash"))
	return nil
}
