package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/takhost/takhost/core/web"
)

type statusCmd struct {
	sourceFlags
	Clients bool `help:"List the clients too."`
	JSON    bool `help:"Write JSON."`
}

// Run tells how the server is doing.
func (c *statusCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	var answer struct {
		web.Status
		List []web.Client `json:"client_list,omitempty"`
	}
	if err := a.get(ctx, "/api/v1/status", nil, &answer.Status); err != nil {
		return err
	}
	if c.Clients {
		if answer.List, err = a.clients(ctx); err != nil {
			return err
		}
	}
	if c.JSON {
		enc := json.NewEncoder(std.out)
		enc.SetIndent("", "  ")
		return enc.Encode(answer)
	}
	var out bytes.Buffer
	writeStatus(&out, &answer.Status)
	if c.Clients {
		writeClients(&out, answer.List, time.Now())
	}
	_, err = out.WriteTo(std.out)
	return err
}

func (a *admin) clients(ctx context.Context) (all []web.Client, err error) {
	query := url.Values{"limit": {"1000"}}
	for {
		var page web.ClientPage
		if err := a.get(ctx, "/api/v1/clients", query, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Clients...)
		if page.Next == "" {
			return all, nil
		}
		query.Set("after", page.Next)
	}
}

func writeStatus(out *bytes.Buffer, st *web.Status) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(out, "%-13s %s\n", name, clean(fmt.Sprintf(format, args...)))
	}
	line("takhost", "%s, running for %s (process %d, node %d)", st.Version, span(time.Duration(st.Uptime)*time.Second), st.PID, st.Node)
	for _, l := range st.Listeners {
		where := l.State
		if l.Addr != "" {
			where = place(l.Addr)
			if l.State != "open" {
				where += " (" + l.State + ")"
			}
			where = fmt.Sprintf("%-27s %s", where, purpose(&l))
		}
		line("listen."+l.Name, "%s", where)
	}
	line("clients", "%d connected, %d with a position", st.Connections, st.Clients)
	line("events", "%d received, %d delivered, %d malformed", st.Events.Received, st.Events.Delivered, st.Events.Malformed)
	a := &st.Archive
	text := fmt.Sprintf("%s: %d events, %s", a.State, a.Events, size(uint64(max(a.Bytes, 0))))
	if a.Oldest != nil {
		text += ", since " + a.Oldest.Local().Format(time.DateTime)
	}
	if a.Queued > 0 {
		text += fmt.Sprintf(", %d waiting", a.Queued)
	}
	if a.Dropped > 0 {
		text += fmt.Sprintf(", %d lost", a.Dropped)
	}
	line("archive", "%s", text)
	line("data", "%s (%s)", st.Data, st.Database)
	line("memory", "%s, of it %s heap", size(st.Memory.Total), size(st.Memory.Heap))
}

// place says where a listener is. The address of all interfaces says little to
// people.
func place(addr string) string {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil || !ap.Addr().IsUnspecified() {
		return addr
	}
	return fmt.Sprintf("all addresses, port %d", ap.Port())
}

// purpose says what a listener is for, in a few words.
func purpose(l *web.Listener) string {
	text := map[string]string{
		"tcp":   "CoT, no encryption",
		"tls":   "CoT, TLS",
		"http":  "Marti, no encryption",
		"https": "Marti, TLS",
		"web":   "enrolment, pages and REST, TLS",
		"rest":  "REST and metrics",
	}[l.Name]
	if l.Name == "rest" && l.TLS {
		text += ", TLS"
	}
	return text
}

func writeClients(out *bytes.Buffer, list []web.Client, now time.Time) {
	out.WriteByte('\n')
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CALLSIGN\tUID\tTEAM\tPROGRAM\tADDRESS\tLISTENER\tPROTOCOL\tSINCE\tSEEN")
	for _, c := range list {
		seen := "-"
		if c.LastSeen != nil {
			seen = span(now.Sub(*c.LastSeen)) + " ago"
		}
		cells := []string{c.Callsign, c.UID, c.Team, strings.TrimSpace(c.Platform + " " + c.Version), c.Addr, c.Listener, c.Protocol, span(now.Sub(c.Since)), seen}
		for i, cell := range cells {
			cells[i] = cmp.Or(clean(cell), "-")
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	table.Flush() // into memory
}
