package main

import (
	"slices"
	"strings"
	"time"

	"github.com/takhost/takhost/sdk"
)

// The clean API, /api/v1/files.

// list gives one page. It ends when it is full, or has taken its time; it may be short
// then, or empty, and has a next one.
func (p *plugin) list(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	in := r.Query()
	limit, after := in.IntOr("limit", 100, sdk.Between(1, 1000)), in.TextOr("after", "", sdk.AtMost(1024))
	name, hash := in.TextOr("name", ""), strings.ToLower(in.TextOr("hash", ""))
	keyword, tool, user := in.TextOr("keyword", ""), in.TextOr("tool", ""), in.TextOr("user", "")
	if err := r.Err(); err != nil {
		return err
	}
	e := look(c)
	q := e.files().By("by-time")
	switch {
	case hash != "":
		q = e.is("by-hash", hash)
	case name != "":
		q = e.is("by-name", name)
	case keyword == packageKeyword:
		q = e.files().By("packages")
	}
	q.Descending()
	j := w.JSON().Object().Key("files").Array()
	to := filling{j: j}
	for until := time.Now().Add(exprTime); ; {
		page, err := q.Limit(int(min(limit, mostSets))).After(after).Page()
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
			if !ok {
				continue
			}
			one := to.one()
			if err := e.writeClean(one, f); err != nil {
				return err
			}
			to.add()
			limit--
		}
		// A page of the store has a megabyte, and may be two here: so one more fits.
		if after = page.Next; after == "" || limit == 0 || to.size >= mostAnswer/3 || len(e.names) >= mostSets || !time.Now().Before(until) {
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
	return look(c).writeClean(w.Status(201).Header("Location", "/api/v1/files/"+f.id()).JSON(), f)
}

// show tells about one file, and what is in it if it is a data package.
func (p *plugin) show(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	e := look(c)
	f, err := e.byID(r.Param("id"))
	if err != nil {
		return err
	}
	j := w.JSON()
	if err := e.writeClean(j, f); err != nil || !f.isPackage() {
		return err
	}
	in, err := openPackage(c, f.hash)
	if err != nil {
		return err
	}
	in.write(j)
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
	return e.writeClean(w.JSON(), f)
}

// send announces a file to clients.
func (p *plugin) send(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	in := r.Fields()
	to := receivers{callsigns: in.Texts("callsigns"), uids: in.Texts("uids"), groups: in.Texts("groups"), all: in.BoolOr("all", false), wait: in.BoolOr("wait", false)}
	if err := r.Err(); err != nil {
		return err
	}
	f, err := look(c).byID(r.Param("id"))
	if err != nil {
		return err
	}
	is, err := p.announce(c, f, to)
	if err != nil {
		return err
	}
	w.JSON().Object().Key("event").Text(is.uid).Key("missing").Texts(is.missing).Key("waiting").Texts(is.waiting)
	return nil
}
