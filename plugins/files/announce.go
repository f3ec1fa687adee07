package main

import (
	"slices"
	"strings"
	"time"

	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/sdk"
)

// serverUID is the uid of the server as a sender, whose acknowledgements reach nobody.
const serverUID = "takhost"

// receivers are those who are to get a file: by name, or all of groups.
type receivers struct {
	callsigns, uids, groups []string
	all                     bool // of the groups
}

func (r *receivers) named() bool { return len(r.callsigns)+len(r.uids) > 0 }

// has says whether a client is named; without names all are.
func (r *receivers) has(cl *sdk.Client) bool {
	return !r.named() || slices.Contains(r.uids, cl.UID) || slices.Contains(r.callsigns, cl.Callsign)
}

// announce offers a file to clients, which then fetch it (spec/tak-marti.md 7,
// b-f-t-r). They are within the groups of the file, and within those to which the
// caller may send. It gives the uid of the event, and the names of whom nobody is
// connected.
func (p *plugin) announce(c *sdk.Call, f *file, to receivers) (uid string, missing []string, err error) {
	if !to.named() && len(to.groups) == 0 && !to.all {
		return "", nil, sdk.Invalidf("say who is to get it: callsigns, uids, groups, or all")
	}
	groups, err := mayGet(c, f, to.groups)
	if err != nil {
		return "", nil, err
	}
	clients, err := c.Clients(sdk.ClientQuery{})
	if err != nil {
		return "", nil, err
	}
	missing = to.missing(clients)
	if to.named() && len(missing) == len(to.callsigns)+len(to.uids) {
		return "", nil, sdk.NotFoundf("nobody of these is connected: %s", clip(strings.Join(missing, ", "), maxText))
	}
	if uid, err = c.NewUID(); err != nil {
		return "", nil, err
	}
	url, plain := p.urls(c)
	var unsafe []string // clients who have no certificate to fetch it with
	if plain != url {
		for i := range clients {
			if clients[i].Listener == "tcp" && to.has(&clients[i]) {
				unsafe = append(unsafe, clients[i].UID)
			}
		}
	}
	xml, err := offer(c, f, uid, contentURL(url, f.hash))
	if err != nil {
		return "", nil, err
	}
	audience := &wire.Audience{Groups: groups, UIDs: to.uids, Callsigns: to.callsigns, Except: unsafe}
	if err := c.EmitXML(xml, audience); err != nil {
		return "", nil, err
	}
	if len(unsafe) > 0 {
		if xml, err = offer(c, f, uid, contentURL(plain, f.hash)); err != nil {
			return "", nil, err
		}
		if err := c.EmitXML(xml, &wire.Audience{Groups: groups, UIDs: unsafe}); err != nil {
			return "", nil, err
		}
	}
	c.Log().Info("file announced", "file", f.id(), "name", f.name, "by", c.Caller().User)
	c.Count("announced", 1)
	return uid, missing, nil
}

func (r *receivers) missing(clients []sdk.Client) []string {
	list := []string{}
	for _, uid := range r.uids {
		if !slices.ContainsFunc(clients, func(cl sdk.Client) bool { return cl.UID == uid }) {
			list = append(list, uid)
		}
	}
	for _, callsign := range r.callsigns {
		if !slices.ContainsFunc(clients, func(cl sdk.Client) bool { return cl.Callsign == callsign }) {
			list = append(list, callsign)
		}
	}
	return list
}

// mayGet gives the groups that get a file from the caller: those of the file that he
// may send to, or the ones of these that he wants.
func mayGet(c *sdk.Call, f *file, wanted []string) ([]string, error) {
	groups := f.groups
	var err error
	if len(groups) == 0 {
		if groups, err = groupsOf(c, f.set); err != nil {
			return nil, err
		}
	}
	if !c.HasRole("admin", "operator") {
		mine, err := groupsOf(c, c.Caller().InSet)
		if err != nil {
			return nil, err
		}
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

// urls gives where clients reach the server: those with certificates, and those of
// listen.tcp, which have none.
func (p *plugin) urls(c *sdk.Call) (url, plain string) {
	url, plain = p.url, p.plain
	base, listener := c.Caller().BaseURL, c.Caller().Listener
	if url == "" && listener == "https" {
		url = base
	}
	if plain == "" && listener == "http" {
		plain = base
	}
	for _, b := range c.Start().BaseURLs { // https comes first
		if url == "" && strings.HasPrefix(b, "https://") {
			url = b
		}
	}
	if url == "" {
		url = base
	}
	if plain == "" {
		plain = url
	}
	return url, plain
}

// offered is how long an offer holds; ATAK's own has the same.
const offered = 100 * time.Second

// offer writes the event. Hash and size must be exact: ATAK compares.
func offer(c *sdk.Call, f *file, uid, url string) (string, error) {
	name := c.Caller().Name
	if name == "" {
		name = "Server"
	}
	fileName := f.name
	if f.isPackage() && !strings.HasSuffix(strings.ToLower(fileName), ".zip") {
		fileName += ".zip"
	}
	xml, err := c.NewEvent(uid, "b-f-t-r", "h-e", offered).Point(0, 0, sdk.Unknown, sdk.Unknown, sdk.Unknown).
		Start("detail").
		Start("fileshare").Attr("filename", fileName).Attr("senderUrl", url).AttrInt("sizeInBytes", f.size).Attr("sha256", f.hash).
		Attr("senderUid", serverUID).Attr("senderCallsign", name).Attr("name", f.name).End().
		Start("ackrequest").Attr("uid", uid).Attr("ackrequested", "true").Attr("tag", f.name).End().
		String()
	if err != nil {
		return "", sdk.Invalidf("the file cannot be announced: %w", err)
	}
	return xml, nil
}
