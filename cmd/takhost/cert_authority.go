package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	rest "github.com/takhost/takhost/core/admin"
)

const caPath = "/api/v1/ca"

type certCACmd struct {
	sourceFlags
	List bool   `help:"List all authorities that are trusted, also the former one of a rollover and foreign ones."`
	Out  string `short:"o" default:"-" placeholder:"FILE" help:"Where to write it; - is the standard output."`
	JSON bool   `help:"With --list: write JSON."`
}

// Run writes or lists.
func (c *certCACmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	if !c.List {
		return a.save(ctx, std, caPath, c.Out)
	}
	var list rest.AuthorityList
	if err := a.get(ctx, caPath+"/authorities", nil, &list); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std, list.Authorities)
	}
	return tellAuthorities(std, &list)
}

func tellAuthorities(std streams, list *rest.AuthorityList) error {
	t := newTable("AUTHORITY", "ISSUES", "ENDS")
	for i := range list.Authorities {
		k := &list.Authorities[i]
		t.row(k.Subject, yes(k.Issues), local(&k.NotAfter))
	}
	return t.write(std, "there are none")
}

// save writes an answer to a file that is not there yet.
func (a *admin) save(ctx context.Context, std streams, path, out string) error {
	file := outFile{path: out}
	if err := file.free(); err != nil {
		return err
	}
	b, err := a.bytes(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	return file.write(std, b)
}

type certCRLCmd struct {
	sourceFlags
	Out string `short:"o" default:"-" placeholder:"FILE" help:"Where to write it; - is the standard output."`
}

// Run writes.
func (c *certCRLCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	return a.save(ctx, std, "/api/v1/crl", c.Out)
}

type certRolloverCmd struct {
	sourceFlags
	Step string `arg:"" optional:"" enum:"begin,finish" default:"begin" help:"begin: issue by a new authority from now on, and trust both. finish: trust the former one no longer."`
	Yes  bool   `help:"Finish although devices are shut out by that."`
	JSON bool   `help:"Write JSON."`
}

// Run begins or finishes.
func (c *certRolloverCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	path := caPath + "/rollover"
	if c.Step == "finish" {
		path += "/finish"
		if !c.Yes {
			if err := c.check(ctx, a); err != nil {
				return err
			}
		}
	}
	var list rest.AuthorityList
	if err := a.do(ctx, http.MethodPost, path, nil, nil, &list); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std, list.Authorities)
	}
	if err := tellAuthorities(std, &list); err != nil || c.Step == "finish" {
		return err
	}
	return said(std, "\nboth are trusted until takhost cert rollover finish%s; until then all devices\nhave to enrol anew, or get the new authority by a package", c.again())
}

// check tells who would be shut out.
func (c *certRolloverCmd) check(ctx context.Context, a *admin) error {
	var list rest.AuthorityList
	if err := a.get(ctx, caPath+"/authorities", nil, &list); err != nil {
		return err
	}
	former := func(issuer string) bool {
		return slices.ContainsFunc(list.Authorities, func(k rest.Authority) bool { return k.Subject == issuer && !k.Issues })
	}
	certificates, err := a.certificates(ctx, url.Values{"state": {"active"}})
	if err != nil {
		return err
	}
	old, who := 0, ""
	for i := range certificates {
		if k := &certificates[i]; former(k.Issuer) {
			old++
			who = k.User
		}
	}
	if old == 0 {
		return nil
	}
	return fmt.Errorf("%s of the former authority would be shut out, such as one of %s: have them enrol anew (takhost cert list --state active --json tells the issuer of each), or finish with --yes",
		number(old, "certificate"), who)
}
