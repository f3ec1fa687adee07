package main

import (
	"slices"
	"strings"
	"time"

	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/sdk"
)

// Store and forward. A message that names its addressees, of a pair or a group, waits
// in the collection waiting for each of them who is not connected, until that client
// connects, or too long. If it reached nobody its sender has got it back as b-t-f-s,
// which TAK clients show as "stored", and gets the receipts later.

// forwardTimer goes on where one call could not send all, and onTimer where one could
// not look for all.
const (
	forwardTimer = "forward"
	onTimer      = "forward-on"
)

// atOnce is how many messages one call sends: each costs up to seven operations of the
// host, of which a call has a thousand.
const atOnce = 70

// maxWaiting is how long an event that waits may be, in bytes.
const maxWaiting = 200 << 10

// justConnected is how long a client that came is remembered. Between its connection
// and its first position the core does not know it by its uid, and the plugin may hear
// of it before or after a message of that time.
const justConnected = 10 * time.Second

// atOneTime is how far two times may be apart that say nothing of what was first. A
// client that came at the time of a message gets it once more: TAK clients show a
// message of one uid once.
const atOneTime = 100 * time.Millisecond

// arrival is a client that came.
type arrival struct {
	uid string
	at  int64 // when the core knew it, in microseconds
}

// mostArrivals bounds those that are remembered.
const mostArrivals = 4096

func (p *plugin) remember(c *sdk.Call, uid string, at int64) {
	if old := c.Now().Add(-justConnected).UnixMicro(); len(p.came) > 0 && p.came[0].at < old {
		p.came = slices.DeleteFunc(p.came, func(a arrival) bool { return a.at < old })
	}
	if len(p.came) < mostArrivals {
		p.came = append(p.came, arrival{strings.Clone(uid), at})
	}
}

// What is to be done for an addressee.
const (
	nothing = iota // the core has delivered the message
	again          // the core may have
	later          // it waits
)

// fate says what is to be done for an addressee of a message that was received at a
// time. there is the addressee if it is connected.
func (p *plugin) fate(there *sdk.Client, received int64) int {
	switch {
	case there == nil:
		return later
	case there.Connected < received-justConnected.Microseconds():
		return nothing
	}
	for i := len(p.came) - 1; i >= 0; i-- {
		if p.came[i].uid != there.UID {
			continue
		}
		if p.came[i].at >= received-atOneTime.Microseconds() {
			return again
		}
		return nothing
	}
	return later // the plugin has yet to hear of it
}

