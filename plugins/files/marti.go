package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/takhost/takhost/sdk"
)

// Enterprise sync as clients know it (spec/tak-marti.md 7).

// syncUpload keeps any file.
func (p *plugin) syncUpload(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	ref, err := taken(c, r)
	if err != nil {
		return err
	}
	f, err := p.described(c, r, ref)
	if err != nil {
		return err
	}
	if err := p.add(c, f); err != nil {
		return err
	}
	f.writeSync(w.JSON())
	return nil
}

// missionUpload keeps a data package. ATAK takes no status but 200, and sends the
// body on to receivers as it stands.
func (p *plugin) missionUpload(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	if !isForm(r) {
		return sdk.Invalidf("a package is sent as a multipart form, in the part assetfile")
	}
	ref, err := taken(c, r)
	if err != nil {
		return err
	}
	f, err := p.described(c, r, ref)
	if err != nil {
		return err
	}
	f.uid = f.hash
	if !f.isPackage() {
		f.keywords = append(f.keywords, packageKeyword)
	}
	if f.mime == unknownType {
		f.mime = "application/x-zip-compressed"
	}
	if err := p.add(c, f); err != nil {
		return err
	}
	_, err = w.WriteString(contentURL(p.base(c), f.hash))
	return err
}

// base is where the caller reaches the server. A request that does not say to whom it
// was sent is answered with where others do.
func (p *plugin) base(c *sdk.Call) string {
	if base := c.Caller().BaseURL; base != "" {
		return base
	}
	url, _ := p.urls(c)
	return url
}

// contentURL is where a file is. CloudTAK reads the hash from its query.
func contentURL(base, hash string) string {
	return strings.TrimSuffix(base, "/") + "/Marti/sync/content?hash=" + hash
}

// missionQuery says whether a file need not be sent again: it is there for all who
// may get it from this caller, or it is his own of the same groups.
func (p *plugin) missionQuery(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	hash := strings.ToLower(paramsOf(r).text("hash"))
	if !isHash(hash) {
		return errNoFile
	}
	found, err := look(c).find("by-hash", hash)
	if err != nil {
		return err
	}
	for _, f := range found {
		ok, err := covers(c, f)
		if err != nil {
			return err
		}
		if ok {
			_, err := w.WriteString(contentURL(p.base(c), f.hash))
			return err
		}
	}
	return errNoFile
}

// covers says whether all groups that the caller may send to may have f.
func covers(c *sdk.Call, f *file) (bool, error) {
	if len(f.groups) > 0 {
		return false, nil
	}
	if f.set == c.Caller().InSet {
		return true, nil
	}
	mine, err := groupsOf(c, c.Caller().InSet)
	if err != nil {
		return false, err
	}
	have, err := groupsOf(c, f.set)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(mine, func(g string) bool { return !slices.Contains(have, g) }), nil
}

// content gives a file by hash or uid, in the query or in the path.
func (p *plugin) content(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	in := paramsOf(r)
	uid, hash := in.text("uid"), r.Param("hash")
	if hash == "" {
		hash = in.text("hash")
	}
	offset, hasOffset := in.number(0, 1<<53, "offset")
	length, hasLength := in.number(0, 1<<53, "length")
	if err := r.Err(); err != nil {
		return err
	}
	var found []*file
	var err error
	switch e := look(c); {
	case hash != "":
		found, err = e.byHash(hash)
	case uid == "":
		return sdk.Invalidf("give the hash or the uid of a file")
	case len(uid) <= maxText:
		found, err = e.find("by-uid", uid)
	}
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return errNoFile
	}
	if hasOffset || hasLength {
		if !hasLength {
			length = float64(found[0].size)
		}
		return part(c, w, found[0], int64(offset), int64(length))
	}
	give(w, found[0])
	return nil
}

// give answers with all of a file; the host serves ranges and HEAD.
func give(w *sdk.Response, f *file) {
	w.ContentType(f.mime).Header("api-version", "3").
		Header("Last-Modified", f.added.UTC().Format(httpDate)).Blob(f.hash, f.name)
}

// httpDate is how HTTP writes a time in UTC.
const httpDate = "Mon, 02 Jan 2006 15:04:05 GMT"

// mostPart bounds what is given by offset and length, as it passes the plugin. It
// may be less than was asked for; Content-Range says what it is.
const mostPart = 2 << 20

// part answers with some bytes of a file.
func part(c *sdk.Call, w *sdk.Response, f *file, offset, length int64) error {
	if offset >= f.size || length == 0 {
		w.Status(416).ContentType("text/plain").Header("Content-Range", "bytes */"+strconv.FormatInt(f.size, 10))
		_, err := w.WriteString("there is nothing at this offset")
		return err
	}
	end := offset + min(length, mostPart, f.size-offset)
	w.Status(206).ContentType(f.mime).Header("api-version", "3").
		Header("Content-Range", sdk.Format("bytes %d-%d/%d", offset, end-1, f.size))
	for offset < end {
		b, err := c.Blobs().Read(f.hash, offset, int(min(end-offset, 256<<10)))
		if err != nil {
			return err
		}
		if len(b) == 0 {
			return sdk.Failedf("file %s is shorter than it was", f.id())
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		offset += int64(len(b))
	}
	return nil
}

// search is that of clients, which read text/json.
func (p *plugin) search(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	f := filterOf(paramsOf(r))
	if err := r.Err(); err != nil {
		return err
	}
	found, err := look(c).search(f)
	if err != nil {
		return err
	}
	j := w.JSON().Object().Key("resultCount").Int(int64(len(found))).Key("results").Array()
	for _, x := range found {
		x.writeSync(j)
	}
	return nil
}

func (p *plugin) apiSearch(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	f := filterOf(paramsOf(r))
	if err := r.Err(); err != nil {
		return err
	}
	found, err := look(c).search(f)
	if err != nil {
		return err
	}
	j := envelope(w, "Resource").Array()
	for _, x := range found {
		x.writeResource(j)
	}
	return nil
}

// syncDelete removes the uploads of a content that the caller may change, or one by
// its number.
func (p *plugin) syncDelete(c *sdk.Call, r *sdk.Request, _ *sdk.Response) error {
	in := paramsOf(r)
	e := look(c)
	if key := in.text("primaryKey"); key != "" {
		f, err := e.byID(key)
		if err != nil {
			return err
		}
		return e.remove(f)
	}
	hash, uid := in.text("hash"), in.text("uid")
	switch {
	case hash != "":
	case uid != "":
		hash = uid
	default:
		return sdk.Invalidf("give the hash or the PrimaryKey of a file")
	}
	found, err := e.byHash(hash)
	if err != nil {
		return err
	}
	return e.remove(found...)
}

// mostChanged bounds the files that one request changes: each costs two operations
// of the host, of which a call has a thousand.
const mostChanged = 300

// remove deletes those files that the caller may change, which have to be some.
func (e *eye) remove(files ...*file) error {
	files, err := e.changeable(files)
	if err != nil {
		return err
	}
	for _, f := range files[:min(len(files), mostChanged)] {
		if err := f.remove(e.c); err != nil {
			return err
		}
		e.c.Log().Info("file deleted", "file", f.id(), "name", f.name, "hash", f.hash, "by", e.c.Caller().User)
	}
	return nil
}
