package main

import (
	"slices"
	"strings"

	"github.com/takhost/takhost/sdk"
)

// partNames are those of the part that holds the file: ATAK's and browsers'.
var partNames = []string{"assetfile", "resource"}

// taken finds the file of a request: the body, or the part of a form.
func taken(c *sdk.Call, r *sdk.Request) (sdk.BlobRef, error) {
	for _, name := range partNames {
		for i := range r.Blobs {
			if r.Blobs[i].Name == name { // a part without a file name
				ref := r.Blobs[i]
				ref.Name = ""
				return ref, nil
			}
		}
	}
	if len(r.Blobs) > 0 {
		ref := r.Blobs[0]
		if !isForm(r) {
			ref.Name = ""
		}
		return ref, nil
	}
	// A short text without a file name came as a field.
	for _, name := range partNames {
		if form := r.Form(); form.Has(name) {
			return c.Blobs().Put("", "", []byte(form.TextOr(name, "")))
		}
	}
	return sdk.BlobRef{}, sdk.Invalidf("there is no file: send it as the body, or as the part assetfile of a multipart form")
}

func isForm(r *sdk.Request) bool {
	return strings.HasPrefix(strings.ToLower(r.ContentType), "multipart/form-data")
}

// described reads what a request says of its file.
func (p *plugin) described(c *sdk.Call, r *sdk.Request, ref sdk.BlobRef) (*file, error) {
	in := paramsOf(r)
	f := &file{
		hash: ref.Hash, size: ref.Size, added: c.Now(),
		uid: in.bounded(maxText, "uid"), name: cleanName(in.text("name", "filename", "fileName")),
		mime: cleanType(in.text("mimeType")), keywords: in.list("keywords", "keyword"), tool: in.bounded(maxText, "tool"),
		creator: in.bounded(maxText, "creatorUid", "creator"), remarks: in.bounded(maxRemarks, "remarks"), path: in.bounded(maxText, "downloadPath"),
		mission: in.bounded(maxText, "missionName"), permissions: in.list("permissions"), contacts: in.list("contacts"),
		groups: in.list("groups"), expires: in.expiry(c.Now(), in.text("expiration")),
	}
	lat, hasLat := in.number(-90, 90, "latitude")
	lon, hasLon := in.number(-180, 180, "longitude")
	if hasLat && hasLon {
		f.located, f.lat, f.lon = true, lat, lon
	}
	f.altitude, f.high = in.number(-1e8, 1e8, "altitude")
	claimed := strings.ToLower(in.text("hash"))
	if err := r.Err(); err != nil {
		return nil, err
	}
	if isHash(claimed) && claimed != ref.Hash {
		return nil, sdk.Invalidf("hash: the file that came has the SHA-256 %s, not %s", ref.Hash, claimed)
	}
	if f.name == "" {
		f.name = cleanName(ref.Name)
	}
	if f.mime == unknownType {
		f.mime = cleanType(ref.ContentType)
	}
	if f.creator == "" {
		f.creator = c.Caller().Client
	}
	if f.expires.IsZero() && p.keep > 0 && in.text("expiration") == "" {
		f.expires = c.Now().Add(p.keep)
	}
	return f, nil
}

// add keeps a file that came. The same one of the same sender again changes what is
// known of it, so that a client may try again when it did not get the answer.
func (p *plugin) add(c *sdk.Call, f *file) error {
	caller := c.Caller()
	if caller.InSet == 0 {
		return errNoGroup
	}
	f.submitter, f.set = caller.User, caller.InSet
	if f.submitter == everybody && len(f.groups) == 0 {
		f.set = 0
	}
	if err := f.narrow(c); err != nil {
		return err
	}
	if err := f.check(); err != nil { // before it costs anything
		return err
	}
	if f.isPackage() {
		if err := checkPackage(c, f.hash); err != nil {
			return err
		}
	}
	if f.name == "" {
		f.name = f.hash
	}
	e := look(c)
	same, copies, err := e.again(f)
	if err != nil {
		return err
	}
	if err := e.mayTake(f); err != nil {
		return err
	}
	if same == nil {
		if err := p.room(c, copies); err != nil {
			return err
		}
	}
	if same != nil {
		f.key, f.uid = same.key, same.uid
		if f.tool == "" { // what was made private stays it, unless the client says otherwise
			f.tool = same.tool
		}
	} else {
		if f.tool == "" {
			f.tool = publicTool
		}
		if f.uid == "" {
			if f.uid, err = c.NewUID(); err != nil {
				return err
			}
		}
		if f.key, err = c.Next("file"); err != nil {
			return err
		}
	}
	if err := c.Blobs().Keep(f.hash, f.id()); err != nil {
		return err
	}
	if err := f.save(c); err != nil {
		return err
	}
	c.Log().Info("file kept", "file", f.id(), "name", f.name, "hash", f.hash, "bytes", f.size, "by", f.submitter)
	c.Count("uploads", 1)
	return nil
}

// errNoGroup is for those who only read.
var errNoGroup = sdk.Forbiddenf("you are in no group that you may send to, so nobody would see this file")

// narrow checks the groups that were named: the sender has to be in all of them.
func (f *file) narrow(c *sdk.Call) error {
	if len(f.groups) == 0 {
		return nil
	}
	mine, err := look(c).groupsOf(f.set)
	if err != nil {
		return err
	}
	for _, g := range f.groups {
		if !slices.Contains(mine, g) {
			return sdk.Forbiddenf("groups: you may not send to the group %q", clip(g, 64))
		}
	}
	slices.Sort(f.groups)
	if len(f.groups) == len(mine) {
		f.groups = nil
	}
	return nil
}

// again finds the same file of the same sender for the same groups, and says how many
// uploads of the content he has. Those who do not log in are told apart by the uid of
// their client.
func (e *eye) again(f *file) (same *file, copies int, err error) {
	q := e.c.Collection("files").By("by-sender").Is(sdk.Text(f.submitter), sdk.Text(f.hash))
	for had, err := range alike(q.Descending()) {
		if err != nil {
			return nil, 0, err
		}
		if copies++; same == nil && had.creator == f.creator && had.name == f.name && had.set == f.set &&
			(f.uid == "" || had.uid == f.uid) && slices.Equal(had.groups, f.groups) {
			same = had
		}
	}
	return same, copies, nil
}

// mayTake refuses the uid of another sender's file that the caller sees: whoever asks for
// the uid expects that one. The same content does no harm. Of files that he does not see
// he must not learn; there the first sender goes before him (see oneOf).
func (e *eye) mayTake(f *file) error {
	if f.uid == "" || f.uid == f.hash {
		return nil
	}
	taken := false
	for had, err := range e.seen(e.is("by-uid", f.uid)) {
		if err != nil || e.own(had) || had.hash == f.hash {
			return err
		}
		taken = true
	}
	if taken {
		return sdk.Conflictf("uid: somebody else has sent a file with this uid; take another one")
	}
	return nil
}
