package main

import (
	"slices"

	"github.com/takhost/takhost/sdk"
)

// The clean API, /api/v1/files.

// looksAt bounds the pages of the store that are looked through for one page of what
// the caller may read. It may come out shorter then, or empty, and has a next one.
const looksAt = 20

func (p *plugin) list(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	in := r.Query()
	limit, after := in.IntOr("limit", 100, sdk.Between(1, 1000)), in.TextOr("after", "")
	name, hash := in.TextOr("name", ""), in.TextOr("hash", "")
	keyword, tool, user := in.TextOr("keyword", ""), in.TextOr("tool", ""), in.TextOr("user", "")
	if err := r.Err(); err != nil {
		return err
	}
	e := look(c)
	q := e.files().By("by-time")
	switch {
	case hash != "":
		q = e.files().By("by-hash").Is(sdk.Text(hash))
	case name != "":
		q = e.files().By("by-name").Is(sdk.Text(name))
	case keyword == packageKeyword:
		q = e.files().By("packages")
	}
	q.Descending()
	j := w.JSON().Object().Key("files").Array()
	for range looksAt {
		page, err := q.Limit(int(limit)).After(after).Page()
		if err != nil {
			return err
		}
		for i := range page.Documents {
			f, err := parse(&page.Documents[i])
			if err != nil {
				return err
			}
			if name != "" && f.name != name || tool != "" && f.tool != tool || user != "" && f.submitter != user ||
				keyword != "" && !slices.Contains(f.keywords, keyword) || !e.lists(f) {
				continue
			}
			ok, err := e.sees(f)
			if err != nil {
				return err
			}
			if ok {
				f.writeClean(j).End()
				limit--
			}
		}
		if after = page.Next; after == "" || limit == 0 {
			break
		}
	}
	j.End()
	if after != "" {
		j.Key("next").Text(after)
	}
	return nil
}

func (p *plugin) upload(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	ref, err := taken(c, r)
	if err != nil {
		return err
	}
	f, err := p.described(c, r, ref)
	if err != nil {
		return err
	}
	if err := p.add(c, f); err != nil {
		return err
	}
	f.writeClean(w.Status(201).Header("Location", "/api/v1/files/"+f.id()).JSON())
	return nil
}

// show tells about one file, and what is in it if it is a data package.
func (p *plugin) show(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	f, err := look(c).byID(r.Param("id"))
	if err != nil {
		return err
	}
	j := f.writeClean(w.JSON())
	if !f.isPackage() {
		return nil
	}
	entries, err := c.Blobs().ZipList(f.hash)
	if err != nil {
		return err
	}
	j.Key("contents").Array()
	for i := range entries {
		j.Object().Key("name").Text(entries[i].Name).Key("size").Int(entries[i].Size).End()
	}
	return nil
}

func (p *plugin) download(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	f, err := look(c).byID(r.Param("id"))
	if err != nil {
		return err
	}
	give(w, f)
	return nil
}

func (p *plugin) deleteOne(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	e := look(c)
	f, err := e.byID(r.Param("id"))
	if err != nil {
		return err
	}
	if err := e.remove(f); err != nil {
		return err
	}
	f.writeClean(w.JSON())
	return nil
}

// send announces a file to clients.
func (p *plugin) send(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	in := r.Fields()
	to := receivers{callsigns: in.Texts("callsigns"), uids: in.Texts("uids"), groups: in.Texts("groups"), all: in.BoolOr("all", false)}
	if err := r.Err(); err != nil {
		return err
	}
	f, err := look(c).byID(r.Param("id"))
	if err != nil {
		return err
	}
	uid, missing, err := p.announce(c, f, to)
	if err != nil {
		return err
	}
	w.JSON().Object().Key("event").Text(uid).Key("missing").Texts(missing)
	return nil
}
