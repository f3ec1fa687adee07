package main

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/takhost/takhost/sdk"
)

// Offers that wait for somebody who is not connected. The collection waiting has a
// document for each offer and each who is waited for, by the name under which he will
// come. The offer and its file are looked at again then: what is gone by that time is
// not offered.

// handTimer looks for those who are connected, where the call that learned of them could
// not offer them all, or they may have come before their offer was kept.
const handTimer = "hand"

// Bounds of waiting.
const (
	waitsFor       = 24 * time.Hour
	mostWaiting    = 1000 // of all users; so that those names are found at once
	mostOfUser     = 200  // of one
	mostWaitNames  = 100  // of one offer
	mostArrivals   = 100  // clients of whom one call asks whether something waits: two operations of the host each
	mostHandedOver = 40   // offers that one call makes: some ten operations each
	mostOfClient   = 20   // offers to one client at once
)

// uidName and callsignName tell uids and callsigns apart.
func uidName(uid string) string           { return "u " + uid }
func callsignName(callsign string) string { return "c " + callsign }

// wait keeps an offer for those who are missing, until the file ends or a day is over.
func (o *offer) wait(c *sdk.Call, f *file, missing receivers) error {
	var names []string
	for _, uid := range missing.uids {
		names = append(names, uidName(uid))
	}
	for _, callsign := range missing.callsigns {
		names = append(names, callsignName(callsign))
	}
	if len(names) == 0 {
		return nil
	}
	if len(names) > mostWaitNames || slices.ContainsFunc(names, func(n string) bool { return len(n) > maxText }) {
		return sdk.Limitf("wait: an offer may wait for %d clients, with names of %d bytes", mostWaitNames, maxText-2)
	}
	all := c.Collection("waiting")
	total, err := all.Query().Count()
	if err != nil {
		return err
	}
	mine, err := all.By("by-user").Is(sdk.Text(o.by)).Count()
	if err != nil {
		return err
	}
	if n := int64(len(names)); mine+n > mostOfUser || total+n > mostWaiting {
		return sdk.Limitf("wait: of your offers %d wait, %d may; of all users %d, %d may", mine, mostOfUser, total, mostWaiting)
	}
	until := c.Now().Add(waitsFor)
	if !f.expires.IsZero() && f.expires.Before(until) {
		until = f.expires
	}
	for i, name := range names {
		var j sdk.JSON
		j.Object().Key("offer").Text(o.uid).Key("name").Text(name).End()
		err := all.For(o.set).Put(o.uid+" "+strconv.Itoa(i), j.Bytes(),
			sdk.NewKey("by-name", sdk.Text(name), sdk.At(o.at)), sdk.NewKey("by-user", sdk.Text(o.by)), sdk.NewKey("by-end", sdk.At(until)))
		if err != nil {
			return err
		}
		o.waiting = append(o.waiting, name[2:])
	}
	return handSoon(c) // one who connects just now may have been heard of already
}

// anyWaits says whether anybody is waited for.
func anyWaits(c *sdk.Call) (bool, error) {
	_, ok, err := c.Collection("waiting").By("by-end").NoBodies().First()
	return ok, err
}

func handSoon(c *sdk.Call) error { return c.SetTimer(handTimer, c.Now().Add(time.Second), 0, nil) }

// arrive offers clients that came what waits for them.
func (p *plugin) arrive(c *sdk.Call, crowd sdk.Crowd) error {
	var uids []string
	for ch := range crowd.All() {
		if ch.Kind != sdk.ClientDisconnected {
			uids = append(uids, ch.UID())
		}
	}
	if len(uids) == 0 {
		return nil
	}
	if ok, err := anyWaits(c); err != nil || !ok {
		return err
	}
	if len(uids) > mostArrivals {
		return handSoon(c)
	}
	clients, err := c.Clients(sdk.ClientQuery{UIDs: uids})
	if err != nil {
		return err
	}
	return p.handAll(c, clients)
}

