package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	rest "github.com/takhost/takhost/core/admin"
)

const (
	auditPath = "/api/v1/audit"

	// auditEvery is how often one looks for new entries, and auditFew how many of
	// them mostly come at once.
	auditEvery = time.Second
	auditFew   = 20
)

type auditCmd struct {
	sourceFlags
	User    string `placeholder:"NAME" help:"Done by this user."`
	Action  string `placeholder:"ACTION" help:"This action, or with * at the end all that begin so: 'user.*', 'login.*'."`
	Subject string `placeholder:"TEXT" help:"Done to this: a user, a group, a serial number …"`
	From    string `placeholder:"TIME" help:"At this time or later: RFC 3339, or how long ago, such as 15m, 2h or 7d."`
	To      string `placeholder:"TIME" help:"Before this time."`
	Order   string `default:"desc" placeholder:"desc|asc" help:"desc: newest first; asc: oldest first."`
	Limit   int    `default:"100" help:"At most so many entries."`
	All     bool   `help:"All entries, without a limit."`
	Follow  bool   `short:"f" help:"The last of them, oldest first, and then what comes."`
	JSON    bool   `help:"Write one JSON object a line."`
}

// Run shows who did what.
func (c *auditCmd) Run(ctx context.Context, std streams) error {
	switch {
	case c.Limit < 1:
		return usagef("--limit: %d is less than 1 (--all gives everything)", c.Limit)
	case c.Follow && (c.All || c.To != ""):
		return usagef("--follow does not go together with --all and --to")
	}
	a, err := c.admin()
	if err != nil {
		return err
	}
	query := url.Values{}
	for name, value := range map[string]string{
		"user": c.User, "action": c.Action, "subject": c.Subject, "from": c.From, "to": c.To, "order": c.Order,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if c.Follow {
		return c.follow(ctx, std, a, query)
	}
	out, left, wide := bufio.NewWriter(std.out), c.Limit, widthOf(std)
	page := maxPage
	if !c.All {
		page = min(page, left)
	}
	err = a.audit(ctx, query, page, func(e *rest.AuditEntry) (bool, error) {
		left--
		return c.All || left > 0, c.write(out, e, wide)
	})
	if e := out.Flush(); err == nil {
		err = e
	}
	return err
}

// audit goes over the entries, in pages of that size, until each has enough.
func (a *admin) audit(ctx context.Context, query url.Values, size int, each func(*rest.AuditEntry) (more bool, err error)) error {
	q := url.Values{}
	for name := range query {
		q.Set(name, query.Get(name))
	}
	q.Set("limit", strconv.Itoa(size))
	for {
		var page rest.AuditPage
		if err := a.get(ctx, auditPath, q, &page); err != nil {
			return err
		}
		for i := range page.Entries {
			if more, err := each(&page.Entries[i]); !more || err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		q.Set("after", page.Next)
	}
}

// follow shows entries as they come, until it is interrupted. Ids rise, so what
// is newer than the last one shown is new.
func (c *auditCmd) follow(ctx context.Context, std streams, a *admin, query url.Values) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	query.Set("order", "desc")
	tick := time.NewTicker(auditEvery)
	defer tick.Stop()
	var last int64
	for first := true; ; first = false {
		var found []*rest.AuditEntry
		newest := last
		err := a.audit(ctx, query, auditFew, func(e *rest.AuditEntry) (bool, error) {
			id, err := strconv.ParseInt(e.ID, 10, 64)
			if err != nil || id <= last {
				return false, err
			}
			newest = max(newest, id)
			found = append(found, e)
			return !first || len(found) < c.Limit, nil
		})
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		for _, e := range slices.Backward(found) {
			if err := c.write(std.out, e, widthOf(std)); err != nil {
				return err
			}
		}
		last = newest
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (c *auditCmd) write(out io.Writer, e *rest.AuditEntry, wide int) error {
	if c.JSON {
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		return enc.Encode(e)
	}
	_, err := io.WriteString(out, auditLine(e, wide))
	return err
}

// auditLine writes an entry for people: when, who, from where, what, to whom. On
// a terminal that is too narrow for the detail it has a line of its own.
func auditLine(e *rest.AuditEntry, wide int) string {
	from := e.Via
	if e.Addr != "" && e.Addr != "@" { // the admin socket has no address
		from += " " + e.Addr
	}
	line := fmt.Sprintf("%s  %-10s  %-15s  %-16s", e.At.Local().Format(toSecond), clean(cmp.Or(e.User, "-")), clean(from), clean(e.Action))
	if e.Subject != "" {
		line += "  " + clean(e.Subject)
	}
	if !e.OK {
		line += "  refused"
	}
	line = strings.TrimRight(line, " ")
	if detail := clean(e.Detail); detail != "" {
		sep := "  "
		if wide > 0 && columns(line)+len(sep)+columns(detail) > wide {
			sep = "\n    "
		}
		line += sep + detail
	}
	return line + "\n"
}