// keepFor keeps a message for those of its addressees who are not among clients.
func (p *plugin) keepFor(c *sdk.Call, m *message, xml string, received int64, clients []sdk.Client) (err error) {
	if p.forward == 0 {
		return nil
	}
	for _, uid := range m.to {
		i := slices.IndexFunc(clients, func(c sdk.Client) bool { return c.UID == uid })
		var there *sdk.Client
		if i >= 0 {
			there = &clients[i]
		}
		switch p.fate(there, received) {
		case again:
			_, err = emit(c, xml, m.set, uid)
		case later:
			err = p.wait(c, m, xml, uid)
			if err == nil && there != nil {
				err = p.handSoon(c)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// wait keeps a message for one addressee. The server itself has none to wait for.
func (p *plugin) wait(c *sdk.Call, m *message, xml, uid string) error {
	if uid == serverUID {
		return nil
	}
	if len(xml) > maxWaiting {
		c.Log().Warn("a message is too long to wait for its addressee", "uid", m.uid, "bytes", len(xml))
		return nil
	}
	waiting := c.Collection("waiting")
	q := waiting.By("by-addressee").Is(sdk.Text(uid))
	n, err := q.Count()
	if err != nil {
		return err
	}
	for ; n >= p.waiting; n-- {
		d, ok, err := q.NoBodies().First()
		if err != nil || !ok {
			return err
		}
		c.Log().Warn("too many messages wait for one addressee: the oldest is dropped", "addressee", uid)
		if _, err := waiting.Delete(d.ID); err != nil {
			return err
		}
	}
	return waiting.For(m.set).Put(digest(m.uid, uid), []byte(xml),
		sdk.NewKey("by-addressee", sdk.Text(uid), sdk.At(m.received)), sdk.NewKey("by-time", sdk.At(m.received)))
}

// arrive hands clients that came what waits for them. One that is back before the
// core has noticed that it was gone has changed.
func (p *plugin) arrive(c *sdk.Call, crowd sdk.Crowd) error {
	var uids []string
	for ch := range crowd.All() {
		if ch.Kind == sdk.ClientDisconnected {
			continue
		}
		uid := ch.UID()
		if ch.Kind == sdk.ClientConnected {
			p.remember(c, uid, ch.At)
		}
		uids = append(uids, uid)
	}
	if len(uids) == 0 {
		return nil
	}
	// Mostly nothing waits for anybody.
	if ok, err := anyWaits(c); err != nil || !ok {
		return err
	}
	// Who has gone again meanwhile gets it another time.
	there, err := c.Clients(sdk.ClientQuery{UIDs: uids})
	if err != nil {
		return err
	}
	return p.handAll(c, there)
}

// anyWaits says whether a message waits for anybody.
func anyWaits(c *sdk.Call) (bool, error) {
	_, ok, err := c.Collection("waiting").By("by-time").NoBodies().First()
	return ok, err
}

// handSoon looks soon for those who are connected, if anything waits: they may have
// come while the plugin was not there.
func (p *plugin) handSoon(c *sdk.Call) error {
	if ok, err := anyWaits(c); err != nil || !ok {
		return err
	}
	return c.SetTimer(forwardTimer, c.Now().Add(time.Second), 0, nil)
}

// handAll hands clients what waits for them, as much as one call may send.
func (p *plugin) handAll(c *sdk.Call, there []sdk.Client) error {
	room := atOnce
	for i := range there {
		sent, more, err := p.hand(c, there[i], room)
		if err != nil {
			return err
		}
		if room -= sent; more || room <= 0 {
			return p.handSoon(c)
		}
	}
	return nil
}

// hand sends up to most of what waits for a client, oldest first, and says how many
// and whether more does.
func (p *plugin) hand(c *sdk.Call, to sdk.Client, most int) (sent int, more bool, err error) {
	page, err := c.Collection("waiting").By("by-addressee").Is(sdk.Text(to.UID)).Limit(most).Page()
	if err != nil {
		return 0, false, err
	}
	for i := range page.Documents {
		d := &page.Documents[i]
		if p.forward > 0 && !p.tooOld(c, d) {
			uid, err := emit(c, string(d.Body), d.Set, to.UID)
			if err == nil {
				err = reached(c, uid, to)
			}
			if err != nil {
				return 0, false, err
			}
			c.Count("forwarded", 1)
		}
		if _, err := c.Collection("waiting").Delete(d.ID); err != nil {
			return 0, false, err
		}
	}
	return len(page.Documents), page.Next != "", nil
}

func (p *plugin) tooOld(c *sdk.Call, d *sdk.Document) bool {
	v, err := sdk.KeyValues(d)
	return err == nil && len(v) == 2 && c.Now().Sub(v[1].Time()) > p.forward
}

// emit sends a message once more, to one client, as far as groups allow. What it
// says of when it was written stays; as an event it is new. The message's uid is given
// back.
func emit(c *sdk.Call, xml string, set int32, uid string) (message string, err error) {
	var h cot.Header
	if err := cot.Scan(xml, &h); err != nil {
		return "", sdk.Failedf("a message that waits cannot be read: %v", err)
	}
	return h.UID, c.EmitAll(sdk.Emission{
		XML: cot.Restamp(xml, &h, c.Now(), time.Hour), Audience: sdk.Within(set, sdk.ToUIDs(uid)), Fleeting: true,
	})
}

// lookedFor bounds the addressees that one call of forwardAll looks for: each costs
// an operation of the host, of which a call has a thousand.
const lookedFor = 300

// forwardAll hands out what waits for those who are connected. The timer's data is
// the addressee behind whom it goes on.
func (p *plugin) forwardAll(c *sdk.Call, t *sdk.Timer) error {
	clients, err := c.Clients(sdk.ClientQuery{})
	if err != nil {
		return err
	}
	there := make(map[string]*sdk.Client, len(clients))
	for i := range clients {
		there[clients[i].UID] = &clients[i]
	}
	var found []sdk.Client
	last := string(t.Data)
	for range lookedFor {
		next, ok, err := waitedFor(c, last)
		if err != nil {
			return err
		}
		if !ok {
			return p.handAll(c, found)
		}
		if last = next; there[next] != nil {
			found = append(found, *there[next])
		}
		if len(found) == atOnce {
			break
		}
	}
	if err := p.handAll(c, found); err != nil {
		return err
	}
	return c.SetTimer(onTimer, c.Now().Add(time.Second), 0, []byte(last))
}

// waitedFor gives the addressee behind another one for whom a message waits.
func waitedFor(c *sdk.Call, behind string) (uid string, ok bool, err error) {
	q := c.Collection("waiting").By("by-addressee").NoBodies()
	if behind != "" {
		q = q.From(sdk.Text(behind + "\x00")) // the first text behind it
	}
	d, ok, err := q.First()
	if err != nil || !ok {
		return "", false, err
	}
	v, err := sdk.KeyValues(&d)
	if err != nil {
		return "", false, err
	}
	return v[0].Text(), true, nil
}
