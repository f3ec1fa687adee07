package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

type filesListCmd struct {
	sourceFlags
	Name    string `help:"Only those of this name."`
	Keyword string `placeholder:"WORD" help:"Only those with this keyword; missionpackage are the data packages."`
	Tool    string `help:"Only those of this tool: public, private, or what a client has put there."`
	User    string `placeholder:"NAME" help:"Only those that this user has sent."`
	Hash    string `placeholder:"SHA256" help:"Only those of this content."`
	Limit   int    `default:"100" help:"At most so many."`
	All     bool   `help:"All files, without a limit."`
	JSON    bool   `help:"Write JSON."`
}

// Run lists.
func (c *filesListCmd) Run(ctx context.Context, std streams) error {
	if c.Limit < 1 {
		return usagef("--limit: %d is less than 1 (--all gives everything)", c.Limit)
	}
	if c.Hash != "" && !isSHA256(c.Hash) {
		return usagef("--hash: %q is no SHA-256: it has 64 hexadecimal digits", c.Hash)
	}
	a, err := c.files()
	if err != nil {
		return err
	}
	query := url.Values{"name": {c.Name}, "keyword": {c.Keyword}, "tool": {c.Tool}, "user": {c.User}, "hash": {strings.ToLower(c.Hash)}}
	most := c.Limit
	if c.All {
		most = 0
	}
	list, more, err := a.list(ctx, query, most)
	if err != nil {
		return err
	}
	if more {
		defer fmt.Fprintf(std.err, "these are the latest %d; --all shows the others too\n", len(list))
	}
	if c.JSON {
		return writeJSON(std, list)
	}
	t, now := newTable("ID", "NAME", "SIZE", "USER", "SENT", "ENDS", "FOR", "KEYWORDS"), time.Now()
	t.whole = []string{"ID", "SIZE", "SENT"}
	for i := range list {
		f := &list[i]
		ends := ""
		if f.Expires != nil {
			ends = "in " + span(f.Expires.Sub(now))
		}
		t.row(f.ID, f.Name, f.size(), f.user(), ago(&f.Added, now), ends, f.audience(), strings.Join(f.Keywords, ", "))
	}
	none := "there are no files: takhost files put FILE" + a.again
	for _, v := range query {
		if v[0] != "" {
			none = "there are no such files"
		}
	}
	return t.write(std, none)
}

// audience tells who may have a file, when it is not all whom its sender may send
// to.
func (f *sharedFile) audience() string {
	list := slices.Clone(f.Groups)
	if f.Tool != publicTool {
		list = append([]string{f.Tool}, list...)
	}
	return strings.Join(list, ", ")
}

type filesShowCmd struct {
	sourceFlags
	File string `arg:"" help:"Id, SHA-256 or name of the file."`
	JSON bool   `help:"Write JSON."`
}

// Run shows.
func (c *filesShowCmd) Run(ctx context.Context, std streams) error {
	a, err := c.files()
	if err != nil {
		return err
	}
	f, err := a.one(ctx, c.File)
	if err != nil {
		return err
	}
	// With its contents, which a list has not.
	if err := a.get(ctx, under(filesPath, f.ID), nil, f); err != nil {
		return a.explain(ctx, err)
	}
	if c.JSON {
		return writeJSON(std, f)
	}
	var out facts
	f.tell(&out)
	return out.write(std)
}

func (f *sharedFile) tell(out *facts) {
	out.line("file", f.ID)
	out.line("name", f.Name)
	text := f.size()
	if f.Size >= 1000 {
		text += fmt.Sprintf(" (%d bytes)", f.Size)
	}
	out.line("size", text)
	out.line("type", f.Type)
	out.line("sha-256", f.Hash)
	out.line("uid", f.UID)
	out.line("user", f.user())
	out.line("device", f.Creator)
	out.line("sent", local(&f.Added))
	out.line("ends", local(f.Expires))
	out.line("tool", f.Tool)
	groups := strings.Join(f.Groups, ", ")
	if groups == "" {
		groups = "all that the sender may send to"
	}
	out.line("groups", groups)
	out.line("keywords", strings.Join(f.Keywords, ", "))
	if f.Lat != nil && f.Lon != nil {
		out.line("place", decimal(*f.Lat)+", "+decimal(*f.Lon))
	}
	if f.Alt != nil {
		out.line("altitude", decimal(*f.Alt)+" m")
	}
	out.lines("remarks", strings.Split(strings.TrimSpace(f.Remarks), "\n"))
	var list []string
	for _, e := range f.Contents {
		list = append(list, fmt.Sprintf("%s  %s", e.Name, size(uint64(max(e.Size, 0)))))
	}
	out.lines("contents", list)
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
