package main

import (
	"math"
	"slices"
	"time"

	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/sdk"
)

// timerName is the timer that runs while there are active alerts and something is
// to be done about them.
const timerName = "repeat"

// period is how often that is; 0: never.
func (p *plugin) period() time.Duration {
	if p.repeat > 0 {
		return p.repeat
	}
	if p.expire > 0 {
		return min(p.expire, time.Minute)
	}
	return 0
}

// soon is when what is active is sent again after the plugin has started: clients
// that came back with the server may have been there before it.
const soon = time.Second

// wind starts the timer with the first alert.
func (p *plugin) wind(c *sdk.Call) error {
	n, err := c.Collection("alerts").By("by-started").Count()
	if err != nil || n != 1 || p.period() == 0 {
		return err
	}
	return p.set(c, p.period())
}

// rewind sets the timer by the period in force, when the plugin starts or its
// config changes.
func (p *plugin) rewind(c *sdk.Call) error {
	n, err := c.Collection("alerts").By("by-started").Count()
	switch {
	case err != nil || n == 0:
		return err
	case p.period() == 0:
		return c.CancelTimer(timerName)
	}
	return p.set(c, soon)
}

func (p *plugin) set(c *sdk.Call, first time.Duration) error {
	return c.SetTimer(timerName, c.Now().Add(first), p.period(), nil)
}

// tick sends the active alerts again and ends those that are too old.
func (p *plugin) tick(c *sdk.Call, _ *sdk.Timer) error {
	left := 0
	var clients []sdk.Client
	if p.radius > 0 {
		var err error
		if clients, err = c.Clients(sdk.ClientQuery{}); err != nil {
			return err
		}
	}
	err := active(c, func(a *alert) error {
		if p.expire > 0 && c.Now().Sub(a.started) >= p.expire {
			c.Log().Info("emergency expired", "kind", a.kind, "callsign", a.callsign, "uid", a.uid)
			return a.remove(c)
		}
		left++
		if p.repeat == 0 {
			return nil
		}
		if p.radius > 0 {
			var near []string
			for i := range clients {
				if clients[i].UID != a.sender && p.concerns(&clients[i], a) {
					near = append(near, clients[i].UID)
				}
			}
			return p.sendTo(c, a, near)
		}
		to := sdk.ToSet(a.set)
		if a.sender != "" {
			to = sdk.Except(to, a.sender)
		}
		return p.send(c, a, to)
	})
	if err != nil {
		return err
	}
	if left == 0 {
		return c.CancelTimer(timerName)
	}
	return nil
}

// arrive tells those who came what is going on. One that is back before the core
// has noticed that it was gone has changed, and has missed what was sent meanwhile.
func (p *plugin) arrive(c *sdk.Call, crowd sdk.Crowd) error {
	var came []sdk.Change
	for ch := range crowd.All() {
		if ch.Kind == sdk.ClientDisconnected || ch.Kind == sdk.ClientChanged && ch.At-ch.Connected() > missing.Microseconds() {
			continue
		}
		ch = ch.Keep()
		p.remember(c, ch)
		came = append(came, ch)
	}
	if len(came) == 0 {
		return nil
	}
	var clients []sdk.Client
	return active(c, func(a *alert) error {
		if clients == nil { // mostly there is no alert, and nobody asks who they are
			for _, ch := range came {
				who, err := ch.Client()
				if err != nil {
					return err
				}
				clients = append(clients, who)
			}
		}
		var uids []string
		for i := range clients {
			if who := &clients[i]; who.UID != a.sender && p.concerns(who, a) {
				uids = append(uids, who.UID)
			}
		}
		return p.sendTo(c, a, uids)
	})
}

// latecomers bounds how many clients that came are remembered, and missing how long
// an event may take from the core to the plugin for that to matter.
const (
	latecomers = 4096
	missing    = 10 * time.Second
)

