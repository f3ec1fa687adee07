package main

import (
	"strings"

	"github.com/takhost/takhost/sdk"
)

// picture is a document of the collection pictures, and the owner of its file.
type picture struct {
	id, title, kind, hash, by string
	size                      int64
}

// newPicture makes one of a file that was uploaded, if it is a picture.
func newPicture(c *sdk.Call, b sdk.BlobRef, title string) (*picture, error) {
	kind, err := kindOf(c, b.Hash)
	if err != nil {
		return nil, err
	}
	if kind == "" {
		return nil, sdk.Invalidf("%s: it is no JPEG, PNG or WebP", name(b))
	}
	id, err := c.NewUID()
	if err != nil {
		return nil, err
	}
	if title == "" {
		title = b.Name
	}
	return &picture{id: id, title: title, kind: kind, hash: b.Hash, size: b.Size, by: c.Caller().User}, nil
}

func name(b sdk.BlobRef) string {
	if b.Name == "" {
		return "the upload"
	}
	return b.Name
}

// kindOf looks at how a file begins: its content type and name are the sender's word.
func kindOf(c *sdk.Call, hash string) (string, error) {
	head, err := c.Blobs().Read(hash, 0, 12)
	if err != nil {
		return "", err
	}
	begins := func(s string) bool { return strings.HasPrefix(string(head), s) }
	switch {
	case begins("\xff\xd8\xff"):
		return "image/jpeg", nil
	case begins("\x89PNG\r\n\x1a\n"):
		return "image/png", nil
	case begins("RIFF") && len(head) == 12 && string(head[8:]) == "WEBP":
		return "image/webp", nil
	}
	return "", nil
}

func (p *picture) write(j *sdk.JSON) {
	j.Object().Key("id").Text(p.id).Key("title").Text(p.title).Key("type").Text(p.kind).
		Key("hash").Text(p.hash).Key("size").Int(p.size).Key("by").Text(p.by).End()
}

// store writes the document, for those whom the sender's groups reach.
func (p *picture) store(c *sdk.Call) error {
	var j sdk.JSON
	p.write(&j)
	if err := j.Err(); err != nil {
		return err
	}
	return c.Collection("pictures").For(c.Caller().InSet).Put(p.id, j.Bytes())
}

func find(from sdk.Collection, id string) (*picture, error) {
	d, there, err := from.Find(id)
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, sdk.NotFoundf("there is no picture %s", id)
	}
	return parse(&d)
}

func parse(d *sdk.Document) (*picture, error) {
	in, err := sdk.ParseJSON(d.Body)
	if err != nil {
		return nil, err
	}
	p := &picture{id: d.ID, title: in.TextOr("title", ""), kind: in.Text("type"), hash: in.Text("hash"), by: in.TextOr("by", ""), size: in.Int("size")}
	return p, in.Err()
}
