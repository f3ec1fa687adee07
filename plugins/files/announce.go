package main

import (
	"slices"
	"strings"
	"time"

	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/sdk"
)

// receivers are those who are to get a file: by name, or all of groups.
type receivers struct {
	callsigns, uids, groups []string
	all                     bool // of the groups
	wait                    bool // the offer waits for those of the named who are not connected
}

func (r *receivers) named() bool { return len(r.callsigns)+len(r.uids) > 0 }

// has says whether a client is named; without names all are.
func (r *receivers) has(cl *sdk.Client) bool {
	return !r.named() || slices.Contains(r.uids, cl.UID) || slices.Contains(r.callsigns, cl.Callsign)
}

// announced is what became of an announcement.
type announced struct {
	uid     string   // of the event
	missing []string // those named who do not get it now
	waiting []string // those of missing for whom the offer waits
}

// announce offers a file to clients, which then fetch it (spec/tak-marti.md 7,
// b-f-t-r). They are within the groups of the file, and within those to which the
// caller may send.
func (p *plugin) announce(c *sdk.Call, f *file, to receivers) (*announced, error) {
	if !to.named() && len(to.groups) == 0 && !to.all {
		return nil, sdk.Invalidf("say who is to get it: callsigns, uids, groups, or all")
	}
	e := look(c)
	groups, err := e.mayGet(f, to.groups)
	if err != nil {
		return nil, err
	}
	if err := pace(c); err != nil {
		return nil, err
	}
	clients, err := e.reached(groups, to)
	if err != nil {
		return nil, err
	}
	away := to.missing(clients)
	is := &announced{missing: slices.Concat([]string{}, away.uids, away.callsigns)}
	nobody := to.named() && len(is.missing) == len(to.callsigns)+len(to.uids)
	if nobody && !to.wait {
		return nil, sdk.NotFoundf("nobody of these may have this file and is connected: %s", shown(strings.Join(is.missing, ", ")))
	}
	if is.uid, err = c.NewUID(); err != nil {
		return nil, err
	}
	o := &offer{
		uid: is.uid, file: f.id(), by: c.Caller().User, name: c.Caller().Name, client: c.Caller().Client, at: c.Now(), set: f.set,
		callsigns: to.callsigns[:min(len(to.callsigns), mostNames)], uids: to.uids[:min(len(to.uids), mostNames)], groups: groups,
	}
	if o.set == 0 {
		o.set = c.Caller().InSet
	}
	if o.name == "" {
		o.name = "Server"
	}
	if err := makeRoom(c, o.file); err != nil {
		return nil, err
	}
	if to.wait {
		if err := o.wait(c, f, away); err != nil {
			return nil, err
		}
		is.waiting = o.waiting
	}
	if err := o.save(c); err != nil {
		return nil, err
	}
	if !nobody {
		to.uids, to.callsigns = without(to.uids, away.uids), without(to.callsigns, away.callsigns)
		if err := p.offerNow(c, f, o, to, clients); err != nil {
			return nil, err
		}
	}
	c.Log().Info("file announced", "file", f.id(), "name", f.name, "by", c.Caller().User)
	c.Count("announced", 1)
	return is, nil
}

func without(list, some []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(some, s) })
}

// reached gives the clients that an offer is for: those named, or all, who receive from one
// of the groups, and whom the caller may see. Others are as if they were not connected, or
// he would learn of them.
func (e *eye) reached(groups []string, to receivers) ([]sdk.Client, error) {
	if !to.named() { // he does not learn who these are
		return e.c.Clients(sdk.ClientQuery{})
	}
	clients, err := e.c.Clients(sdk.ClientQuery{UIDs: to.uids, Callsigns: to.callsigns, AsCaller: !e.all()})
	if err != nil {
		return nil, err
	}
	var found []sdk.Client
	for i := range clients {
		theirs, err := e.groupsOf(clients[i].OutSet)
		if err != nil {
			return nil, err
		}
		if meet(theirs, groups) {
			found = append(found, clients[i])
		}
	}
	return found, nil
}

