package main

import (
	"time"

	"github.com/takhost/takhost/sdk"
)

// watch compares a position with all fences, and with where the unit was before.
func watch(c *sdk.Call, fences []fence, e sdk.Event) error {
	if e.Lat() == 0 && e.Lon() == 0 {
		return nil // what devices send that do not know where they are
	}
	known, err := membersOf(c, e.UID())
	if err != nil {
		return err
	}
	for i := range fences {
		f := &fences[i]
		m := known[f.id]
		delete(known, f.id)
		inside, was := f.holds(e.Lat(), e.Lon()), m != nil && !m.out
		if m == nil {
			if !inside {
				continue
			}
			m = &member{fence: f.id, uid: e.UID()}
		}
		m.callsign, m.lat, m.lon, m.set = e.Callsign(), e.Lat(), e.Lon(), int32(e.Groups())
		m.stale = staleOf(e)
		switch {
		case inside && !was:
			err = m.cross(c, f, false, "entered")
		case !inside && was:
			err = m.cross(c, f, true, "left")
		case inside:
			err = m.save(c)
		}
		if err != nil {
			return err
		}
	}
	// What is left is of fences that are gone.
	for _, m := range known {
		if err := m.end(c); err != nil {
			return err
		}
	}
	return nil
}

// staleOf counts the time that the sender's event holds from its arrival on, since the
// clocks of phones are often wrong.
func staleOf(e sdk.Event) time.Time {
	return sdk.TimeOf(e.Recv() + min(max(e.Stale()-e.Time(), 0), time.Hour.Microseconds()))
}

// cross notes that a unit came in or went out. That and the alert take effect together,
// when the call is committed.
func (m *member) cross(c *sdk.Call, f *fence, out bool, how string) error {
	stood := m.alert
	m.out, m.since, m.alert = out, c.Now(), out == (f.alert == onLeave)
	c.Log().Info("fence crossed", "fence", m.fence, "uid", m.uid, "callsign", m.callsign, "out", out)
	c.Count("crossings", 1, "fence", m.fence)
	var err error
	switch {
	case m.alert:
		err = m.raise(c, m.callsign+" "+how+" "+f.name)
	case stood:
		err = m.lower(c)
	}
	if err != nil {
		return err
	}
	if out && !m.alert {
		return m.remove(c)
	}
	return m.save(c)
}

// hold is how long an alert is good on the maps. The plugin emergency, which ships with
// the server, repeats it as long as it is not cancelled.
const hold = 10 * time.Minute

// raise sends an alert to all who may see the unit. ATAK shows the type b-a-g as
// "Geo-fence Breached".
func (m *member) raise(c *sdk.Call, text string) error {
	e := m.alertEvent(c, "b-a-g").
		Start("emergency").Attr("type", "Geo-fence Breached").Text(m.callsign).End().
		Start("link").Attr("uid", m.uid).Attr("relation", "p-p").End().
		Start("remarks").Text(text).End()
	return c.Emit(e, sdk.ToSet(m.set))
}

// lower ends the alert.
func (m *member) lower(c *sdk.Call) error {
	e := m.alertEvent(c, "b-a-o-can").Start("emergency").Attr("cancel", "true").Text(m.callsign).End()
	return c.Emit(e, sdk.ToSet(m.set))
}

// alertEvent begins an event of the one alert that a unit has for a fence.
func (m *member) alertEvent(c *sdk.Call, typ string) *sdk.EventBuilder {
	return c.NewEvent("geofence."+m.fence+"."+m.uid, typ, "h-e", hold).
		Point(m.lat, m.lon, sdk.Unknown, sdk.Unknown, sdk.Unknown).
		Start("detail").Start("contact").Attr("callsign", m.callsign+"-Alert").End()
}
