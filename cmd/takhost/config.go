package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/takhost/takhost/core/config"
)

type configCmd struct {
	Sample configSampleCmd `cmd:"" help:"Write a configuration file with all keys and what they mean."`
	Check  configCheckCmd  `cmd:"" help:"Check the configuration without starting anything."`
	Show   configShowCmd   `cmd:"" help:"Show the values in effect, and where each comes from. Passwords are masked."`
	Reload configReloadCmd `cmd:"" help:"Have the running server read its configuration again. If anything in it is wrong, nothing changes."`
}

type configReloadCmd struct{ sourceFlags }

// Run reloads.
func (c *configReloadCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	if err := a.do(ctx, http.MethodPost, "/api/v1/config/reload", nil, nil, nil); err != nil {
		return err
	}
	_, err = fmt.Fprintln(std.out, "the configuration was read again")
	return err
}

type configSampleCmd struct{}

// Run writes the sample.
func (c *configSampleCmd) Run(std streams) error { return config.Sample(std.out) }

type configCheckCmd struct {
	sourceFlags
	exposureFlag
}

// Run checks.
func (c *configCheckCmd) Run(std streams) error {
	loaded, err := c.load(c.flag())
	if err != nil {
		return err
	}
	for _, w := range loaded.Warnings {
		fmt.Fprintln(std.err, "warning:", w)
	}
	what := loaded.File
	if what == "" {
		what = "configuration (there is no file)"
	}
	_, err = fmt.Fprintln(std.out, what+": ok")
	return err
}

type configShowCmd struct {
	sourceFlags
	exposureFlag
	JSON bool `help:"Write JSON."`
}

// Run shows.
func (c *configShowCmd) Run(std streams) error {
	loaded, err := c.load(c.flag())
	if err != nil {
		return err
	}
	if !c.JSON {
		return loaded.Show(std.out, true)
	}
	enc := json.NewEncoder(std.out)
	enc.SetIndent("", "  ")
	return enc.Encode(loaded.Values())
}

type exposureFlag struct {
	Exposure string `placeholder:"WHO" help:"Who may reach the server: local, lan or internet (the key exposure)."`
}

func (f *exposureFlag) flag() config.Flag {
	return config.Flag{Name: "--exposure", Key: "exposure", Value: f.Exposure}
}
