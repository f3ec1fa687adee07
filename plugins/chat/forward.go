package main

import (
	"time"

	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/sdk"
)

// Store and forward. A message for one addressee who is not connected waits in the
// collection waiting until that client connects, or too long. Its sender has got it
// back as b-t-f-s, which TAK clients show as "stored", and gets the receipts later.

// forwardTimer goes on where one call could not send all.
const forwardTimer = "forward"

// atOnce is how many messages one call sends. What a call may emit is bounded.
const atOnce = 100

// maxWaiting is how long an event that waits may be, in bytes.
const maxWaiting = 200 << 10

// justConnected is how long ago a client may have connected, when a message for it
// came, to be sent it once more: between the connection and its first position the
// core does not know it by its uid. TAK clients show a message of one uid once.
const justConnected = 10 * time.Second

// keepFor keeps a message for its addressee if he is away.
func (p *plugin) keepFor(c *sdk.Call, m *message, xml string) error {
	if p.forward == 0 {
		return nil
	}
	there, err := c.Clients(sdk.ClientQuery{UIDs: []string{m.room}})
	if err != nil {
		return err
	}
	for i := range there {
		if sdk.TimeOf(there[i].Connected).After(m.received.Add(-justConnected)) {
			return emit(c, xml, m.set, m.room)
		}
		return nil
	}
	if len(xml) > maxWaiting {
		c.Log().Warn("a message is too long to wait for its addressee", "uid", m.uid, "bytes", len(xml))
		return nil
	}
	waiting := c.Collection("waiting")
	q := waiting.By("by-addressee").Is(sdk.Text(m.room))
	n, err := q.Count()
	if err != nil {
		return err
	}
	for ; n >= p.waiting; n-- {
		d, ok, err := q.NoBodies().First()
		if err != nil || !ok {
			return err
		}
		c.Log().Warn("too many messages wait for one addressee: the oldest is dropped", "addressee", m.room)
		if _, err := waiting.Delete(d.ID); err != nil {
			return err
		}
	}
	return waiting.For(m.set).Put(m.uid, []byte(xml),
		sdk.NewKey("by-addressee", sdk.Text(m.room), sdk.At(m.received)), sdk.NewKey("by-time", sdk.At(m.received)))
}

// client hands a client that came what waits for it.
func (p *plugin) client(c *sdk.Call, change *sdk.ClientChange) error {
	if change.Kind != sdk.ClientConnected || change.Client == nil {
		return nil
	}
	more, err := p.hand(c, change.Client.UID, atOnce)
	if err != nil || !more {
		return err
	}
	return c.SetTimer(forwardTimer, c.Now().Add(time.Second), 0, nil)
}

// hand sends up to most of what waits for uid, oldest first, and says whether more
// does.
func (p *plugin) hand(c *sdk.Call, uid string, most int) (more bool, err error) {
	page, err := c.Collection("waiting").By("by-addressee").Is(sdk.Text(uid)).Limit(most).Page()
	if err != nil {
		return false, err
	}
	for i := range page.Documents {
		d := &page.Documents[i]
		if p.forward > 0 && !p.tooOld(c, d) {
			if err := emit(c, string(d.Body), d.Set, uid); err != nil {
				return false, err
			}
			c.Count("forwarded", 1)
		}
		if _, err := c.Collection("waiting").Delete(d.ID); err != nil {
			return false, err
		}
	}
	return page.Next != "", nil
}

func (p *plugin) tooOld(c *sdk.Call, d *sdk.Document) bool {
	v, err := sdk.KeyValues(d)
	return err == nil && len(v) == 2 && c.Now().Sub(v[1].Time()) > p.forward
}

// emit sends a message once more, to one client, as far as groups allow. What it
// says of when it was written stays; as an event it is new.
func emit(c *sdk.Call, xml string, set int32, uid string) error {
	var h cot.Header
	if err := cot.Scan(xml, &h); err != nil {
		return sdk.Failedf("a message that waits cannot be read: %v", err)
	}
	return c.EmitAll(sdk.Emission{
		XML: cot.Restamp(xml, &h, c.Now(), time.Hour), Audience: sdk.Within(set, sdk.ToUIDs(uid)), Fleeting: true,
	})
}

// forwardAll goes on for everybody who is connected.
func (p *plugin) forwardAll(c *sdk.Call, _ *sdk.Timer) error {
	there, err := c.Clients(sdk.ClientQuery{})
	if err != nil {
		return err
	}
	room := atOnce
	for i := range there {
		n, err := c.Collection("waiting").By("by-addressee").Is(sdk.Text(there[i].UID)).Count()
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		if _, err := p.hand(c, there[i].UID, room); err != nil {
			return err
		}
		if room -= int(n); room <= 0 {
			return c.SetTimer(forwardTimer, c.Now().Add(time.Second), 0, nil)
		}
	}
	return nil
}
