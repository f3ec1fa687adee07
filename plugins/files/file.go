package main

import (
	"slices"
	"strconv"
	"time"

	"github.com/takhost/takhost/sdk"
)

// packageKeyword is the keyword by which clients know data packages.
const packageKeyword = "missionpackage"

// Tools. Private files are left out of lists; whoever has the hash, and a group in
// common, still gets them: so one client sends a package to another.
const (
	publicTool  = "public"
	privateTool = "private"
)

// file is one upload and what its sender said of it: a document of the collection
// files. Its texts are good as long as the call.
type file struct {
	key       int64 // number, which clients know as PrimaryKey
	hash      string
	size      int64
	uid       string
	name      string
	mime      string
	keywords  []string
	tool      string
	submitter string // user; empty: nobody logged in
	creator   string // uid of the client
	remarks   string
	path      string // DownloadPath
	mission   string

	permissions, contacts []string

	located  bool
	lat, lon float64 // degrees
	high     bool
	altitude float64 // metres

	added   time.Time
	expires time.Time // zero: never
	groups  []string  // fewer than those of set; none: all of them
	set     int32     // 0: everybody, groups that are made later too
}

func (f *file) id() string { return strconv.FormatInt(f.key, 10) }

func (f *file) isPackage() bool { return slices.Contains(f.keywords, packageKeyword) }

func (f *file) private() bool { return f.tool == privateTool }

// user is how the submitter is shown.
func (f *file) user() string {
	if f.submitter == "" {
		return "anonymous"
	}
	return f.submitter
}

func (f *file) keys() []sdk.Key {
	at := sdk.At(f.added)
	keys := []sdk.Key{
		sdk.NewKey("by-hash", sdk.Text(f.hash), at), sdk.NewKey("by-uid", sdk.Text(f.uid), at), sdk.NewKey("by-time", at),
		sdk.NewKey("by-name", sdk.Text(f.name), at), sdk.NewKey("by-sender", sdk.Text(f.submitter), sdk.Text(f.hash), at),
	}
	if f.isPackage() {
		keys = append(keys, sdk.NewKey("packages", at))
	}
	if !f.expires.IsZero() {
		keys = append(keys, sdk.NewKey("by-expiry", sdk.At(f.expires)))
	}
	return keys
}

func reindex(_ *sdk.Call, d *sdk.Document) ([]sdk.Key, error) {
	f, err := parse(d)
	if err != nil {
		return nil, err
	}
	return f.keys(), nil
}

// save writes the document, if it is within bounds.
func (f *file) save(c *sdk.Call) error {
	if err := f.check(); err != nil {
		return err
	}
	return c.Collection("files").For(f.set).Put(f.id(), f.body(), f.keys()...)
}

// remove deletes the document with its offers and gives the content up. It says how many
// operations of the host that took, of which a call has a thousand.
func (f *file) remove(c *sdk.Call) (ops int, err error) {
	n, err := removeOffers(c, f.id())
	if err != nil {
		return n, err
	}
	if _, err := c.Collection("files").Delete(f.id()); err != nil {
		return n, err
	}
	return n + 3, c.Blobs().Release(f.hash, f.id())
}
