package main

import (
	"cmp"
	"context"
	"net/http"
	"time"
)

// dataPackagesPath is where data packages are made; packages to connect by are
// others.
const dataPackagesPath = "/api/v1/packages"

type filesPackCmd struct {
	sourceFlags
	Name    string   `arg:"" help:"Name of the package."`
	Event   []string `placeholder:"UID" sep:"none" help:"Put the latest archived event with this UID into it, or the event with this id. May be given several times."`
	File    []string `placeholder:"FILE" sep:"none" help:"Put this file of the server into it: id, SHA-256 or name. May be given several times."`
	Remarks string   `help:"What it is."`
	UID     string   `name:"uid" placeholder:"UID" help:"Its own UID. Without, one that is the same for the same contents."`
	Import  bool     `negatable:"" default:"true" help:"Have clients import what is in it when they get it (so without this flag)."`
	Delete  bool     `help:"Have clients delete the package when they have imported it."`
	aboutFlags
	offerFlags `embed:"" prefix:"send-"`
	JSON       bool `help:"Write JSON."`
}

// packInput is the body of the request.
type packInput struct {
	Name     string     `json:"name"`
	UID      string     `json:"uid,omitempty"`
	Remarks  string     `json:"remarks,omitempty"`
	Events   []string   `json:"events,omitempty"`
	Files    []string   `json:"files,omitempty"` // ids
	Keywords []string   `json:"keywords,omitempty"`
	Groups   []string   `json:"groups,omitempty"`
	Private  bool       `json:"private,omitempty"`
	Expires  *time.Time `json:"expires,omitempty"`
	Import   bool       `json:"import"`
	Delete   bool       `json:"delete,omitempty"`
}

// Run makes a package.
func (c *filesPackCmd) Run(ctx context.Context, std streams) error {
	if len(c.Event)+len(c.File) == 0 {
		return usagef("say what goes into it: --event UID, --file FILE")
	}
	if err := c.offerFlags.check(); err != nil {
		return err
	}
	a, err := c.files()
	if err != nil {
		return err
	}
	groups, expires, err := c.aboutFlags.check(ctx, a, time.Now())
	if err != nil {
		return err
	}
	in := packInput{
		Name: c.Name, UID: c.UID, Remarks: c.Remarks, Events: c.Event, Keywords: c.Keyword, Groups: groups,
		Private: c.Private, Import: c.Import, Delete: c.Delete,
	}
	if !expires.IsZero() {
		in.Expires = &expires
	}
	for _, ref := range c.File {
		f, err := a.content(ctx, ref)
		if err != nil {
			return err
		}
		in.Files = append(in.Files, f.ID)
	}
	var f sharedFile
	if err := a.ask(ctx, http.MethodPost, dataPackagesPath, in, &f); err != nil {
		return a.explain(ctx, err)
	}
	k, err := a.afterPut(ctx, std, &f, c.offerFlags, c.JSON)
	if c.JSON {
		return cmp.Or(err, writeJSON(std, k))
	}
	return err
}
