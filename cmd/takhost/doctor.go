package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	rest "github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/setup"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/web"
)

type doctorCmd struct {
	sourceFlags
	exposureFlag
	JSON bool `help:"Write JSON."`
}

// errFaults ends a command that has said what is wrong.
var errFaults = errors.New("there are faults")

// Run looks at the installation. The exit code is 1 when there are faults.
func (c *doctorCmd) Run(ctx context.Context, std streams) error {
	p := &setup.Patient{
		Version: thisVersion().Version, Machine: setup.ThisMachine(), Now: time.Now,
		FreeDisk: store.FreeDisk, Synced: setup.ClockSynced, Look: store.LookAt,
	}
	conf, err := c.load(c.flag())
	if err != nil {
		p.ConfigErr = err
	} else {
		p.Config = conf
		p.Running, p.AskErr = c.askServer(ctx)
	}
	all := setup.Diagnose(ctx, p)
	if c.JSON {
		enc := json.NewEncoder(std.out)
		enc.SetIndent("", "  ")
		err = enc.Encode(struct {
			Worst    setup.Level     `json:"worst"`
			Findings []setup.Finding `json:"findings"`
		}{setup.Worst(all), all})
	} else {
		err = tellFindings(std, all)
	}
	if err == nil && setup.Worst(all) == setup.Fault {
		err = errFaults
	}
	return err
}

// askServer asks the server that runs, if one does.
func (c *doctorCmd) askServer(ctx context.Context) (*setup.Running, error) {
	a, err := c.admin()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	var st web.Status
	err = a.get(ctx, "/api/v1/status", nil, &st)
	if none := (*noServerError)(nil); errors.As(err, &none) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := &setup.Running{Version: st.Version, Started: st.Started, Uptime: time.Duration(st.Uptime) * time.Second, Archive: st.Archive.State}
	for _, l := range st.Listeners {
		r.Listeners = append(r.Listeners, setup.RunningListener{Name: l.Name, Addr: l.Addr, State: l.State})
	}
	plugins, err := all(ctx, a, "/api/v1/plugins", nil, func(p *web.PluginPage) ([]plugin.Info, string) { return p.Plugins, p.Next })
	if err != nil {
		return nil, err
	}
	for _, p := range plugins {
		if p.Enabled {
			r.Plugins = append(r.Plugins, setup.RunningPlugin{Name: p.Name, Failed: p.State == plugin.Failed || p.State == plugin.Broken, Reason: p.Reason})
		}
	}
	r.People, err = a.people(ctx)
	return r, err
}

// askWait bounds what the server may take to answer.
const askWait = 20 * time.Second

// people lists users and tokens.
func (a *admin) people(ctx context.Context) (who setup.People, err error) {
	users, err := all(ctx, a, "/api/v1/users", nil, func(p *rest.UserPage) ([]rest.User, string) { return p.Users, p.Next })
	if err != nil {
		return who, err
	}
	for _, u := range users {
		who.Users = append(who.Users, identity.User{Name: u.Name, Roles: u.Roles, Disabled: u.Disabled, HasPassword: u.HasPassword, Expires: u.Expires})
	}
	tokens, err := all(ctx, a, "/api/v1/tokens", nil, func(p *rest.TokenPage) ([]rest.Token, string) { return p.Tokens, p.Next })
	for _, t := range tokens {
		who.Tokens = append(who.Tokens, identity.Token{ID: t.ID, User: t.User, Name: t.Name, Weak: t.Weak, Expires: t.Expires})
	}
	return who, err
}

// tellFindings writes what was found, a line each, with what to do below it.
func tellFindings(std streams, found []setup.Finding) error {
	var out bytes.Buffer
	counts := map[setup.Level]int{}
	for _, f := range found {
		counts[f.Level]++
		level := f.Level.String()
		if f.Level == setup.Fault {
			level = "FAULT"
		}
		text := strings.ReplaceAll(cleanLines(f.Text), "\n", "\n"+strings.Repeat(" ", findingIndent))
		fmt.Fprintf(&out, "%-8s %-16s %s\n", level, f.Check, text)
		if f.Do != "" {
			fmt.Fprintf(&out, "%s> %s\n", strings.Repeat(" ", findingIndent), cleanLines(f.Do))
		}
	}
	fmt.Fprintf(&out, "\n%s, %s, %s\n", number(counts[setup.Fault], "fault"), number(counts[setup.Warning], "warning"), number(counts[setup.Note], "note"))
	_, err := out.WriteTo(std.out)
	return err
}

const findingIndent = 8 + 1 + 16 + 1
