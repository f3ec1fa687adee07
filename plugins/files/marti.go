package main

import (
	"iter"
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
		f.mime = packageType
	}
	if err := p.add(c, f); err != nil {
		return err
	}
	_, err = w.WriteString(contentURL(p.base(c), f.hash))
	return err
}

// missionQuery says whether a file need not be sent again: it is there for all who
// may get it from this caller, or it is his own of the same groups.
func (p *plugin) missionQuery(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	hash := strings.ToLower(paramsOf(r).text("hash"))
	if !isHash(hash) {
		return errNoFile
	}
	e := look(c)
	for _, some := range []iter.Seq2[*file, error]{e.mine("by-hash", hash), e.seen(e.is("by-hash", hash).Descending())} {
		for f, err := range some {
			if err != nil {
				return err
			}
			ok, err := e.covers(f)
			if err != nil {
				return err
			}
			if ok {
				_, err := w.WriteString(contentURL(p.base(c), f.hash))
				return err
			}
			if len(e.names) == mostSets { // it has to be sent again, which does no harm
				return errNoFile
			}
		}
	}
	return errNoFile
}

// mostSets is for how many sets of groups one call asks.
const mostSets = 200

// covers says whether all groups that the caller may send to may have f.
func (e *eye) covers(f *file) (bool, error) {
	if len(f.groups) > 0 {
		return false, nil
	}
	if f.set == 0 || f.set == e.c.Caller().InSet {
		return true, nil
	}
	mine, err := e.groupsOf(e.c.Caller().InSet)
	if err != nil {
		return false, err
	}
	have, err := e.groupsOf(f.set)
	return !slices.ContainsFunc(mine, func(g string) bool { return !slices.Contains(have, g) }), err
}

// content gives a file by hash or uid, in the query or in the path.
func (p *plugin) content(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	in := paramsOf(r)
	name := r.Param("hash")
	if name == "" {
		name = in.text("hash", "uid")
	}
	offset, hasOffset := in.whole("offset")
	length, hasLength := in.whole("length")
	if err := r.Err(); err != nil {
		return err
	}
	if name == "" {
		return sdk.Invalidf("give the hash or the uid of a file")
	}
	f, err := look(c).one(name)
	if err != nil {
		return err
	}
	if hasOffset || hasLength {
		if !hasLength {
			length = f.size
		}
		return part(w, f, offset, length)
	}
	give(w, f)
	return nil
}

// give answers with all of a file; the host serves ranges and HEAD.
func give(w *sdk.Response, f *file) {
	w.ContentType(f.mime).Header("api-version", "3").
		Header("Last-Modified", f.added.UTC().Format(httpDate)).Blob(f.hash, f.name)
}

// httpDate is how HTTP writes a time in UTC.
const httpDate = "Mon, 02 Jan 2006 15:04:05 GMT"

// part answers with some bytes of a file, which the host cuts out of it.
func part(w *sdk.Response, f *file, offset, length int64) error {
	if offset >= f.size || length == 0 {
		w.Status(416).ContentType("text/plain").Header("Content-Range", "bytes */"+strconv.FormatInt(f.size, 10))
		_, err := w.WriteString("there is nothing at this offset")
		return err
	}
	length = min(length, f.size-offset)
	w.Status(206).ContentType(f.mime).Header("api-version", "3").
		Header("Content-Range", sdk.Format("bytes %d-%d/%d", offset, offset+length-1, f.size)).
		BlobRange(f.hash, offset, length)
	return nil
}

// search is that of clients, which read text/json.
func (p *plugin) search(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	f := filterOf(paramsOf(r))
	if err := r.Err(); err != nil {
		return err
	}
	var results sdk.JSON
	n, err := look(c).search(f, results.Array(), (*file).writeSync)
	if err != nil {
		return err
	}
	w.JSON().Object().Key("resultCount").Int(n).Key("results").Raw(results.Bytes())
	return nil
}

func (p *plugin) apiSearch(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	f := filterOf(paramsOf(r))
	if err := r.Err(); err != nil {
		return err
	}
	j := envelope(c, w, "Resource").Array()
	_, err := look(c).search(f, j, (*file).writeResource)
	return err
}

// syncDelete removes the uploads of a content that the caller may change, or one by
// its number.
func (p *plugin) syncDelete(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	in := paramsOf(r)
	e := look(c)
	if key := in.text("primaryKey"); key != "" {
		f, err := e.byID(key)
		if err != nil {
			return err
		}
		return e.remove(f)
	}
	name := in.text("hash", "uid")
	if name == "" {
		return sdk.Invalidf("give the hash or the PrimaryKey of a file")
	}
	found, err := e.toChange(name, mostDeleted)
	if err != nil {
		return err
	}
	return e.remove(found...)
}

// Bounds of the files that one request changes or deletes. A change is one operation of
// the host, of which a call has a thousand; a deletion is up to 13, with all offers.
const (
	mostChanged = 300
	mostDeleted = 50
)

// remove deletes files that the caller may change.
func (e *eye) remove(files ...*file) error {
	for _, f := range files {
		if !e.mayChange(f) {
			return errNotYours
		}
		if _, err := f.remove(e.c); err != nil {
			return err
		}
		e.c.Log().Info("file deleted", "file", f.id(), "name", f.name, "hash", f.hash, "by", e.c.Caller().User)
	}
	return nil
}
