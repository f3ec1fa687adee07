package main

import (
	"context"
	"net/http"
)

type filesRemoveCmd struct {
	sourceFlags
	Files []string `arg:"" name:"file" help:"Ids, SHA-256 or names of files."`
}

// Run removes. All are looked up before one is removed.
func (c *filesRemoveCmd) Run(ctx context.Context, std streams) error {
	a, err := c.files()
	if err != nil {
		return err
	}
	list, seen := []*sharedFile{}, map[string]bool{}
	for _, ref := range c.Files {
		f, err := a.one(ctx, ref)
		if err != nil {
			return err
		}
		if !seen[f.ID] {
			list = append(list, f)
		}
		seen[f.ID] = true
	}
	for _, f := range list {
		if err := a.do(ctx, http.MethodDelete, under(filesPath, f.ID), nil, nil, nil); err != nil {
			return a.explain(ctx, err)
		}
		if err := said(std, "%s: removed", f.line()); err != nil {
			return err
		}
	}
	return nil
}
