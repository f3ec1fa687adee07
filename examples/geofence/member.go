package main

import (
	"time"

	"github.com/takhost/takhost/sdk"
)

// member is a unit that is inside of a fence, or that left one and whose alert stands: a
// document of the collection members, seen by the groups that see the unit.
type member struct {
	fence, uid string
	callsign   string
	lat, lon   float64
	out        bool // it left
	alert      bool // its alert stands
	since      time.Time
	stale      time.Time // when it counts as gone if it is not heard of again
	set        int32     // groups
}

func (m *member) id() string { return m.fence + "/" + m.uid }

func (m *member) save(c *sdk.Call) error {
	var j sdk.JSON
	j.Object().Key("fence").Text(m.fence).Key("uid").Text(m.uid).Key("callsign").Text(m.callsign).
		Key("lat").Float(m.lat).Key("lon").Float(m.lon).Key("out").Bool(m.out).Key("alert").Bool(m.alert).
		Key("since").Time(m.since).Key("stale").Time(m.stale).End()
	keys := []sdk.Key{sdk.NewKey("by-unit", sdk.Text(m.uid))}
	if !m.out { // who is out cannot become stale
		keys = append(keys, sdk.NewKey("by-stale", sdk.At(m.stale)))
	}
	return c.Collection("members").For(m.set).Put(m.id(), j.Bytes(), keys...)
}

func (m *member) remove(c *sdk.Call) error {
	_, err := c.Collection("members").Delete(m.id())
	return err
}

func readMember(d *sdk.Document) (*member, error) {
	f, err := sdk.ParseJSON(d.Body)
	if err != nil {
		return nil, err
	}
	m := &member{
		fence: f.Text("fence"), uid: f.Text("uid"), callsign: f.TextOr("callsign", ""), lat: f.Float("lat"), lon: f.Float("lon"),
		out: f.Bool("out"), alert: f.Bool("alert"), since: f.Time("since"), stale: f.Time("stale"), set: d.Set,
	}
	return m, f.Err()
}

// membersOf gives what is known of a unit, by fence.
func membersOf(c *sdk.Call, uid string) (map[string]*member, error) {
	known := map[string]*member{}
	for d, err := range c.Collection("members").By("by-unit").Is(sdk.Text(uid)).All() {
		if err != nil {
			return nil, err
		}
		m, err := readMember(d)
		if err != nil {
			return nil, err
		}
		known[m.fence] = m
	}
	return known, nil
}

// emptyTimer begins the names of the timers that go on with emptying a fence.
const emptyTimer = "empty."

// atOnce is how many members one call ends: what a call may emit is bounded.
const atOnce = 100

// empty forgets who is inside of a fence that is gone or changed, and ends the alerts.
func empty(c *sdk.Call, id string) error {
	page, err := c.Collection("members").Query().Prefix(sdk.Text(id + "/")).Limit(atOnce).Page()
	if err != nil {
		return err
	}
	for i := range page.Documents {
		m, err := readMember(&page.Documents[i])
		if err != nil {
			return err
		}
		if err := m.end(c); err != nil {
			return err
		}
	}
	if page.Next != "" {
		return c.SetTimer(emptyTimer+id, c.Now().Add(time.Second), 0, nil)
	}
	return nil
}

// end forgets a member.
func (m *member) end(c *sdk.Call) error {
	if m.alert {
		if err := m.lower(c); err != nil {
			return err
		}
	}
	return m.remove(c)
}

// sweep lets those leave whose last position is stale.
func (p *plugin) sweep(c *sdk.Call, _ *sdk.Timer) error {
	page, err := c.Collection("members").By("by-stale").Before(sdk.At(c.Now())).Limit(atOnce).Page()
	if err != nil || len(page.Documents) == 0 {
		return err // the rest of many waits for the next time
	}
	fences, err := p.fences(c)
	if err != nil {
		return err
	}
	for i := range page.Documents {
		m, err := readMember(&page.Documents[i])
		if err != nil {
			return err
		}
		if f := find(fences, m.fence); f == nil {
			err = m.end(c)
		} else {
			err = m.cross(c, f, true, "is no longer heard of in")
		}
		if err != nil {
			return err
		}
	}
	return nil
}
