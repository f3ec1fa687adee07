// Command pictures is a plugin that takes pictures by upload, keeps them and gives them
// back. Their bytes stay with the server and never pass through the plugin: it has their
// hashes, and says in documents who may see which.
package main

import (
	"strings"

	"github.com/takhost/takhost/sdk"
)

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }

func newPlugin() *sdk.Plugin {
	return &sdk.Plugin{
		Name: "pictures", Version: "1.0.0",
		HTTP: map[string]sdk.Handler{"add": add, "list": list, "show": show, "remove": remove, "album": album},
	}
}

// mostTitle is how many bytes a title has.
const mostTitle = 200

// add keeps the pictures of an upload. They were written while they came; what is not
// kept here goes by itself.
func add(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	if len(r.Blobs) == 0 {
		return sdk.Invalidf("there is no picture in it")
	}
	title := r.Form().TextOr("title", "")
	if len(title) > mostTitle {
		return sdk.Invalidf("the title has more than %d bytes", mostTitle)
	}
	j := w.Status(201).JSON().Object().Key("pictures").Array()
	for _, b := range r.Blobs {
		p, err := newPicture(c, b, title)
		if err != nil {
			return err
		}
		if err := c.Blobs().Keep(p.hash, p.id); err != nil {
			return err
		}
		p.write(j)
		if err := p.store(c); err != nil {
			return err
		}
	}
	return nil
}

// list answers with the documents, which the server puts in while it sends.
func list(c *sdk.Call, _ *sdk.Request, w *sdk.Response) error {
	w.JSON().Object().Key("pictures").Array()
	return w.Documents(c.Collection("pictures").AsCaller().Query(), ",")
}

// show answers with the file. The server does ranges, HEAD and If-None-Match.
func show(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	p, err := find(c.Collection("pictures").AsCaller(), r.Param("id"))
	if err != nil {
		return err
	}
	w.ContentType(p.kind).Blob(p.hash, "")
	return nil
}

// remove gives the file up together with the document. It goes within the hour, unless
// somebody else keeps one of the same content.
func remove(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	p, err := find(c.Collection("pictures"), r.Param("id"))
	if err != nil {
		return err
	}
	if _, err := c.Collection("pictures").Delete(p.id); err != nil {
		return err
	}
	w.Status(204)
	return c.Blobs().Release(p.hash, p.id)
}

// mostInAlbum bounds an album: the server makes it within the time of one call.
const mostInAlbum = 200

// album answers with an archive. The server makes it; nobody keeps it, so it is gone an
// hour later.
func album(c *sdk.Call, _ *sdk.Request, w *sdk.Response) error {
	var entries []sdk.PackEntry
	for d, err := range c.Collection("pictures").AsCaller().Query().All() {
		if err != nil {
			return err
		}
		if len(entries) == mostInAlbum {
			return sdk.Limitf("there are more than %d pictures", mostInAlbum)
		}
		p, err := parse(d)
		if err != nil {
			return err
		}
		entries = append(entries, sdk.PackEntry{Name: p.id + strings.Replace(p.kind, "image/", ".", 1), Hash: p.hash})
	}
	zip, err := c.Blobs().Pack("album.zip", entries...)
	if err != nil {
		return err
	}
	w.Blob(zip.Hash, zip.Name)
	return nil
}
