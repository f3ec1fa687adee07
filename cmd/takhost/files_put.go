package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

type filesPutCmd struct {
	sourceFlags
	Files   []string `arg:"" name:"file" help:"Files to put; - is the standard input."`
	Name    string   `help:"Name that it gets; needed for the standard input."`
	Type    string   `placeholder:"TYPE" help:"Content type, such as image/jpeg. Without, the name tells."`
	Package bool     `help:"It is a data package: it is checked, and clients list it as one."`
	aboutFlags
	offerFlags `embed:"" prefix:"send-"`
	JSON       bool `help:"Write JSON."`
}

// aboutFlags say what is known of a new file.
type aboutFlags struct {
	Keyword []string `placeholder:"WORD" sep:"none" help:"Word to find it by. May be given several times."`
	Private bool     `help:"Keep it out of lists: whoever has its hash, and a group in common, gets it."`
	Group   []string `placeholder:"NAME" sep:"none" help:"Only users of this group may have it. May be given several times; without, all groups there are."`
	Expires string   `placeholder:"WHEN" help:"When it is deleted: 12h, 7d, 2027-01-31 or RFC 3339."`
}

// check reads the flags; the time is zero for a file that stays. Groups are looked
// up, so that a misspelt one is seen before a large file is sent.
func (f *aboutFlags) check(ctx context.Context, a *files, now time.Time) (groups []string, expires time.Time, err error) {
	for _, k := range f.Keyword {
		if strings.Contains(k, ",") || strings.TrimSpace(k) == "" {
			return nil, expires, usagef("--keyword: %q is no single word: write --keyword for each", k)
		}
	}
	if f.Expires != "" {
		if expires, err = ahead("expires", f.Expires, now); err != nil {
			return nil, expires, err
		}
	}
	members, err := a.memberships(ctx, f.Group)
	for _, m := range members {
		if m.In != nil || m.Out != nil {
			return nil, expires, usagef("--group: write the name alone")
		}
		if strings.Contains(m.Group, ",") {
			return nil, expires, usagef("--group: %q has a comma, and the server takes no such name here", m.Group)
		}
		groups = append(groups, m.Group)
	}
	return groups, expires, err
}

// put is one file that is to be put.
type put struct {
	name string
	in   io.ReadCloser
	size int64 // -1: not known
}

// kept is a file that was put.
type kept struct {
	sharedFile
	Sent *offered `json:"sent,omitempty"`
}

// Run puts. All files are opened before one is sent.
func (c *filesPutCmd) Run(ctx context.Context, std streams) error {
	if c.Name != "" && len(c.Files) > 1 {
		return usagef("--name is for one file, and these are %d", len(c.Files))
	}
	if err := c.offerFlags.check(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	list, err := c.open(ctx, std)
	defer func() {
		for _, p := range list {
			p.in.Close() // was read only
		}
	}()
	if err != nil {
		return err
	}
	a, err := c.files()
	if err != nil {
		return err
	}
	groups, expires, err := c.aboutFlags.check(ctx, a, time.Now())
	if err != nil {
		return err
	}
	query := url.Values{"groups": groups, "keywords": c.Keyword}
	if c.Package {
		query.Add("keywords", packageWord)
	}
	query.Set("tool", publicTool) // or one that is there already would stay private
	if c.Private {
		query.Set("tool", privateTool)
	}
	if !expires.IsZero() {
		query.Set("expiration", fmt.Sprint(expires.Unix()))
	}
	all := []kept{}
	for i, p := range list {
		k, err := c.one(ctx, a, std, p, query)
		if k != nil {
			all = append(all, *k)
		}
		if err != nil {
			if c.JSON {
				err = cmp.Or(err, writeJSON(std, all))
			}
			if left := len(list) - i - 1; left > 0 {
				err = fmt.Errorf("%w\n%s behind it not sent", err, number(left, "file"))
			}
			return err
		}
	}
	if c.JSON {
		return writeJSON(std, all)
	}
	return nil
}

// open opens the files and gives them their names.
func (c *filesPutCmd) open(ctx context.Context, std streams) (list []put, err error) {
	for _, path := range c.Files {
		p := put{name: c.Name, size: -1}
		if path == stdout {
			if c.Name == "" {
				return list, usagef("say with --name what the standard input is called")
			}
			p.in = io.NopCloser(&interruptible{ctx.Done(), std.in})
			list = append(list, p)
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			return list, err
		}
		p.in = f
		if c.Name == "" {
			p.name = filepath.Base(path)
		}
		list = append(list, p)
		about, err := f.Stat()
		switch {
		case err != nil:
			return list, err
		case about.IsDir():
			return list, fmt.Errorf("%s is a folder: zip it first, or name its files", path)
		case about.Mode().IsRegular() && about.Size() > 0: // those of /proc are empty until they are read
			last := &list[len(list)-1]
			last.size, last.in = about.Size(), &sizedFile{f, about.Size()}
		}
	}
	return list, nil
}

// one puts a file, and offers it if that is wanted.
func (c *filesPutCmd) one(ctx context.Context, a *files, std streams, p put, query url.Values) (*kept, error) {
	query.Set("name", p.name)
	kind := c.Type
	if kind == "" {
		kind = typeOf(p.name, c.Package)
	}
	m := newMeter(std, p.name, p.size)
	f, err := a.put(ctx, query, kind, m.reading(p.in), p.size)
	m.end()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s: interrupted, nothing of it was kept", p.name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, c.refused(a.explain(ctx, err)))
	}
	return a.afterPut(ctx, std, f, c.offerFlags, c.JSON)
}

// afterPut tells of a file that is there now, and offers it if that is wanted. It
// gives the file also when nobody took the offer.
func (a *files) afterPut(ctx context.Context, std streams, f *sharedFile, to offerFlags, quiet bool) (*kept, error) {
	k := &kept{sharedFile: *f}
	if !quiet {
		if err := said(std, "%s%s", f.line(), f.remark()); err != nil {
			return k, err
		}
	}
	if !to.wanted() {
		return k, nil
	}
	var err error
	if k.Sent, err = a.offer(ctx, f.ID, to); err != nil {
		return k, fmt.Errorf("%s is there as file %s, but: %w", f.Name, f.ID, err)
	}
	if quiet {
		return k, nil
	}
	return k, k.Sent.tell(std, f)
}

// refused says more of why a file was not taken.
func (c *filesPutCmd) refused(err error) error {
	detail := strings.TrimPrefix(err.Error(), "body: ")
	switch {
	case isStatus(err, http.StatusRequestEntityTooLarge):
		return fmt.Errorf("%s, which is limits.upload of the server's configuration", detail)
	case isStatus(err, http.StatusRequestTimeout):
		return fmt.Errorf("%s: write it to a file first, and put that", detail)
	}
	return err
}

// remark tells what is special of a file that was put.
func (f *sharedFile) remark() string {
	text := ""
	if f.isPackage() {
		text += ", data package"
	}
	if f.Private {
		text += ", private"
	}
	if len(f.Groups) > 0 {
		text += ", for " + strings.Join(f.Groups, ", ")
	}
	if f.Expires != nil {
		text += ", until " + local(f.Expires)
	}
	return text
}
