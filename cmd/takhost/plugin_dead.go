package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/web"
)

type pluginDeadCmd struct {
	List   deadListCmd   `cmd:"" default:"withargs" help:"List the dead letters of a plugin."`
	Show   deadShowCmd   `cmd:"" help:"Show one, with the event and what the plugin printed last."`
	Retry  deadRetryCmd  `cmd:"" help:"Give it to the plugin once more; it is gone from the list when that succeeds."`
	Remove deadRemoveCmd `cmd:"" help:"Drop one."`
}

type deadListCmd struct {
	sourceFlags
	Name  string `arg:"" help:"Name of the plugin."`
	Limit int    `default:"100" help:"How many, at most 1000."`
	JSON  bool   `help:"Write JSON."`
}

// Run lists.
func (c *deadListCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	var page web.DeadLetterPage
	if err := a.get(ctx, pluginPath(c.Name, "dead-letters"), url.Values{"limit": {strconv.Itoa(c.Limit)}}, &page); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std, page.DeadLetters)
	}
	if len(page.DeadLetters) == 0 {
		_, err := fmt.Fprintf(std.out, "%s has no dead letters\n", c.Name)
		return err
	}
	var out bytes.Buffer
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tAT\tVERSION\tOF\tWHAT\tERROR")
	for i := range page.DeadLetters {
		d := &page.DeadLetters[i]
		cells := []string{strconv.FormatInt(d.ID, 10), d.At.Local().Format(time.DateTime), d.Version, d.Op,
			cmp.Or(d.Event, d.Subject), shorten(strings.Join(strings.Fields(d.Error), " "), 100)}
		for i, cell := range cells {
			cells[i] = cmp.Or(clean(cell), "-")
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	table.Flush() // into memory
	_, err = out.WriteTo(std.out)
	return err
}

// letter names a dead letter.
type letter struct {
	sourceFlags
	Name string `arg:"" help:"Name of the plugin."`
	ID   int64  `arg:"" help:"Id of the dead letter."`
}

func (l *letter) path(below ...string) string {
	return pluginPath(l.Name, append([]string{"dead-letters", strconv.FormatInt(l.ID, 10)}, below...)...)
}

// do sends a request about the dead letter and says what became of it.
func (l *letter) do(ctx context.Context, std streams, method, path, became string) error {
	a, err := l.admin()
	if err != nil {
		return err
	}
	if err := a.do(ctx, method, path, nil, nil, nil); err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "dead letter %d of %s: %s\n", l.ID, l.Name, became)
	return err
}

type deadShowCmd struct {
	letter
	JSON bool `help:"Write JSON."`
}

// Run shows.
func (c *deadShowCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	var d plugin.DeadLetter
	if err := a.get(ctx, c.path(), nil, &d); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std, &d)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "dead letter %d of %s %s, %s\n", d.ID, d.Plugin, d.Version, d.At.Local().Format(time.DateTime))
	fmt.Fprintf(&out, "%s %s\n%s\n", d.Op, clean(cmp.Or(d.Event, d.Subject)), clean(d.Error))
	for line := range strings.Lines(d.XML + "\n" + d.Output) {
		fmt.Fprintln(&out, "  "+clean(strings.TrimRight(line, "\r\n")))
	}
	_, err = out.WriteTo(std.out)
	return err
}

type deadRetryCmd struct{ letter }

// Run tries again.
func (c *deadRetryCmd) Run(ctx context.Context, std streams) error {
	return c.do(ctx, std, http.MethodPost, c.path("retry"), "handled")
}

type deadRemoveCmd struct{ letter }

// Run drops.
func (c *deadRemoveCmd) Run(ctx context.Context, std streams) error {
	return c.do(ctx, std, http.MethodDelete, c.path(), "dropped")
}
