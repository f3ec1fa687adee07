package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/web"
)

type pluginCmd struct {
	List    pluginListCmd    `cmd:"" help:"List the plugins and their states."`
	Show    pluginShowCmd    `cmd:"" help:"Show one plugin: why it is in its state, its settings and where each comes from."`
	Enable  pluginEnableCmd  `cmd:"" help:"Switch a plugin on."`
	Disable pluginDisableCmd `cmd:"" help:"Switch a plugin off."`
	Install pluginInstallCmd `cmd:"" help:"Install a plugin from a .takplugin file, pinned by its digest."`
	Swap    pluginSwapCmd    `cmd:"" help:"Put another version in the place of the one that runs, while events flow."`
	Remove  pluginRemoveCmd  `cmd:"" help:"Remove a plugin with all that it stored."`
	Grant   pluginGrantCmd   `cmd:"" help:"Grant capabilities, in the place of those granted at runtime before."`
	Config  pluginConfigCmd  `cmd:"" help:"Set the plugin's own settings, in the place of those set at runtime before."`
	Limits  pluginLimitsCmd  `cmd:"" help:"Set limits, in the place of those set at runtime before."`
	Reset   pluginResetCmd   `cmd:"" help:"Forget what was set at runtime: file, environment and flags hold again."`
	Dead    pluginDeadCmd    `cmd:"" help:"Look at what a plugin failed on for good; try again, or drop it."`
	New     pluginNewCmd     `cmd:"" help:"Write the project of a new plugin, which builds without a network."`
	Build   pluginBuildCmd   `cmd:"" help:"Build and pack the plugin in a folder."`
	Check   pluginCheckCmd   `cmd:"" help:"Say what is wrong with a .takplugin file or a folder."`
	Test    pluginTestCmd    `cmd:"" help:"Run a plugin's tests with the plugin as it will run: as WASM module and as process."`
	Run     pluginRunCmd     `cmd:"" help:"Run a plugin without a server and play captured events into it."`
	Serve   pluginServeCmd   `cmd:"" name:"serve-test" hidden:""`
}

const pluginsPath = "/api/v1/plugins"

func pluginPath(name string, below ...string) string {
	return pluginsPath + "/" + url.PathEscape(name) + strings.Join(append([]string{""}, below...), "/")
}

type pluginListCmd struct {
	sourceFlags
	JSON bool `help:"Write JSON."`
}

// Run lists.
func (c *pluginListCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	list, err := a.plugins(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std, list)
	}
	var out bytes.Buffer
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tVERSION\tSTATE\tRUNS AS\tSOURCE\tEVENTS\tMEMORY\tABOUT")
	for i := range list {
		p := &list[i]
		state := string(p.State)
		if p.Lagging {
			state += ", lagging"
		}
		about := p.Title
		if p.Reason != "" && p.State != plugin.Active && p.State != plugin.Idle {
			about = p.Reason
		}
		cells := []string{p.Name, p.Version, state, p.Runtime, p.Source, fmt.Sprint(p.Counts.Events),
			size(uint64(max(p.Counts.Memory+p.Counts.Code, 0))), shorten(strings.Join(strings.Fields(about), " "), 80)}
		for i, cell := range cells {
			cells[i] = cmp.Or(clean(cell), "-")
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	table.Flush() // into memory
	_, err = out.WriteTo(std.out)
	return err
}

func (a *admin) plugins(ctx context.Context) (all []plugin.Info, err error) {
	query := url.Values{"limit": {"1000"}}
	for {
		var page web.PluginPage
		if err := a.get(ctx, pluginsPath, query, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Plugins...)
		if page.Next == "" {
			return all, nil
		}
		query.Set("after", page.Next)
	}
}

type pluginShowCmd struct {
	sourceFlags
	Name string `arg:"" help:"Name of the plugin."`
	JSON bool   `help:"Write JSON."`
}

// Run shows.
func (c *pluginShowCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	var p plugin.Info
	if err := a.get(ctx, pluginPath(c.Name), nil, &p); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std, &p)
	}
	var out bytes.Buffer
	writePlugin(&out, &p, time.Now())
	_, err = out.WriteTo(std.out)
	return err
}

func writePlugin(out *bytes.Buffer, p *plugin.Info, now time.Time) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(out, "%-10s %s\n", name, clean(fmt.Sprintf(format, args...)))
	}
	lines := func(name string, list []string) {
		for _, s := range list {
			line(name, "%s", s)
			name = ""
		}
	}
	line("plugin", "%s %s", p.Name, p.Version)
	if p.Title != "" {
		line("", "%s: %s", p.Title, p.Description)
	}
	line("state", "%s for %s", p.State, span(now.Sub(p.Since)))
	lines("reason", strings.Split(strings.TrimSpace(p.Reason), "\n"))
	if p.Retry != nil {
		line("retry", "in %s", span(p.Retry.Sub(now)))
	}
	line("source", "%s", strings.TrimSpace(p.Runtime+", "+p.Source))
	if p.SHA256 != "" {
		line("sha256", "%s", p.SHA256)
	}
	lines("asks", p.Asks)
	lines("missing", p.Missing)
	lines("needs", p.Needs)
	lines("provides", p.Provides)
	var routes []string
	for _, r := range p.Routes {
		routes = append(routes, fmt.Sprintf("%-6s %s", r.Method, r.Path))
	}
	lines("routes", routes)
	var values []string
	for _, v := range p.Values {
		text, err := json.Marshal(v.Value)
		if err != nil {
			text = []byte("?")
		}
		values = append(values, fmt.Sprintf("%s: %s  (%s)", v.Key, text, v.Origin))
	}
	lines("settings", values)
	n := &p.Counts
	line("counts", "%d events, %d requests, %d sent, %d calls", n.Events, n.Requests, n.Emits, n.Calls)
	if n.Missed+n.DeadLetters+n.Crashes+n.Refused > 0 {
		line("trouble", "%d events missed, %d dead letters, %d crashes, %d operations refused", n.Missed, n.DeadLetters, n.Crashes, n.Refused)
	}
	line("memory", "%s in %d instances, %s of code; %d events wait", size(uint64(max(n.Memory, 0))), n.Instances, size(uint64(max(n.Code, 0))), n.Queued)
	var metrics []string
	for name, v := range p.Metrics {
		metrics = append(metrics, fmt.Sprintf("%s %v", name, v))
	}
	slices.Sort(metrics)
	lines("metrics", metrics)
	var history []string
	for _, h := range p.History {
		history = append(history, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", h.At.Local().Format(time.DateTime), h.State, h.Version, strings.Join(strings.Fields(h.Reason), " "))))
	}
	lines("history", history)
}

func writeJSON(std streams, v any) error {
	enc := json.NewEncoder(std.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false) // links are to be copied
	return enc.Encode(v)
}