// offerNow sends an offer to those who are connected. Clients of listen.tcp have no
// certificate to fetch the file with, and get an address of their own.
func (p *plugin) offerNow(c *sdk.Call, f *file, o *offer, to receivers, clients []sdk.Client) error {
	url, plain := p.urls(c)
	var unsafe []string
	if plain != url {
		for i := range clients {
			if clients[i].Listener == "tcp" && to.has(&clients[i]) {
				unsafe = append(unsafe, clients[i].UID)
			}
		}
	}
	except := unsafe
	if len(except) > mostUnsafe {
		except = nil // they get both
	}
	if err := o.emit(c, f, url, &wire.Audience{Groups: o.groups, UIDs: to.uids, Callsigns: to.callsigns, Except: except}); err != nil {
		return err
	}
	for some := range slices.Chunk(unsafe, mostUnsafe) {
		if err := o.emit(c, f, plain, &wire.Audience{Groups: o.groups, UIDs: some}); err != nil {
			return err
		}
	}
	return nil
}

// mostUnsafe is how many clients one audience names here; the host allows 1,000 names.
const mostUnsafe = 200

// missing gives those who are named and not connected.
func (r *receivers) missing(clients []sdk.Client) (away receivers) {
	for _, uid := range r.uids {
		if !slices.ContainsFunc(clients, func(cl sdk.Client) bool { return cl.UID == uid }) {
			away.uids = append(away.uids, uid)
		}
	}
	for _, callsign := range r.callsigns {
		if !slices.ContainsFunc(clients, func(cl sdk.Client) bool { return cl.Callsign == callsign }) {
			away.callsigns = append(away.callsigns, callsign)
		}
	}
	return away
}

// mayGet gives the groups that get a file from the caller: those of the file that he
// may send to, or the ones of these that he wants. A file for everybody is for his.
func (e *eye) mayGet(f *file, wanted []string) ([]string, error) {
	mine, err := e.groupsOf(e.c.Caller().InSet)
	if err != nil {
		return nil, err
	}
	groups := f.groups
	switch {
	case f.set == 0:
		groups = mine
	case len(groups) == 0:
		if groups, err = e.groupsOf(f.set); err != nil {
			return nil, err
		}
	}
	if !e.manages() {
		groups = slices.DeleteFunc(slices.Clone(groups), func(g string) bool { return !slices.Contains(mine, g) })
	}
	for _, g := range wanted {
		if !slices.Contains(groups, g) {
			return nil, sdk.Forbiddenf("groups: the group %q may not have this file, or not from you", clip(g, 64))
		}
	}
	switch {
	case len(wanted) > 0:
		return wanted, nil
	case len(groups) == 0:
		return nil, sdk.Forbiddenf("you may send to none of the groups that may have this file")
	}
	return groups, nil
}

// holds is how long an offer does; ATAK's own has the same.
const holds = 100 * time.Second

// emit sends the event. Hash and size must be exact: ATAK compares. Clients of ATAK's
// kind answer only those whom they know as contacts: by a contact with an endpoint in an
// event of theirs, from then on by its uid. So the offer is its own sender.
func (o *offer) emit(c *sdk.Call, f *file, base string, to sdk.Audience) error {
	fileName := f.name
	if f.isPackage() && !strings.HasSuffix(strings.ToLower(fileName), ".zip") {
		fileName += ".zip"
	}
	xml, err := c.NewEvent(o.uid, "b-f-t-r", "h-e", holds).Point(0, 0, sdk.Unknown, sdk.Unknown, sdk.Unknown).
		Start("detail").
		Start("contact").Attr("callsign", o.name).Attr("endpoint", "*:-1:stcp").End().
		Start("fileshare").Attr("filename", fileName).Attr("senderUrl", contentURL(base, f.hash)).AttrInt("sizeInBytes", f.size).Attr("sha256", f.hash).
		Attr("senderUid", o.uid).Attr("senderCallsign", o.name).Attr("name", f.name).End().
		Start("ackrequest").Attr("uid", o.uid).Attr("ackrequested", "true").Attr("tag", f.name).End().
		String()
	if err != nil {
		return sdk.Invalidf("the file cannot be announced: %w", err)
	}
	return c.EmitXML(xml, to)
}
