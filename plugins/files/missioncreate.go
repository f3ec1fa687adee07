package main

import (
	"slices"
	"strings"

	"github.com/takhost/takhost/sdk"
)

// missionCreate makes a data package of the files of a form, and of files that are there
// already, and offers it to contacts. The official server's page for it sends assetfile
// several times, filename, and contacts with the uids of clients; it gets the URL of the
// package and nothing else.
func (p *plugin) missionCreate(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	if c.Caller().InSet == 0 {
		return errNoGroup
	}
	in := paramsOf(r)
	b := &bundle{name: cleanName(in.bounded(maxText, "filename", "name")), onImport: true}
	hashes, contacts, tool := in.list("hash", "hashes"), in.list("contacts"), in.bounded(maxText, "tool")
	if err := r.Err(); err != nil {
		return err
	}
	if err := b.addUploads(c, r); err != nil {
		return err
	}
	absent, err := b.addFiles(look(c), hashes)
	if err == nil {
		err = missing(nil, absent)
	}
	if err != nil {
		return err
	}
	if len(b.contents) == 0 {
		return sdk.Invalidf("there is no file: send some as parts assetfile of a multipart form, or the hash of one that is there")
	}
	if b.name == "" {
		b.name = cleanName(b.contents[0].name)
	}
	f, err := b.asFile(c)
	if err != nil {
		return err
	}
	f.uid, f.groups = f.hash, in.list("groups")
	if f.tool = tool; tool == "" && len(contacts) > 0 {
		f.tool = privateTool
	}
	if p.keep > 0 {
		f.expires = c.Now().Add(p.keep)
	}
	if err := p.add(c, f); err != nil {
		return err
	}
	if len(contacts) > 0 {
		to, err := contactsOf(c, contacts)
		if err != nil {
			return err
		}
		if _, err := p.announce(c, f, to); err != nil {
			return err
		}
	}
	_, err = w.WriteString(contentURL(p.base(c), f.hash))
	return err
}

// addUploads adds the files that came with a request.
func (b *bundle) addUploads(c *sdk.Call, r *sdk.Request) error {
	refs := slices.Clone(r.Blobs)
	for _, name := range partNames { // short texts without a file name come as fields
		for _, text := range r.Form().Texts(name) {
			ref, err := c.Blobs().Put(name, "", []byte(text))
			if err != nil {
				return err
			}
			refs = append(refs, ref)
		}
	}
	if len(refs) > mostFiles {
		return sdk.Limitf("%d files, a package may have %d", len(refs), mostFiles)
	}
	for i := range refs {
		name := cleanName(refs[i].Name)
		if name == "" || slices.Contains(partNames, name) {
			name = "file"
		}
		b.addFile(refs[i].Hash, name, cleanType(refs[i].ContentType), refs[i].Size)
	}
	return nil
}

// contactsOf finds out who is meant: uids of clients, or callsigns of those who are
// connected. The package waits for those who are not.
func contactsOf(c *sdk.Call, names []string) (receivers, error) {
	to := receivers{wait: true}
	clients, err := c.Clients(sdk.ClientQuery{UIDs: names, Callsigns: names, AsCaller: !c.HasRole("admin")})
	if err != nil {
		return to, err
	}
	for _, n := range names {
		uid := slices.ContainsFunc(clients, func(cl sdk.Client) bool { return cl.UID == n })
		if !uid && slices.ContainsFunc(clients, func(cl sdk.Client) bool { return cl.Callsign == n }) {
			to.callsigns = append(to.callsigns, n)
			continue
		}
		to.uids = append(to.uids, strings.Clone(n))
	}
	return to, nil
}
