package main

import (
	"strconv"

	"github.com/takhost/takhost/sdk"
)

func (o *out) ref(b sdk.BlobRef) *out {
	return o.fields(b.Hash).number(b.Size).fields(b.ContentType, b.Name)
}

// gave answers with a file that an operation gave.
func gave(w *sdk.Response, b sdk.BlobRef, err error) error {
	if err != nil {
		return passOn("file", err)
	}
	return answer(w, (&out{}).ref(b))
}

func putFile(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	data := []byte(text(r, "data"))
	if n := whole(r, "n"); n > 0 {
		data = letters(n)
	}
	b, err := c.Blobs().Put(text(r, "name"), text(r, "type"), data)
	return gave(w, b, err)
}

func readFile(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	b, err := c.Blobs().Read(text(r, "hash"), whole(r, "offset"), int(whole(r, "length")))
	if err != nil {
		return passOn("file", err)
	}
	return answer(w, (&out{}).hex(b))
}

func statFile(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	b, err := c.Blobs().Stat(text(r, "hash"))
	return gave(w, b, err)
}

func keepFile(c *sdk.Call, r *sdk.Request, _ *sdk.Response) error {
	return passOn("file", c.Blobs().Keep(text(r, "hash"), text(r, "owner")))
}

func releaseFile(c *sdk.Call, r *sdk.Request, _ *sdk.Response) error {
	return passOn("file", c.Blobs().Release(text(r, "hash"), text(r, "owner")))
}

func keptFiles(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	kept, err := c.Blobs().Kept(text(r, "owner"))
	if err != nil {
		return passOn("file", err)
	}
	o := &out{}
	for _, b := range kept {
		o.ref(b)
	}
	return answer(w, o)
}

func listZip(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	entries, err := c.Blobs().ZipList(text(r, "hash"))
	if err != nil {
		return passOn("file", err)
	}
	o := &out{}
	for _, e := range entries {
		o.fields(e.Name).number(e.Size)
	}
	return answer(w, o)
}

func unzip(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	b, err := c.Blobs().ZipEntry(text(r, "hash"), text(r, "name"))
	return gave(w, b, err)
}

// packFiles makes an archive of entries, each with a name and a hash or data.
func packFiles(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	var entries []sdk.PackEntry
	for e := range r.Tree.Root().Child("entries").Children() {
		entry := sdk.PackEntry{Name: e.Child("name").Text(), Hash: e.Child("hash").Text()}
		if entry.Hash == "" {
			entry.Data = []byte(e.Child("data").Text())
		}
		entries = append(entries, entry)
	}
	b, err := c.Blobs().Pack(text(r, "name"), entries...)
	return gave(w, b, err)
}

// upload says what came.
func upload(_ *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	o := (&out{}).fields(r.ContentType, r.Form().TextOr("note", ""), strconv.FormatBool(r.ReadOnly))
	for _, b := range r.Blobs {
		o.ref(b)
	}
	return answer(w, o)
}

// download answers with a file, a piece of it from an offset on, or with several parts.
func download(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	q := r.Query()
	hash := q.Text("hash")
	if q.Has("mixed") {
		_, _ = w.WriteString("[")
		w.Blob(hash, "")
		_, _ = w.WriteString("|")
		w.BlobRange(hash, 1, 2)
		_, _ = w.WriteString("]")
		return r.Err()
	}
	if !q.Has("offset") {
		w.Blob(hash, q.TextOr("name", ""))
		return r.Err()
	}
	offset, length := q.Int("offset"), q.Int("length")
	if err := r.Err(); err != nil {
		return err
	}
	b, err := c.Blobs().Stat(hash)
	if err != nil {
		return passOn("file", err)
	}
	end := b.Size
	if length > 0 && offset+length < end {
		end = offset + length
	}
	w.Status(206).Header("Content-Range", sdk.Format("bytes %d-%d/%d", offset, end-1, b.Size)).BlobRange(hash, offset, length)
	return nil
}
