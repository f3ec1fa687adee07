package main

import (
	"context"
	"net/http"
	"path/filepath"

	rest "github.com/takhost/takhost/core/admin"
)

type adminCmd struct {
	Reset adminResetCmd `cmd:"" help:"Make a new set-up link, for an administrator who cannot log in any more, or the first one."`
}

type adminResetCmd struct {
	sourceFlags
	JSON bool `help:"Write JSON."`
}

// Run makes a link.
func (c *adminResetCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	var r rest.Reset
	if err := a.do(ctx, http.MethodPost, "/api/v1/admin/reset", nil, nil, &r); err != nil {
		return err
	}
	// The server names the file as it sees it, from its own working directory.
	r.File = filepath.Join(absolute(a.dir), filepath.Base(r.File))
	if c.JSON {
		return writeJSON(std, &r)
	}
	what := "opened within an hour, this link makes an administrator:"
	if r.Name != "" {
		what = "opened within an hour, this link gives " + r.Name + " a new password:"
	}
	return said(std, "%s\n%s\nit works once, and is in %s too", what, r.Link, r.File)
}
