package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/server"
	"github.com/takhost/takhost/core/setup"
)

type initCmd struct {
	Config   string   `placeholder:"FILE" help:"Configuration file to write. Without it, takhost.yaml in the working directory."`
	Data     string   `placeholder:"DIR" help:"Data folder (the key data)."`
	Yes      bool     `short:"y" help:"Ask nothing: take the defaults, and what the other flags say."`
	Force    bool     `help:"With --yes, also when the configuration file is there. It is kept under another name."`
	FromFTS  string   `name:"from-fts" placeholder:"FTSConfig.yaml" help:"Take over a FreeTAKServer: its settings (file or folder), users, tokens, authority and certificates. Nothing there is changed."`
	Public   []string `placeholder:"NAME" help:"Name or address by which phones reach this server."`
	Exposure string   `placeholder:"WHO" help:"Who may reach the server: local, lan or internet."`
	Database string   `placeholder:"URL" help:"sqlite, or postgres://user:password@host/database."`
	Admin    string   `placeholder:"NAME" help:"First administrator, with --password-stdin. Without one, the server shows a link by which one is made."`
	passwordFlags
	Set []string `placeholder:"KEY=VALUE" sep:"none" help:"Set any other key of the configuration."`
}

// Run sets up.
func (c *initCmd) Run(ctx context.Context, std streams) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	w, err := c.wizard(ctx, std)
	if err != nil {
		return err
	}
	plan, err := w.Run(ctx)
	if err != nil {
		return err
	}
	log, err := server.NewLog(std.err, "warn", "text")
	if err != nil {
		return err
	}
	done, err := plan.Write(ctx, log)
	if err := errors.Join(err, server.FlushLog(context.WithoutCancel(ctx), log)); err != nil {
		return err
	}
	return c.tell(std, w, plan, &done)
}

// wizard prepares the questions.
func (c *initCmd) wizard(ctx context.Context, std streams) (*setup.Wizard, error) {
	w := &setup.Wizard{Machine: setup.ThisMachine(), File: c.Config, Yes: c.Yes}
	if w.File == "" {
		w.File = config.DefaultFile
	}
	if !c.Yes {
		t, ok := newTTY(std)
		if !ok {
			return nil, usagef("there is no terminal to ask at: give --yes, and by flags what is not to have its default")
		}
		w.Terminal = t
	}
	base := ""
	switch info, err := os.Stat(w.File); {
	case err == nil && info.IsDir():
		return nil, usagef("%s is a folder: name a file with --config", w.File)
	case err == nil && c.Yes && !c.Force:
		return nil, usagef("%s is there already: give --force to write it anew with its values (it is kept under another name), or name another with --config", w.File)
	case err == nil:
		base, w.Exists = w.File, true
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	var err error
	if w.Draft, err = setup.NewDraft(base); err != nil {
		return nil, &usageError{fmt.Errorf("the configuration that is there has faults; correct it, or move it away:\n%w", err)}
	}
	if c.FromFTS != "" {
		if w.FTS, err = setup.ReadFTS(ctx, c.FromFTS, os.Environ(), time.Now()); err != nil {
			return nil, err
		}
		w.FTS.Configure(w.Draft)
	}
	if err := c.flags(w.Draft); err != nil {
		return nil, err
	}
	return w, c.admin(std, w)
}

// flags puts into the draft what the command line says.
func (c *initCmd) flags(d *setup.Draft) error {
	type flag struct {
		name  string
		value setup.Value
	}
	var flags []flag
	if c.Data != "" {
		flags = append(flags, flag{"--data", setup.TextValue("data", c.Data)})
	} else if data, ok := c.dataBeside(d); ok {
		flags = append(flags, flag{"--config", setup.TextValue("data", data)})
	}
	if len(c.Public) > 0 {
		flags = append(flags, flag{"--public", setup.ListValue("public", c.Public)})
	}
	if c.Exposure != "" {
		flags = append(flags, flag{"--exposure", setup.Value{Key: "exposure", Text: c.Exposure}})
	}
	if c.Database != "" {
		flags = append(flags, flag{"--database", setup.TextValue("database", c.Database)})
	}
	for _, s := range c.Set {
		key, value, ok := strings.Cut(s, "=")
		if !ok {
			return usagef("--set: lacks a value: write --set key=value, such as --set log.level=debug")
		}
		flags = append(flags, flag{"--set", setup.Value{Key: key, Text: value}})
	}
	for _, f := range flags {
		if err := d.Set(f.value); err != nil {
			return usagef("%s: %w", f.name, err)
		}
	}
	return nil
}

// dataBeside gives an absolute data folder for a configuration that is not in the
// working directory: the usual one would be another each time.
func (c *initCmd) dataBeside(d *setup.Draft) (string, bool) {
	dir := filepath.Dir(c.Config)
	here, err := os.Getwd()
	abs, err2 := filepath.Abs(dir)
	conf, err3 := d.Load()
	if c.Config == "" || errors.Join(err, err2, err3) != nil || abs == here || filepath.IsAbs(conf.Data) {
		return "", false
	}
	return absolute(conf.Data), true
}

// admin takes the administrator of the flags.
func (c *initCmd) admin(std streams, w *setup.Wizard) error {
	switch {
	case c.Admin == "" && c.PasswordStdin:
		return usagef("--password-stdin: is whose? Name the administrator with --admin")
	case c.Admin == "":
		return nil
	case !c.PasswordStdin && c.Yes:
		return usagef("--admin: needs --password-stdin with --yes")
	}
	w.Admin = &setup.Admin{Name: c.Admin}
	if !c.PasswordStdin {
		return nil
	}
	if !c.Yes {
		return usagef("--password-stdin: needs --yes, as the answers come from the standard input too")
	}
	var err error
	w.Admin.Password, err = readPassword(std.in)
	return err
}

// tell says what was done, and what comes next.
func (c *initCmd) tell(std streams, w *setup.Wizard, plan *setup.Plan, done *setup.Done) error {
	var b strings.Builder
	if c.FromFTS != "" {
		fmt.Fprintf(&b, "%s\n", done.Report.Text())
	}
	fmt.Fprintf(&b, "wrote %s\n", absolute(plan.File))
	if done.Backup != "" {
		fmt.Fprintf(&b, "the one before is now %s\n", done.Backup)
	}
	for _, n := range w.Notes() {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, config.EnvPrefix) {
			fmt.Fprintf(&b, "note: %s is set in the environment: it beats the file\n", name)
		}
	}
	fmt.Fprintf(&b, "\nNext:\n")
	next := func(command, what string) {
		fmt.Fprintf(&b, "  %-44s %s\n", program()+" "+command+c.again(), what)
	}
	next("serve", "run it here")
	next("service install", "or have systemd run it (as root)")
	if plan.Admin == nil && w.NeedsAdmin() {
		fmt.Fprintf(&b, "  then open the link in %s, which makes the administrator\n", filepath.Join(done.Config.Data, server.SetupFile))
	}
	next("enrol NAME --new", "let a phone in")
	next("doctor", "see whether all is well")
	return said(std, "%s", b.String())
}

// again gives the flags by which other commands find what was written.
func (c *initCmd) again() string {
	if c.Config == "" {
		return ""
	}
	return " --config " + c.Config
}
