// Command shelf keeps the files that are uploaded to it and gives them back.
package main

import (
	"github.com/takhost/takhost/sdk"
)

func init() {
	sdk.Register(func() *sdk.Plugin {
		return &sdk.Plugin{Name: "shelf", HTTP: map[string]sdk.Handler{"up": up, "down": down, "drop": drop, "list": list, "bundle": bundle}}
	})
}

func main() { sdk.Main() }

const owner = "shelf"

// up keeps what came and names it, a line for each file.
func up(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	for _, b := range r.Blobs {
		if err := c.Blobs().Keep(b.Hash, owner); err != nil {
			return err
		}
		_, _ = w.WriteString(sdk.Format("%s %d %s %s\n", b.Hash, b.Size, b.ContentType, b.Name))
	}
	_, _ = w.WriteString(r.Form().TextOr("note", ""))
	return nil
}

func down(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	b, err := c.Blobs().Stat(r.Param("hash"))
	if err != nil {
		return err
	}
	w.Blob(b.Hash, b.Name)
	return nil
}

func drop(c *sdk.Call, r *sdk.Request, _ *sdk.Response) error {
	return c.Blobs().Release(r.Param("hash"), owner)
}

// list names what is kept, and the files within one.
func list(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	if hash := r.Query().TextOr("in", ""); hash != "" {
		entries, err := c.Blobs().ZipList(hash)
		for _, e := range entries {
			_, _ = w.WriteString(sdk.Format("%s %d\n", e.Name, e.Size))
		}
		return err
	}
	kept, err := c.Blobs().Kept(owner)
	for _, b := range kept {
		_, _ = w.WriteString(b.Hash + "\n")
	}
	return err
}

// bundle answers with an archive of all that is kept.
func bundle(c *sdk.Call, _ *sdk.Request, w *sdk.Response) error {
	kept, err := c.Blobs().Kept(owner)
	if err != nil {
		return err
	}
	entries := []sdk.PackEntry{{Name: "note.txt", Data: []byte("all of it")}}
	for _, b := range kept {
		entries = append(entries, sdk.PackEntry{Name: "files/" + b.Hash, Hash: b.Hash})
	}
	zip, err := c.Blobs().Pack("all.zip", entries...)
	if err == nil {
		w.Blob(zip.Hash, zip.Name)
	}
	return err
}
