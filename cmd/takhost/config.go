package main

import (
	"encoding/json"
	"fmt"

	"github.com/takhost/takhost/core/config"
)

type configCmd struct {
	Sample configSampleCmd `cmd:"" help:"Write a configuration file with all keys and what they mean."`
	Check  configCheckCmd  `cmd:"" help:"Check the configuration without starting anything."`
	Show   configShowCmd   `cmd:"" help:"Show the values in effect, and where each comes from. Passwords are masked."`
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
