package main

import (
	"github.com/takhost/takhost/sdk"
)

// message keeps what a client, a feed or another plugin sent; the core has routed
// it already.
func (p *plugin) message(c *sdk.Call, e sdk.Event) error {
	m, ok := read(c, e)
	if !ok {
		c.Log().Debug("an event of chat without a __chat", "uid", e.UID())
		return nil
	}
	old, known, err := c.Collection("messages").Find(m.uid)
	if err != nil {
		return err
	}
	if known { // sent again, by whoever: the first one stays
		if first, err := parse(&old); err != nil || first.from != m.from {
			c.Log().Warn("a message of somebody else came under the same uid; the first one stays", "uid", m.uid, "sender", m.from)
		}
		return nil
	}
	m.received = p.moment(m.received)
	var there []sdk.Client
	if m.private() {
		if there, err = c.Clients(sdk.ClientQuery{UIDs: m.to}); err != nil {
			return err
		}
		m.noteReaders(there)
	}
	if err := m.add(c); err != nil {
		return err
	}
	c.Count("messages", 1)
	return p.keepFor(c, m, e.XML(), e.Recv(), there)
}

// receipt notes that somebody got or read a message: ATAK gives the receipt the
// messageId of the message as its uid.
func receipt(c *sdk.Call, e sdk.Event) error {
	root := e.Detail().Root()
	r := root.Child("__chatreceipt")
	id := e.UID()
	if named := attr(r, "messageId"); named != "" {
		id = named
	}
	d, ok, err := c.Collection("messages").By("by-message").Is(sdk.Text(clip(id, maxName))).First()
	if err != nil {
		return err
	}
	if !ok {
		if d, ok, err = c.Collection("messages").Find(clip(id, hostIDs)); err != nil || !ok {
			return err // of a message that is gone, or was never ours
		}
	}
	m, err := parse(&d)
	if err != nil {
		return err
	}
	by := mark{uid: e.Client(), callsign: attr(r, "senderCallsign"), kind: "delivered", at: sdk.TimeOf(e.Recv())}
	if by.uid == "" {
		by.uid = attr(root.Child("link"), "uid")
	}
	by.uid = clip(by.uid, maxName)
	if e.Type() == "b-t-f-r" {
		by.kind = "read"
	}
	if by.uid == "" || by.uid == m.from || len(m.receipts) >= maxReceipts {
		return nil
	}
	if !m.has(by.uid, e.User()) {
		c.Log().Warn("a receipt of somebody to whom the message was not sent", "uid", m.uid, "sender", by.uid, "user", e.User())
		return nil
	}
	for _, had := range m.receipts {
		if had.uid == by.uid && had.kind == by.kind {
			return nil
		}
	}
	m.receipts = append(m.receipts, by)
	if err := m.save(c); err != nil {
		return err
	}
	return m.publish(c, "receipt")
}