// remember notes a client that was told of what is active.
func (p *plugin) remember(c *sdk.Call, ch sdk.Change) {
	if old := c.Now().Add(-missing).UnixMicro(); len(p.came) > 0 && p.came[0].At < old {
		p.came = slices.DeleteFunc(p.came, func(w sdk.Change) bool { return w.At < old })
	}
	if len(p.came) < latecomers {
		p.came = append(p.came, ch)
	}
}

// greet tells of an alert those who came after the core had sent it, at the time
// routed, and of whom the plugin heard before it heard of the alert.
func (p *plugin) greet(c *sdk.Call, a *alert, routed int64) error {
	var late []string
	for _, ch := range p.came {
		if ch.Connected() < routed {
			continue
		}
		who, err := ch.Client()
		if err != nil {
			return err
		}
		if who.UID != a.sender && p.concerns(&who, a) {
			late = append(late, who.UID)
		}
	}
	return p.sendTo(c, a, late)
}

// concerns says whether a client is near enough to be told. One whose place is not
// known is: better one alert too many.
func (p *plugin) concerns(who *sdk.Client, a *alert) bool {
	return p.radius <= 0 || !who.Located || distance(who.Lat, who.Lon, a.lat, a.lon) <= p.radius
}

// hold is how long a repeated alert is good for its receivers: past the next one.
func (p *plugin) hold() time.Duration { return max(2*p.repeat+10*time.Second, time.Minute) }

// named is how many clients one audience names; the host takes a thousand.
const named = 900

// sendTo sends an active alert again to certain clients.
func (p *plugin) sendTo(c *sdk.Call, a *alert, uids []string) error {
	for some := range slices.Chunk(uids, named) {
		if err := p.send(c, a, sdk.Within(a.set, sdk.ToUIDs(some...))); err != nil {
			return err
		}
	}
	return nil
}

// send sends an active alert again, with new times. Repetitions are not archived:
// the alert is.
func (p *plugin) send(c *sdk.Call, a *alert, to sdk.Audience) error {
	d, ok, err := c.Collection("events").Find(a.uid)
	if err != nil {
		return err
	}
	xml := ""
	if ok {
		var h cot.Header
		if xml = string(d.Body); cot.Scan(xml, &h) == nil {
			xml = cot.Restamp(xml, &h, c.Now(), p.hold())
		}
	} else if xml, err = a.event(c, p.hold()); err != nil {
		return err
	}
	p.sent = c.Now()
	return c.EmitAll(sdk.Emission{XML: xml, Audience: to, Fleeting: true})
}

// cancelStale is how long the notice of a cancelled alert is good.
const cancelStale = time.Minute

// end writes that an alert is over.
func (a *alert) end(c *sdk.Call) (string, error) {
	return c.NewEvent(a.uid, typeCancel, "h-e", cancelStale).Point(a.lat, a.lon, a.hae, sdk.Unknown, sdk.Unknown).
		Start("detail").Start("emergency").Attr("cancel", "true").Text(a.callsign).End().String()
}

// event writes an alert as an event of ours.
func (a *alert) event(c *sdk.Call, hold time.Duration) (string, error) {
	b := c.NewEvent(a.uid, a.typ, "h-e", hold).Point(a.lat, a.lon, a.hae, sdk.Unknown, sdk.Unknown).
		Start("detail").
		Start("contact").Attr("callsign", a.callsign).End().
		Start("emergency").Attr("type", a.kind).Text(a.callsign).End()
	if a.sender != "" {
		b.Start("link").Attr("uid", a.sender).Attr("relation", "p-p").End()
	}
	b.Start("remarks").Text(a.remarks).End()
	return b.String()
}

// distance between two places in metres, on a sphere: good to half a per cent.
func distance(lat1, lon1, lat2, lon2 float64) float64 {
	const radius, degree = 6_371_008.8, math.Pi / 180
	dlat, dlon := (lat2-lat1)*degree, (lon2-lon1)*degree
	s, t := math.Sin(dlat/2), math.Sin(dlon/2)
	h := s*s + math.Cos(lat1*degree)*math.Cos(lat2*degree)*t*t
	return 2 * radius * math.Asin(math.Min(1, math.Sqrt(h)))
}
