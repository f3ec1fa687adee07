package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"github.com/takhost/takhost/core/web"
)

// maxPage is the most that the server gives at once.
const maxPage = 1000

type eventsQueryCmd struct {
	sourceFlags
	filterFlags
	From  string `placeholder:"TIME" help:"Received at this time or later: RFC 3339, or how long ago, such as 15m, 2h or 7d."`
	To    string `placeholder:"TIME" help:"Received before this time."`
	Group string `placeholder:"NAME" help:"Sent to this group."`
	Order string `default:"desc" placeholder:"desc|asc" help:"desc: newest first; asc: oldest first."`
	Limit int    `default:"100" help:"At most so many events."`
	All   bool   `help:"All events, without a limit."`
	JSON  bool   `xor:"form" help:"Write one JSON object a line."`
	XML   bool   `xor:"form" help:"Write the events as their senders did, one after the other."`
}

// Run writes the archived events that match.
func (c *eventsQueryCmd) Run(ctx context.Context, std streams) error {
	if c.Limit < 1 {
		return usagef("--limit: %d is less than 1 (--all gives everything)", c.Limit)
	}
	a, err := c.admin()
	if err != nil {
		return err
	}
	query := url.Values(c.query())
	for name, value := range map[string]string{"from": c.From, "to": c.To, "group": c.Group, "order": c.Order} {
		if value != "" {
			query.Set(name, value)
		}
	}
	out := bufio.NewWriter(std.out)
	left := c.Limit
	err = a.events(ctx, query, func() int {
		if c.All {
			return maxPage
		}
		return left
	}, func(e *web.Event) error {
		left--
		return c.write(out, e)
	})
	if e := out.Flush(); err == nil {
		err = e
	}
	return err
}

func (c *eventsQueryCmd) write(out io.Writer, e *web.Event) error {
	switch {
	case c.JSON:
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		return enc.Encode(e)
	case c.XML:
		_, err := fmt.Fprintln(out, e.XML)
		return err
	default:
		return writeLine(out, e, dateTime)
	}
}

// events goes over the archived events that query asks for, page by page,
// until there are no more or wanted gives 0 for how many are to come.
func (a *admin) events(ctx context.Context, query url.Values, wanted func() int, each func(*web.Event) error) error {
	for {
		n := min(wanted(), maxPage)
		if n <= 0 {
			return nil
		}
		query.Set("limit", strconv.Itoa(n))
		var page web.EventPage
		if err := a.get(ctx, "/api/v1/events", query, &page); err != nil {
			return err
		}
		for i := range page.Events {
			if err := each(&page.Events[i]); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		query.Set("after", page.Next)
	}
}
