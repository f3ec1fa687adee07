package main

import (
	"time"

	"github.com/takhost/takhost/sdk"
)

// alert is one active alert: a document of the collection alerts, in JSON, in
// the form in which /api/v1/emergencies gives it.
type alert struct {
	uid      string
	typ      string
	kind     string
	callsign string
	sender   string // client uid of the sender; empty when no client sent it
	user     string // user of the sender
	lat, lon float64
	hae      float64 // sdk.Unknown: not known
	remarks  string
	started  time.Time
	updated  time.Time
	set      int32 // groups that may see it; kept by the document
}

func (a *alert) write(j *sdk.JSON) {
	j.Object().Key("uid").Text(a.uid).Key("type").Text(a.typ).Key("kind").Text(a.kind).
		Key("callsign").Text(a.callsign).Key("lat").Float(a.lat).Key("lon").Float(a.lon)
	if a.hae < sdk.Unknown {
		j.Key("hae").Float(a.hae)
	}
	if a.sender != "" {
		j.Key("sender").Text(a.sender)
	}
	if a.user != "" {
		j.Key("user").Text(a.user)
	}
	if a.remarks != "" {
		j.Key("remarks").Text(a.remarks)
	}
	j.Key("started").Time(a.started).Key("updated").Time(a.updated).End()
}

func readAlert(d *sdk.Document) (*alert, error) {
	f, err := sdk.ParseJSON(d.Body)
	if err != nil {
		return nil, err
	}
	a := &alert{
		uid: d.ID, typ: f.Text("type"), kind: f.TextOr("kind", ""), callsign: f.TextOr("callsign", ""),
		sender: f.TextOr("sender", ""), user: f.TextOr("user", ""), remarks: f.TextOr("remarks", ""),
		lat: f.Float("lat"), lon: f.Float("lon"), hae: f.FloatOr("hae", sdk.Unknown),
		started: f.Time("started"), updated: f.Time("updated"), set: d.Set,
	}
	return a, f.Err()
}

// keys are those by which the indexes of alerts find a. Alerts without a sender
// count together.
func (a *alert) keys() []sdk.Key {
	return []sdk.Key{
		sdk.NewKey("by-started", sdk.At(a.started), sdk.Text(a.uid)),
		sdk.NewKey("by-sender", sdk.Text(a.sender), sdk.At(a.started)),
	}
}

func reindex(_ *sdk.Call, d *sdk.Document) ([]sdk.Key, error) {
	a, err := readAlert(d)
	if err != nil {
		return nil, err
	}
	return a.keys(), nil
}

// maxXML is the longest event that is kept as it was sent, in bytes. Of a longer
// one the alert alone is kept, and repeated in our own words.
const maxXML = 128 << 10

// save keeps an alert with its event.
func (a *alert) save(c *sdk.Call, xml string) error {
	var j sdk.JSON
	a.write(&j)
	if err := j.Err(); err != nil {
		return err
	}
	if err := c.Collection("alerts").For(a.set).Put(a.uid, j.Bytes(), a.keys()...); err != nil {
		return err
	}
	if len(xml) > maxXML {
		_, err := c.Collection("events").Delete(a.uid)
		return err
	}
	return c.Collection("events").For(a.set).Put(a.uid, []byte(xml))
}

// remove takes an alert from the active ones.
func (a *alert) remove(c *sdk.Call) error {
	if _, err := c.Collection("alerts").Delete(a.uid); err != nil {
		return err
	}
	_, err := c.Collection("events").Delete(a.uid)
	return err
}

// find gives an active alert. A caller's request sees what the caller may.
func find(c *sdk.Call, uid string, asCaller bool) (*alert, bool, error) {
	alerts := c.Collection("alerts")
	if asCaller {
		alerts = alerts.AsCaller()
	}
	d, ok, err := alerts.Find(uid)
	if err != nil || !ok {
		return nil, false, err
	}
	a, err := readAlert(&d)
	return a, err == nil, err
}

// active goes over all active alerts, oldest first.
func active(c *sdk.Call, do func(*alert) error) error {
	for d, err := range c.Collection("alerts").By("by-started").All() {
		if err != nil {
			return err
		}
		a, err := readAlert(d)
		if err != nil {
			return err
		}
		if err := do(a); err != nil {
			return err
		}
	}
	return nil
}

// makeRoom ends the oldest alerts when there are too many of one sender, or in
// all, to keep one more.
func (p *plugin) makeRoom(c *sdk.Call, sender string) error {
	if sender != "" {
		if err := p.trim(c, c.Collection("alerts").By("by-sender").Is(sdk.Text(sender)), p.perSender, "sender"); err != nil {
			return err
		}
	}
	return p.trim(c, c.Collection("alerts").By("by-started"), p.most, "server")
}

func (p *plugin) trim(c *sdk.Call, q *sdk.Query, most int64, of string) error {
	n, err := q.Count()
	if err != nil {
		return err
	}
	for ; n >= most; n-- {
		d, ok, err := q.First()
		if err != nil || !ok {
			return err
		}
		a, err := readAlert(&d)
		if err != nil {
			return err
		}
		c.Log().Warn("too many active alerts: the oldest is no longer repeated", "of", of, "uid", a.uid, "callsign", a.callsign)
		if err := a.remove(c); err != nil {
			return err
		}
	}
	return nil
}
