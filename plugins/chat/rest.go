package main

import (
	"time"

	"github.com/takhost/takhost/sdk"
)

// serverUID is the uid of the server as a sender. Nobody is connected by it: what
// is answered to it can be read by REST.
const serverUID = "takhost"

func (p *plugin) conversations(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	return list(r, w, "conversations", c.Collection("conversations").AsCaller().By("by-last").Descending(), chooseConversations(c))
}

func (p *plugin) messages(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	id := r.Param("conversation")
	d, ok, err := c.Collection("conversations").AsCaller().Find(clip(id, hostIDs))
	if may := chooseConversations(c); err == nil && ok && may != nil {
		ok, err = may(&d)
	}
	if err != nil {
		return err
	}
	if !ok {
		return sdk.NotFoundf("there is no conversation %s", clip(id, 64))
	}
	q := c.Collection("messages").AsCaller().By("by-conversation").Is(sdk.Text(id))
	if r.Query().TextOr("order", "desc", sdk.OneOf("desc", "asc")) == "desc" {
		q.Descending()
	}
	may, err := chooseMessages(c, &d)
	if err != nil {
		return err
	}
	return list(r, w, "messages", q, may)
}

// looksAt bounds the pages of the store that are looked through for one page of what
// the caller may read. It may come out shorter then, or empty, and has a next one.
const looksAt = 20

// list answers a page of those documents that the caller may read.
func list(r *sdk.Request, w *sdk.Response, name string, q *sdk.Query, may choice) error {
	in := r.Query()
	limit, after := in.IntOr("limit", 100, sdk.Between(1, 1000)), in.TextOr("after", "")
	if err := r.Err(); err != nil {
		return err
	}
	j := w.JSON().Object().Key(name).Array()
	for range looksAt {
		page, err := q.Limit(int(limit)).After(after).Page()
		if err != nil {
			return err
		}
		for i := range page.Documents {
			if may != nil {
				if ok, err := may(&page.Documents[i]); err != nil {
					return err
				} else if !ok {
					continue
				}
			}
			j.Raw(page.Documents[i].Body)
			limit--
		}
		if after = page.Next; after == "" || limit == 0 {
			break
		}
	}
	j.End()
	if after != "" {
		j.Key("next").Text(after)
	}
	return nil
}

func (p *plugin) send(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	in := r.Fields()
	text := in.Text("text", sdk.AtMost(maxText))
	sender, uid, callsign := in.TextOr("sender", ""), in.TextOr("uid", ""), in.TextOr("callsign", "")
	if err := r.Err(); err != nil {
		return err
	}
	m, err := p.post(c, text, sender, uid, callsign)
	if err != nil {
		return err
	}
	m.write(w.Status(201).JSON())
	return nil
}

// post sends a message of the server's: to everybody, or to one.
func (p *plugin) post(c *sdk.Call, text, sender, uid, callsign string) (*message, error) {
	caller := c.Caller()
	if sender == "" {
		if sender = caller.Name; sender == "" {
			sender = "Server"
		}
	}
	id, err := c.NewUID()
	if err != nil {
		return nil, err
	}
	now := p.moment(c.Now())
	m := &message{
		id: id, kind: kindRoom, room: allRooms, name: allRooms, from: serverUID, callsign: sender, user: caller.User,
		text: text, sent: now, received: now, set: caller.InSet,
	}
	away := "" // the one to whom it goes, if he is
	if uid != "" || callsign != "" {
		there, err := address(c, m, uid, callsign)
		if err != nil {
			return nil, err
		}
		if !there {
			away = m.room
		}
	}
	m.uid = "GeoChat." + serverUID + "." + m.room + "." + id
	xml, err := m.event(now)
	if err != nil {
		return nil, sdk.Invalidf("%v", err)
	}
	if err := m.add(c); err != nil {
		return nil, err
	}
	if m.kind == kindRoom {
		return m, c.EmitXML(xml, sdk.ToSet(m.set))
	}
	if err := c.EmitXML(xml, sdk.Within(m.set, sdk.ToUIDs(m.room))); err != nil || away == "" || p.forward == 0 {
		return m, err
	}
	return m, p.wait(c, m, xml, away)
}

// address finds the one who is to get m, and says whether he is connected.
func address(c *sdk.Call, m *message, uid, callsign string) (connected bool, err error) {
	q := sdk.ClientQuery{AsCaller: true}
	if uid != "" {
		q.UIDs = []string{uid}
	} else {
		q.Callsigns = []string{callsign}
	}
	there, err := c.Clients(q)
	if err != nil {
		return false, err
	}
	switch {
	case len(there) > 0:
		uid, callsign = there[0].UID, there[0].Callsign
	case uid == "":
		return false, sdk.NotFoundf("nobody of the callsign %s is connected; give the uid to send to one who is away", clip(callsign, 64))
	case callsign == "":
		callsign = uid
	}
	m.kind, m.room, m.name = kindPair, clip(uid, maxName), clip(callsign, maxName)
	m.to = []string{m.room}
	m.noteReaders(there)
	return len(there) > 0, nil
}

// stale is how long a message is good; ATAK has the same.
const stale = 24 * time.Hour

// event writes m as ATAK writes its messages (spec/tak-streaming.md 11).
func (m *message) event(now time.Time) (string, error) {
	owner, group := allRooms, allRooms
	if m.kind == kindPair {
		owner, group = m.room, m.room
	}
	return sdk.NewEvent(m.uid, "b-t-f", "h-g-i-g-o", now, stale).Point(0, 0, sdk.Unknown, sdk.Unknown, sdk.Unknown).
		Start("detail").
		Start("__chat").Attr("parent", "RootContactGroup").Attr("groupOwner", "false").Attr("messageId", m.id).
		Attr("chatroom", m.name).Attr("id", m.room).Attr("senderCallsign", m.callsign).
		Start("chatgrp").Attr("uid0", serverUID).Attr("uid1", owner).Attr("id", group).End().End().
		Start("link").Attr("uid", serverUID).Attr("type", "a-f-G-U-C").Attr("relation", "p-p").End().
		Start("remarks").Attr("source", "BAO.F.ATAK."+serverUID).Attr("to", m.room).AttrTime("time", now).Text(m.text).End().
		String()
}
