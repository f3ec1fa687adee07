package main

import (
	"slices"
	"strconv"
	"strings"
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
// files, in JSON.
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
	set     int32
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

func (f *file) body() ([]byte, error) {
	var j sdk.JSON
	j.Object().Key("hash").Text(f.hash).Key("size").Int(f.size).Key("uid").Text(f.uid).Key("name").Text(f.name).
		Key("mime").Text(f.mime).Key("keywords").Texts(f.keywords).Key("tool").Text(f.tool).
		Key("submitter").Text(f.submitter).Key("creator").Text(f.creator).Key("added").Int(f.added.UnixMicro())
	for _, t := range [...]struct{ name, value string }{{"remarks", f.remarks}, {"path", f.path}, {"mission", f.mission}} {
		if t.value != "" {
			j.Key(t.name).Text(t.value)
		}
	}
	for _, l := range [...]struct {
		name  string
		value []string
	}{{"permissions", f.permissions}, {"contacts", f.contacts}, {"groups", f.groups}} {
		if len(l.value) > 0 {
			j.Key(l.name).Texts(l.value)
		}
	}
	if f.located {
		j.Key("lat").Float(f.lat).Key("lon").Float(f.lon)
	}
	if f.high {
		j.Key("altitude").Float(f.altitude)
	}
	if !f.expires.IsZero() {
		j.Key("expires").Int(f.expires.UnixMicro())
	}
	j.End()
	return j.Bytes(), j.Err()
}

func parse(d *sdk.Document) (*file, error) {
	in, err := sdk.ParseJSON(d.Body)
	if err != nil {
		return nil, err
	}
	key, err := strconv.ParseInt(d.ID, 10, 64)
	if err != nil {
		return nil, sdk.Failedf("the document %q has no number as its id", d.ID)
	}
	f := &file{
		key: key, set: d.Set, hash: in.Text("hash"), size: in.Int("size"), uid: in.Text("uid"), name: in.Text("name"),
		mime: in.TextOr("mime", unknownType), keywords: in.Texts("keywords"), tool: in.TextOr("tool", publicTool),
		submitter: in.TextOr("submitter", ""), creator: in.TextOr("creator", ""), added: sdk.TimeOf(in.Int("added")),
		remarks: in.TextOr("remarks", ""), path: in.TextOr("path", ""), mission: in.TextOr("mission", ""),
		permissions: in.Texts("permissions"), contacts: in.Texts("contacts"), groups: in.Texts("groups"),
		located: in.Has("lat"), lat: in.FloatOr("lat", 0), lon: in.FloatOr("lon", 0),
		high: in.Has("altitude"), altitude: in.FloatOr("altitude", 0),
	}
	if at := in.IntOr("expires", 0); at > 0 {
		f.expires = sdk.TimeOf(at)
	}
	return f, in.Err()
}

func (f *file) keys() []sdk.Key {
	at := sdk.At(f.added)
	keys := []sdk.Key{
		sdk.NewKey("by-hash", sdk.Text(f.hash), at), sdk.NewKey("by-uid", sdk.Text(f.uid), at), sdk.NewKey("by-time", at),
		sdk.NewKey("by-name", sdk.Text(f.name), at),
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

// save writes the document.
func (f *file) save(c *sdk.Call) error {
	body, err := f.body()
	if err != nil {
		return err
	}
	return c.Collection("files").For(f.set).Put(f.id(), body, f.keys()...)
}

// remove deletes the document and gives the content up.
func (f *file) remove(c *sdk.Call) error {
	if _, err := c.Collection("files").Delete(f.id()); err != nil {
		return err
	}
	return c.Blobs().Release(f.hash, f.id())
}

// unknownType is the content type of what nobody gave one.
const unknownType = "application/octet-stream"

// cleanType gives a content type that can be sent as a header.
func cleanType(t string) string {
	t = strings.TrimSpace(t)
	kind, sub, ok := strings.Cut(t, "/")
	if i := strings.IndexAny(sub, "; "); i >= 0 {
		sub = sub[:i]
	}
	if !ok || !isToken(kind) || !isToken(sub) || len(t) > maxText || strings.HasPrefix(t, "multipart/") || t == "application/x-www-form-urlencoded" {
		return unknownType
	}
	for _, c := range []byte(t) {
		if c < ' ' || c >= 0x7f {
			return kind + "/" + sub
		}
	}
	return t
}

func isToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// cleanName gives a file name without folders and without characters that are none
// of a name. It may be empty.
func cleanName(s string) string {
	if i := strings.LastIndexAny(s, `/\`); i >= 0 {
		s = s[i+1:]
	}
	s = strings.Map(func(r rune) rune {
		// Control characters, and those that turn the direction of what follows.
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x2028 || r == 0x2029 {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "_"))
	s = strings.TrimSpace(clip(s, maxText))
	if s == "." || s == ".." {
		return ""
	}
	return s
}

func clip(s string, n int) string {
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return strings.Clone(s)
}

// isHash says whether s is a SHA-256 in lower-case hexadecimal digits.
func isHash(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
