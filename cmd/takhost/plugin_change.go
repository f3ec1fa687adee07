package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"go.yaml.in/yaml/v4"

	"github.com/takhost/takhost/core/plugin"
)

// change sends a request about a plugin and tells how the plugin is then.
func (f *sourceFlags) change(ctx context.Context, std streams, method, path string, query url.Values, body io.Reader) error {
	a, err := f.admin()
	if err != nil {
		return err
	}
	var p plugin.Info
	if err := a.do(ctx, method, path, query, body, &p); err != nil {
		return err
	}
	text := fmt.Sprintf("%s %s: %s", p.Name, p.Version, p.State)
	if p.Reason != "" && p.State != plugin.Active {
		text += " (" + p.Reason + ")"
	}
	for _, m := range p.Missing {
		text += "\n" + m
	}
	_, err = fmt.Fprintln(std.out, cleanLines(text))
	return err
}

type pluginEnableCmd struct {
	sourceFlags
	Name string `arg:"" help:"Name of the plugin."`
}

// Run switches on.
func (c *pluginEnableCmd) Run(ctx context.Context, std streams) error {
	return c.change(ctx, std, http.MethodPost, pluginPath(c.Name, "enable"), nil, nil)
}

type pluginDisableCmd struct {
	sourceFlags
	Name  string `arg:"" help:"Name of the plugin."`
	Force bool   `help:"Also when other plugins need it."`
}

// Run switches off.
func (c *pluginDisableCmd) Run(ctx context.Context, std streams) error {
	return c.change(ctx, std, http.MethodPost, pluginPath(c.Name, "disable"), forced(c.Force), nil)
}

func forced(force bool) url.Values {
	if force {
		return url.Values{"force": {"true"}}
	}
	return nil
}

type pluginInstallCmd struct {
	sourceFlags
	File   string `arg:"" type:"existingfile" help:"The .takplugin file."`
	SHA256 string `name:"sha256" placeholder:"DIGEST" help:"Refuse the file if this is not its SHA-256."`
}

// Run installs.
func (c *pluginInstallCmd) Run(ctx context.Context, std streams) error {
	return c.upload(ctx, std, pluginsPath, c.File, c.SHA256)
}

type pluginSwapCmd struct {
	sourceFlags
	Name   string `arg:"" help:"Name of the plugin."`
	File   string `arg:"" type:"existingfile" help:"The .takplugin file of the other version."`
	SHA256 string `name:"sha256" placeholder:"DIGEST" help:"Refuse the file if this is not its SHA-256."`
}

// Run swaps.
func (c *pluginSwapCmd) Run(ctx context.Context, std streams) error {
	return c.upload(ctx, std, pluginPath(c.Name, "swap"), c.File, c.SHA256)
}

func (f *sourceFlags) upload(ctx context.Context, std streams, path, file, digest string) error {
	in, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("open package: %w", err)
	}
	defer in.Close()
	query := url.Values{}
	if digest != "" {
		query.Set("sha256", digest)
	}
	return f.change(ctx, std, http.MethodPost, path, query, in)
}

type pluginRemoveCmd struct {
	sourceFlags
	Name  string `arg:"" help:"Name of the plugin."`
	Force bool   `help:"Also when other plugins need it."`
}

// Run removes.
func (c *pluginRemoveCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	if err := a.do(ctx, http.MethodDelete, pluginPath(c.Name), forced(c.Force), nil, nil); err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "%s: removed, with all that it stored\n", c.Name)
	return err
}

type pluginGrantCmd struct {
	sourceFlags
	Name  string `arg:"" help:"Name of the plugin."`
	Grant string `arg:"" optional:"" help:"Capabilities with their scopes, as YAML or JSON: '{events.read: [\"a-f-*\"], store: true}'."`
	All   bool   `help:"Grant all that the manifest asks for."`
}

// Run grants.
func (c *pluginGrantCmd) Run(ctx context.Context, std streams) error {
	if c.All == (c.Grant != "") {
		return usagef("say what to grant: --all, or capabilities such as '{events.read: [\"a-f-*\"]}'")
	}
	var body []byte
	var err error
	if c.All {
		body, err = c.asked(ctx)
	} else {
		body, err = section(c.Grant)
	}
	if err != nil {
		return err
	}
	return c.change(ctx, std, http.MethodPut, pluginPath(c.Name, "grant"), nil, bytes.NewReader(body))
}

// asked gives all that the manifest asks for.
func (c *pluginGrantCmd) asked(ctx context.Context) ([]byte, error) {
	a, err := c.admin()
	if err != nil {
		return nil, err
	}
	var p plugin.Info
	if err := a.get(ctx, pluginPath(c.Name), nil, &p); err != nil {
		return nil, err
	}
	return json.Marshal(p.Ask)
}

type pluginConfigCmd struct {
	sourceFlags
	Name    string `arg:"" help:"Name of the plugin."`
	Section string `arg:"" help:"Settings as YAML or JSON: '{repeat: 30s}'."`
}

// Run sets.
func (c *pluginConfigCmd) Run(ctx context.Context, std streams) error {
	body, err := section(c.Section)
	if err != nil {
		return err
	}
	return c.change(ctx, std, http.MethodPut, pluginPath(c.Name, "config"), nil, bytes.NewReader(body))
}

type pluginLimitsCmd struct {
	sourceFlags
	Name   string `arg:"" help:"Name of the plugin."`
	Limits string `arg:"" help:"Limits as YAML or JSON: '{memory: 128MiB, eventsTime: 1s}'."`
}

// Run sets.
func (c *pluginLimitsCmd) Run(ctx context.Context, std streams) error {
	body, err := section(c.Limits)
	if err != nil {
		return err
	}
	return c.change(ctx, std, http.MethodPut, pluginPath(c.Name, "limits"), nil, bytes.NewReader(body))
}

// section makes JSON of a section of YAML.
func section(text string) ([]byte, error) {
	var v map[string]any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		return nil, usagef("%q is no section of keys with values, such as '{a: 1}'", text)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, usagef("%q has keys that are no words", text)
	}
	return b, nil
}

type pluginResetCmd struct {
	sourceFlags
	Name string `arg:"" help:"Name of the plugin."`
	Key  string `arg:"" optional:"" help:"One setting, such as enabled, grant.events.read or config.period; without it, all."`
}

// Run resets.
func (c *pluginResetCmd) Run(ctx context.Context, std streams) error {
	query := url.Values{}
	if c.Key != "" {
		query.Set("key", c.Key)
	}
	return c.change(ctx, std, http.MethodPost, pluginPath(c.Name, "reset"), query, nil)
}