// hand looks for all who are waited for among those who are connected.
func (p *plugin) hand(c *sdk.Call, _ *sdk.Timer) error {
	wanted := map[string]bool{}
	for d, err := range c.Collection("waiting").By("by-name").NoBodies().Limit(mostWaiting).All() {
		if err != nil {
			return err
		}
		v, err := sdk.KeyValues(d)
		if err != nil {
			return err
		}
		wanted[strings.Clone(v[0].Text())] = true
	}
	if len(wanted) == 0 {
		return nil
	}
	clients, err := c.Clients(sdk.ClientQuery{})
	if err != nil {
		return err
	}
	clients = slices.DeleteFunc(clients, func(cl sdk.Client) bool { return !wanted[uidName(cl.UID)] && !wanted[callsignName(cl.Callsign)] })
	return p.handAll(c, clients)
}

// handAll offers clients what waits for them, as much as one call may.
func (p *plugin) handAll(c *sdk.Call, clients []sdk.Client) error {
	left := mostHandedOver
	for i := range clients {
		if left <= 0 || i == mostArrivals {
			return handSoon(c)
		}
		for _, name := range []string{uidName(clients[i].UID), callsignName(clients[i].Callsign)} {
			n, err := p.handTo(c, &clients[i], name)
			if err != nil {
				return err
			}
			left -= n
		}
	}
	return nil
}

// handTo makes the offers to a client that wait under one of its names. One that it may
// not have, since it is in other groups, goes on waiting.
func (p *plugin) handTo(c *sdk.Call, to *sdk.Client, name string) (n int, err error) {
	if len(name) > maxText || len(name) == 2 {
		return 0, nil
	}
	page, err := c.Collection("waiting").By("by-name").Is(sdk.Text(name)).Limit(mostOfClient).Page()
	if err != nil {
		return 0, err
	}
	for i := range page.Documents {
		d := &page.Documents[i]
		in, err := sdk.ParseJSON(d.Body)
		if err != nil {
			return n, err
		}
		uid := in.Text("offer")
		if err := in.Err(); err != nil {
			return n, err
		}
		stays, err := p.handOne(c, uid, to, name[2:])
		if err != nil {
			return n, err
		}
		if stays {
			continue
		}
		n++
		if _, err := c.Collection("waiting").Delete(d.ID); err != nil {
			return n, err
		}
	}
	return n, nil
}

// handOne makes one offer to a client. stays says that it must wait on.
func (p *plugin) handOne(c *sdk.Call, uid string, to *sdk.Client, name string) (stays bool, err error) {
	d, ok, err := c.Collection("offers").Find(uid)
	if err != nil || !ok {
		return false, err
	}
	o, err := parseOffer(&d)
	if err != nil {
		return false, err
	}
	if d, ok, err = c.Collection("files").Find(o.file); err != nil || !ok {
		return false, err
	}
	f, err := parse(&d)
	if err != nil || over(c, f) {
		return false, err
	}
	groups, err := o.still(c)
	if err != nil || len(groups) == 0 {
		return false, err
	}
	theirs, err := look(c).groupsOf(to.OutSet)
	if err != nil {
		return false, err
	}
	if !meet(theirs, groups) {
		return true, nil
	}
	o.waiting = slices.DeleteFunc(o.waiting, func(w string) bool { return w == name })
	url, plain := p.urls(c)
	if to.Listener == "tcp" {
		url = plain
	}
	audience := sdk.ToUIDs(to.UID)
	audience.Groups = groups
	if err := o.emit(c, f, url, audience); err != nil {
		return false, err
	}
	c.Log().Info("file announced to who has connected", "file", f.id(), "name", f.name, "client", to.UID)
	return false, o.save(c)
}

// still gives those of the groups of an offer that the file still has: one that was
// removed cannot be sent to.
func (o *offer) still(c *sdk.Call) ([]string, error) {
	have, err := look(c).groupsOf(o.set)
	return slices.DeleteFunc(slices.Clone(o.groups), func(g string) bool { return !slices.Contains(have, g) }), err
}
