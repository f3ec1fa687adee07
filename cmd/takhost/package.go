package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	rest "github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/onboard"
)

type packageCmd struct {
	sourceFlags
	User        string `arg:"" help:"Who connects with it."`
	For         string `enum:"atak,wintak,itak" default:"atak" help:"Client that imports it: atak, wintak or itak."`
	Certificate bool   `help:"Put a certificate with its key into it: whoever has the package is the user. Without, the client asks for user name and password or code, and enrols. iTAK needs it."`
	Out         string `short:"o" placeholder:"FILE" help:"Where to write it; - is the standard output. Without, USER-CLIENT.zip here."`
	Password    string `help:"Of the key stores in it, in the place of pki.password. It stands in the package too, so it protects nothing."`
	Host        string `placeholder:"NAME" help:"Name or address of this server, in the place of the first of public."`
	Force       bool   `help:"Write over a file that is there."`
}

// Run makes a package.
func (c *packageCmd) Run(ctx context.Context, std streams) error {
	if c.For == string(onboard.ITAK) && !c.Certificate {
		return usagef("iTAK does not enrol from a package: add --certificate, or use takhost enrol %s", quoted(c.User))
	}
	file := outFile{c.Out, &c.Force}
	if c.Out == "" {
		file.path = onboard.FileName(c.User) + "-" + c.For + ".zip"
	}
	if err := file.free(); err != nil {
		return err
	}
	a, err := c.admin()
	if err != nil {
		return err
	}
	body, err := json.Marshal(rest.PackageInput{User: c.User, For: c.For, Certificate: c.Certificate, Password: c.Password, Host: c.Host})
	if err != nil {
		return fmt.Errorf("write the request: %w", err)
	}
	zip, err := a.bytes(ctx, http.MethodPost, "/api/v1/connection-packages", nil, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if err := file.write(std, zip); err != nil {
		if c.Certificate {
			err = fmt.Errorf("%w (the certificate in it was issued: takhost cert list --user %s)", err, quoted(c.User))
		}
		return err
	}
	app := map[string]string{"atak": "ATAK", "wintak": "WinTAK", "itak": "iTAK"}[c.For]
	switch {
	case file.path == stdout:
		return nil
	case c.Certificate:
		return said(std, "%s: %s imports it and is %s then, so keep it like a password", file.path, app, c.User)
	}
	return said(std, "%s: %s imports it, and asks for user name and password\nas password it also takes a code of: takhost enrol %s%s", file.path, app, quoted(c.User), c.again())
}
