package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/takhost/takhost/core/plugin"
)

const (
	filesPath   = "/api/v1/files"
	filesPlugin = "files"

	// packageWord is the keyword by which clients know data packages
	// (spec/fts-datapackage.md 2).
	packageWord = "missionpackage"
	publicTool  = "public"
	privateTool = "private" // left out of lists
)

type filesCmd struct {
	List   filesListCmd   `cmd:"" help:"List the files, the latest first."`
	Show   filesShowCmd   `cmd:"" help:"Show all of one, and what is in a data package."`
	Put    filesPutCmd    `cmd:"" help:"Put files on the server; --send-to offers them to clients at once."`
	Pack   filesPackCmd   `cmd:"" help:"Make a data package of archived events and files."`
	Get    filesGetCmd    `cmd:"" help:"Fetch a file."`
	Send   filesSendCmd   `cmd:"" help:"Offer a file to clients, who then fetch it."`
	Offers filesOffersCmd `cmd:"" help:"Tell to whom a file was offered, and who has it."`
	Remove filesRemoveCmd `cmd:"" help:"Remove files. What clients have fetched they keep."`
}

// sharedFile is a file as /api/v1/files shows it.
type sharedFile struct {
	ID       string        `json:"id"`
	Name     string        `json:"name"`
	Hash     string        `json:"hash"` // SHA-256 in hexadecimal digits
	Size     int64         `json:"size"` // bytes
	Type     string        `json:"type"`
	UID      string        `json:"uid"`
	Keywords []string      `json:"keywords"`
	Tool     string        `json:"tool"`
	Private  bool          `json:"private"`
	User     string        `json:"user"` // empty: nobody logged in
	Creator  string        `json:"creator"`
	Added    time.Time     `json:"added"`
	Expires  *time.Time    `json:"expires,omitempty"`
	Lat      *float64      `json:"lat,omitempty"`
	Lon      *float64      `json:"lon,omitempty"`
	Alt      *float64      `json:"alt,omitempty"` // metres
	Remarks  string        `json:"remarks,omitempty"`
	Groups   []string      `json:"groups,omitempty"` // fewer than those of its sender
	Contents []packageFile `json:"contents,omitempty"`
}

// packageFile is a file in a data package.
type packageFile struct {
	Name string `json:"name"`
	Size int64  `json:"size"` // bytes
}

func (f *sharedFile) isPackage() bool { return slices.Contains(f.Keywords, packageWord) }

func (f *sharedFile) size() string { return size(uint64(max(f.Size, 0))) }

// line is the file in a few words.
func (f *sharedFile) line() string { return fmt.Sprintf("%s: %s, %s", f.ID, f.Name, f.size()) }

type filesPage struct {
	Files []sharedFile `json:"files"`
	Next  string       `json:"next"`
}

// awayError says that the plugin files does not answer, and what to do.
type awayError struct {
	what string
	err  error
}

func (e *awayError) Error() string { return e.what }

func (e *awayError) Unwrap() error { return e.err }

// isMissing says whether what was asked for is not there, while the plugin is.
func isMissing(err error) bool {
	return isStatus(err, http.StatusNotFound) && !errors.As(err, new(*awayError))
}

// files is the server seen as the place of files.
type files struct {
	*admin
	again string // flags by which another command finds the same server
}

func (f *sourceFlags) files() (*files, error) {
	a, err := f.admin()
	if err != nil {
		return nil, err
	}
	return &files{a, f.again()}, nil
}

// explain makes an error that says what to do of one that comes from the plugin
// being away: its paths are unknown then, or refuse.
func (a *files) explain(ctx context.Context, err error) error {
	if !isStatus(err, http.StatusNotFound) && !isStatus(err, http.StatusServiceUnavailable) {
		return err
	}
	var p plugin.Info
	about := a.get(ctx, pluginPath(filesPlugin), nil, &p)
	switch {
	case isStatus(about, http.StatusNotFound):
		return &awayError{"files are kept by the plugin files, and this server has none: takhost plugin list" + a.again, err}
	case about != nil || p.State == plugin.Active || p.State == plugin.Idle:
		return err
	case p.State == plugin.Disabled:
		return &awayError{"files are kept by the plugin files, which is switched off: takhost plugin enable files" + a.again, err}
	}
	why := string(p.State)
	if p.Reason != "" {
		why += ": " + p.Reason
	}
	return &awayError{fmt.Sprintf("files are kept by the plugin files, which does not run (%s): takhost plugin show files%s", why, a.again), err}
}

// list gives files that query asks for, the latest first; most of them at most, or
// all for 0. more says that there are others.
func (a *files) list(ctx context.Context, query url.Values, most int) (list []sharedFile, more bool, err error) {
	q := url.Values{}
	for name, values := range query {
		if len(values) > 0 && values[0] != "" {
			q[name] = values
		}
	}
	list = []sharedFile{}
	for {
		n := maxPage
		if most > 0 {
			n = min(most-len(list)+1, maxPage) // one more tells whether there is more
		}
		q.Set("limit", fmt.Sprint(n))
		var page filesPage
		if err := a.get(ctx, filesPath, q, &page); err != nil {
			return nil, false, a.explain(ctx, err)
		}
		list = append(list, page.Files...)
		if most > 0 && len(list) > most {
			return list[:most], true, nil
		}
		if page.Next == "" {
			return list, false, nil
		}
		q.Set("after", page.Next)
	}
}

// named gives the files that somebody means by an id, a hash or a name: the id
// goes before a name of digits.
func (a *files) named(ctx context.Context, ref string) ([]sharedFile, error) {
	if isNumber(ref) {
		var f sharedFile
		err := a.explain(ctx, a.get(ctx, under(filesPath, ref), nil, &f))
		if err == nil {
			return []sharedFile{f}, nil
		}
		if !isMissing(err) {
			return nil, err
		}
	}
	by := "name"
	if isSHA256(ref) {
		by, ref = "hash", strings.ToLower(ref)
	}
	list, _, err := a.list(ctx, url.Values{by: {ref}}, 0)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("there is no file %s: takhost files list%s shows them", quoted(ref), a.again)
	}
	return list, err
}

// one gives the file that somebody means, as long as that is clear.
func (a *files) one(ctx context.Context, ref string) (*sharedFile, error) {
	list, err := a.named(ctx, ref)
	if err != nil {
		return nil, err
	}
	if len(list) > 1 {
		return nil, several(ref, list)
	}
	return &list[0], nil
}

// content gives a file that has the content which somebody means.
func (a *files) content(ctx context.Context, ref string) (*sharedFile, error) {
	list, err := a.named(ctx, ref)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(list, func(f sharedFile) bool { return f.Hash != list[0].Hash }) {
		return nil, several(ref, list)
	}
	return &list[0], nil
}

// several asks to be more exact.
func several(ref string, list []sharedFile) error {
	const most = 10
	text := fmt.Sprintf("%s are %s; name one by its id:", quoted(ref), number(len(list), "file"))
	for i := range list[:min(len(list), most)] {
		f := &list[i]
		text += fmt.Sprintf("\n  %s, %s, by %s%s", f.line(), local(&f.Added), f.user(), f.remark())
	}
	if len(list) > most {
		text += "\n  and older ones"
	}
	return errors.New(text)
}

// user is how who sent a file is shown.
func (f *sharedFile) user() string {
	if f.User == "" {
		return "anonymous"
	}
	return f.User
}

func isNumber(s string) bool {
	return s != "" && len(s) <= 19 && strings.Trim(s, "0123456789") == ""
}

func isSHA256(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}
