package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/setup"
)

type serviceCmd struct {
	Install serviceInstallCmd `cmd:"" help:"Write the unit, and have the server start with the machine. As root."`
	Start   serviceStartCmd   `cmd:"" help:"Start the service."`
	Stop    serviceStopCmd    `cmd:"" help:"Stop the service."`
}

type serviceInstallCmd struct {
	Config string `placeholder:"FILE" help:"Configuration file. Without it, takhost.yaml in the working directory, if there is one."`
	Data   string `placeholder:"DIR" help:"Data folder (the key data)."`
	User   string `placeholder:"NAME" help:"Who runs the server. Without it, the owner of the data folder; or takhost, which is made if root has made the folder."`
	Print  bool   `help:"Write the unit to the standard output, and do nothing else."`
	Force  bool   `help:"Write over a unit that was not made by this command."`
}

// Run installs the service.
func (c *serviceInstallCmd) Run(ctx context.Context, std streams) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	sys := setup.ThisSystemd()
	data := o.Loaded.Data
	if !filepath.IsAbs(data) {
		data = filepath.Join(o.Dir, data)
	}
	if o.User, err = sys.PickUser(c.User, data); err != nil {
		return err
	}
	o.Group = o.User
	if c.Print {
		if u, err := sys.User(o.User); err == nil {
			if o.Group, err = sys.GroupOf(u); err != nil {
				return err
			}
		}
		_, err := fmt.Fprint(std.out, setup.Unit(o))
		return err
	}
	tell := func(text string) { fmt.Fprintln(std.out, text) }
	u, err := sys.Ensure(ctx, o.User, tell)
	if err != nil {
		return err
	}
	if o.Group, err = sys.GroupOf(u); err != nil {
		return err
	}
	for _, target := range []string{o.Program, o.Dir, filepath.Dir(data)} {
		if err := sys.CheckAccess(u, target); err != nil {
			return err
		}
	}
	if err := sys.GiveFolder(data, u, tell); err != nil {
		return err
	}
	if o.Config != "" {
		if err := sys.GiveFile(o.Config, u, tell); err != nil {
			return err
		}
	}
	if err := sys.Install(ctx, setup.Unit(o), c.Force, tell); err != nil {
		return err
	}
	return said(std, "start it now: takhost service start; its log: journalctl -u %s -f", setup.UnitName)
}

// options gives what the unit says, as the server will find it: without this
// shell's environment.
func (c *serviceInstallCmd) options() (o setup.UnitOptions, err error) {
	src := config.Sources{File: c.Config}
	if c.Data != "" {
		o.Data = absolute(c.Data)
		src.Flags = []config.Flag{{Name: "--data", Key: "data", Value: o.Data}}
	}
	loaded, err := config.Load(src)
	if err != nil {
		return o, &usageError{err}
	}
	o.Loaded = &loaded.Config
	if o.Dir, err = os.Getwd(); err != nil {
		return o, err
	}
	if loaded.File != "" {
		o.Config = absolute(loaded.File)
		o.Dir = filepath.Dir(o.Config)
	}
	if o.Config == "" && o.Data == "" {
		return o, usagef("there is no takhost.yaml here: make one with takhost init, or name it with --config, or the data folder with --data")
	}
	if o.Program, err = os.Executable(); err != nil {
		return o, errors.Join(errors.New("find this program"), err)
	}
	if real, err := filepath.EvalSymlinks(o.Program); err == nil {
		o.Program = real
	}
	return o, nil
}

type serviceStartCmd struct{}

// Run starts the service.
func (*serviceStartCmd) Run(ctx context.Context, std streams) error {
	if err := setup.ThisSystemd().Do(ctx, "start"); err != nil {
		return err
	}
	return said(std, "started; its log: journalctl -u %s -f", setup.UnitName)
}

type serviceStopCmd struct{}

// Run stops the service.
func (*serviceStopCmd) Run(ctx context.Context, std streams) error {
	if err := setup.ThisSystemd().Do(ctx, "stop"); err != nil {
		return err
	}
	return said(std, "stopped")
}
