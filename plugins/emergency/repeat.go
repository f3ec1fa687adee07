package main

import (
	"math"
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

// wind starts the timer with the first alert.
func (p *plugin) wind(c *sdk.Call) error {
	n, err := c.Collection("alerts").By("by-started").Count()
	if err != nil || n != 1 || p.period() == 0 {
		return err
	}
	return p.set(c)
}

// set starts the timer. Its data says for which period, so that a changed config
// shows.
func (p *plugin) set(c *sdk.Call) error {
	every := p.period()
	return c.SetTimer(timerName, c.Now().Add(every), every, []byte(every.String()))
}

// tick sends the active alerts again and ends those that are too old.
func (p *plugin) tick(c *sdk.Call, t *sdk.Timer) error {
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
		to := sdk.ToSet(a.set)
		if p.radius > 0 {
			var near []string
			for i := range clients {
				if p.concerns(&clients[i], a) {
					near = append(near, clients[i].UID)
				}
			}
			if len(near) == 0 {
				return nil
			}
			to = sdk.Within(a.set, sdk.ToUIDs(near...))
		}
		if a.sender != "" {
			to = sdk.Except(to, a.sender)
		}
		return p.send(c, a, to)
	})
	if err != nil {
		return err
	}
	if left == 0 || p.period() == 0 {
		return c.CancelTimer(timerName)
	}
	if string(t.Data) != p.period().String() {
		return p.set(c)
	}
	return nil
}

// client tells somebody who came what is going on.
func (p *plugin) client(c *sdk.Call, change *sdk.ClientChange) error {
	if change.Kind != sdk.ClientConnected || change.Client == nil {
		return nil
	}
	who := change.Client
	return active(c, func(a *alert) error {
		if a.sender == who.UID || !p.concerns(who, a) {
			return nil
		}
		return p.send(c, a, sdk.Within(a.set, sdk.ToUIDs(who.UID)))
	})
}

// concerns says whether a client is near enough to be told. One whose place is not
// known is: better one alert too many.
func (p *plugin) concerns(who *sdk.Client, a *alert) bool {
	return p.radius <= 0 || !who.Located || distance(who.Lat, who.Lon, a.lat, a.lon) <= p.radius
}

// hold is how long a repeated alert is good for its receivers: past the next one.
func (p *plugin) hold() time.Duration { return max(2*p.repeat+10*time.Second, time.Minute) }

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
	return c.EmitAll(sdk.Emission{XML: xml, Audience: to, Fleeting: true})
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
