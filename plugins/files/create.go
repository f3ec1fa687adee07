package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/sdk"
)

// createPackage makes a data package of archived events and of files, as far as the
// caller may see them.
func (p *plugin) createPackage(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	if c.Caller().InSet == 0 {
		return errNoGroup
	}
	in := r.Fields()
	b := &bundle{
		uid: bounded(in, "uid", maxText), name: bounded(in, "name", maxText), remarks: bounded(in, "remarks", maxRemarks),
		onImport: in.BoolOr("import", true), onDelete: in.BoolOr("delete", false),
	}
	events, files := in.Texts("events"), in.Texts("files")
	keywords, groups := boundedList(in, "keywords"), boundedList(in, "groups")
	private, expires := in.BoolOr("private", false), in.TimeOr("expires", c.Now().Add(1))
	if err := r.Err(); err != nil {
		return err
	}
	if len(events)+len(files) == 0 {
		return sdk.Invalidf("events, files: name at least one event or file")
	}
	if len(events) > mostEvents || len(files) > mostFiles {
		return sdk.Limitf("events, files: a package may have %d events and %d files", mostEvents, mostFiles)
	}
	if name := cleanName(b.name); name == "" {
		return sdk.Invalidf("name: %q is no name of a file", clip(b.name, 64))
	} else {
		b.name = name
	}
	if !expires.After(c.Now()) {
		return sdk.Invalidf("expires: the time has passed")
	}
	noEvents, err := b.addEvents(c, events)
	if err != nil {
		return err
	}
	noFiles, err := b.addFiles(look(c), files)
	if err != nil {
		return err
	}
	if err := missing(noEvents, noFiles); err != nil {
		return err
	}
	f, err := b.asFile(c)
	if err != nil {
		return err
	}
	for _, k := range keywords {
		if !slices.Contains(f.keywords, k) {
			f.keywords = append(f.keywords, k)
		}
	}
	f.groups = groups
	if private {
		f.tool = privateTool
	}
	if in.Has("expires") {
		f.expires = expires
	} else if p.keep > 0 {
		f.expires = c.Now().Add(p.keep)
	}
	if err := p.add(c, f); err != nil {
		return err
	}
	return look(c).writeClean(w.Status(201).Header("Location", "/api/v1/files/"+f.id()).JSON(), f)
}

// bounded reads a text for what is kept.
func bounded(in sdk.Fields, name string, most int) string {
	s := in.TextOr(name, "")
	if len(s) > most {
		in.Faultf(name, "has %d bytes, at most %d are possible", len(s), most)
	}
	return s
}

// boundedList reads texts for what is kept.
func boundedList(in sdk.Fields, name string) []string {
	l := in.Texts(name)
	if len(l) > maxList || slices.ContainsFunc(l, func(s string) bool { return s == "" || len(s) > maxText }) {
		in.Faultf(name, "at most %d are possible, each of 1 to %d bytes", maxList, maxText)
	}
	return l
}

// missing names all that was asked for and is not there, or not for the caller.
func missing(events, files []string) error {
	var parts []string
	for _, of := range [...]struct {
		kind  string
		names []string
	}{{"events", events}, {"files", files}} {
		if len(of.names) > 0 {
			for i, n := range of.names {
				of.names[i] = shown(n)
			}
			parts = append(parts, of.kind+" "+strings.Join(of.names, ", "))
		}
	}
	if parts == nil {
		return nil
	}
	return sdk.NotFoundf("not there, or not for you: %s", clip(strings.Join(parts, "; "), maxRemarks))
}

// addEvents adds the latest event of each uid. What is no uid of an event, but a
// number, is the id of one. It gives the names of which there is none.
func (b *bundle) addEvents(c *sdk.Call, names []string) (missing []string, err error) {
	found := map[string]bool{} // uids and ids
	have := map[hostapi.ID]bool{}
	add := func(q sdk.EventQuery) error {
		q.AsCaller, q.XML, q.Limit = true, true, eventsAtOnce
		for e, err := range c.AllEvents(q) {
			if err != nil {
				return err
			}
			found[e.UID()], found[e.ID().String()] = true, true
			if have[e.ID()] {
				continue
			}
			have[e.ID()] = true
			if err := b.addArchived(e); err != nil {
				return err
			}
		}
		return nil
	}
	for uids := range slices.Chunk(names, eventsAtOnce) {
		if err := add(sdk.EventQuery{UIDs: uids, Latest: true}); err != nil {
			return nil, err
		}
	}
	var ids []int64
	for _, n := range names {
		if id, err := strconv.ParseInt(n, 10, 64); err == nil && id > 0 && !found[n] {
			ids = append(ids, id)
		}
	}
	for chunk := range slices.Chunk(ids, eventsAtOnce) {
		if err := add(sdk.EventQuery{IDs: chunk}); err != nil {
			return nil, err
		}
	}
	for _, n := range names {
		if !found[n] {
			missing = append(missing, n)
		}
	}
	return missing, nil
}

// eventsAtOnce is how many uids or ids one query of the archive may name.
const eventsAtOnce = 100

// addArchived adds an event without what the server alone needs of it.
func (b *bundle) addArchived(e sdk.Event) error {
	xml, err := sdk.EditEvent(e.XML()).Remove("detail/marti").String()
	if err != nil {
		return sdk.Failedf("the event %s cannot be read: %w", clip(e.UID(), 64), err)
	}
	name := e.Callsign()
	if name == "" {
		name = e.UID()
	}
	b.addEvent(strings.Clone(e.UID()), strings.Clone(name), xml)
	if b.bytes > mostEventBytes {
		return sdk.Limitf("events: they have more than %d bytes together: make several packages", int64(mostEventBytes))
	}
	return nil
}

// addFiles adds files by their number, hash or uid; of several the latest. It gives
// the names of which there is none.
func (b *bundle) addFiles(e *eye, names []string) (missing []string, err error) {
	have := map[string]bool{}
	for _, n := range names {
		f, err := e.named(n)
		if sdk.Is(err, sdk.NotFound) {
			missing = append(missing, n)
			continue
		}
		if err != nil {
			return nil, err
		}
		if key := f.hash + "/" + f.name; !have[key] {
			have[key] = true
			b.addFile(f.hash, f.name, f.mime, f.size)
		}
	}
	return missing, nil
}

// named gives the file that a number, a hash or a uid names, of several the latest.
func (e *eye) named(name string) (*file, error) {
	if len(name) < 20 {
		if f, err := e.byID(name); !sdk.Is(err, sdk.NotFound) {
			return f, err
		}
	}
	return e.one(name)
}
