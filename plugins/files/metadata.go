package main

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/takhost/takhost/sdk"
)

// metadata tells what is known of a file.
func (p *plugin) metadata(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	f, err := look(c).one(r.Param("hash"))
	if err != nil {
		return err
	}
	f.writeSync(w.JSON())
	return nil
}

// metadataField gives the file itself for tool, as FreeTAKServer does: its clients
// download packages there (spec/fts-marti.md 3.6).
func (p *plugin) metadataField(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	if r.Param("field") != "tool" {
		return sdk.NotFoundf("there is no such field to read: all of them are at /Marti/api/sync/metadata/{hash}")
	}
	f, err := look(c).one(r.Param("hash"))
	if err != nil {
		return err
	}
	give(w, f)
	return nil
}

// setMetadata changes one field of the caller's uploads of a content. ATAK makes a
// package private so, when it goes to chosen people.
func (p *plugin) setMetadata(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	found, err := look(c).toChange(r.Param("hash"), mostChanged)
	if err != nil {
		return err
	}
	set, err := fieldOf(c, r)
	if err != nil {
		return err
	}
	if err := change(c, found, set); err != nil {
		return err
	}
	_, err = w.WriteString("Okay")
	return err
}

// change changes all of some files. What becomes a data package has to be one.
func change(c *sdk.Call, files []*file, set func(*file)) error {
	checked := map[string]bool{}
	for _, f := range files {
		was := f.isPackage()
		if set(f); f.isPackage() && !was && !checked[f.hash] {
			if err := checkPackage(c, f.hash); err != nil {
				return err
			}
			checked[f.hash] = true
		}
		if err := f.save(c); err != nil {
			return err
		}
	}
	return nil
}

// fieldOf reads the value of a field and says how it is set.
func fieldOf(c *sdk.Call, r *sdk.Request) (func(*file), error) {
	field := strings.ToLower(r.Param("field"))
	if !utf8.Valid(r.Body) {
		return nil, sdk.Invalidf("body: is no text in UTF-8")
	}
	text := strings.TrimSpace(string(r.Body))
	most := maxText
	if field == "remarks" {
		most = maxRemarks
	}
	if len(text) > most && field != "keywords" {
		return nil, sdk.Invalidf("body: has %d bytes, at most %d are possible", len(text), most)
	}
	switch field {
	case "tool":
		if text == "" {
			text = publicTool
		}
		return func(f *file) { f.tool = text }, nil
	case "keywords":
		list, err := keywordsOf(r.Body)
		return func(f *file) { f.keywords = slices.Clone(list) }, err
	case "expiration":
		in := paramsOf(r)
		if q := in.text("expiration"); q != "" {
			text = q
		}
		at := in.expiry(c.Now(), text)
		if err := r.Err(); err != nil {
			return nil, err
		}
		return func(f *file) { f.expires = at }, nil
	case "name":
		name := cleanName(text)
		if name == "" {
			return nil, sdk.Invalidf("body: %q is no name of a file", clip(text, 64))
		}
		return func(f *file) { f.name = name }, nil
	case "mimetype":
		return func(f *file) { f.mime = cleanType(text) }, nil
	case "remarks":
		return func(f *file) { f.remarks = text }, nil
	}
	return nil, sdk.Invalidf("field: %q is none that can be changed: tool, keywords, expiration, name, mimetype, remarks", clip(field, 64))
}

// keywordsOf reads an array of texts in JSON.
func keywordsOf(body []byte) ([]string, error) {
	doc := append(append([]byte(`{"keywords":`), body...), '}')
	in, err := sdk.ParseJSON(doc)
	if err != nil {
		return nil, sdk.Invalidf("body: is no list of texts in JSON")
	}
	list := in.Texts("keywords", sdk.Between(1, maxText))
	if len(list) > maxList {
		in.Faultf("keywords", "are %d, at most %d are possible", len(list), maxList)
	}
	slices.Sort(list)
	return slices.Compact(list), in.Err()
}
