package route

import (
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// Info describes one session, for lists.
type Info struct {
	Who
	Since     time.Time
	Published uint64 // events that it sent
	Delivered uint64 // events that it was given

	// Of its client, as far as one is known.
	UID, Callsign string
	Latest        *Position
	Stats         map[string]string // what it told of itself by t-x-c-m
	Incognito     bool
}

// Position is the latest presence report of a client.
type Position struct {
	Type, Team, Role          string
	Device, Platform, Version string // of takv
	Lat, Lon                  float64
	At                        time.Time // when it came
}

// Sessions lists who receives, in no particular order.
func (r *Router) Sessions() []Info {
	r.mu.RLock()
	defer r.mu.RUnlock()
	infos := make([]Info, 0, len(r.sessions))
	for _, s := range r.sessions {
		i := Info{
			Who: s.who, Since: s.since,
			Published: s.published.Load(), Delivered: s.delivered.Load(), Incognito: s.incognito.Load(),
		}
		if stats := s.stats.Load(); stats != nil {
			i.Stats = *stats
		}
		if c := s.client; c != nil {
			i.UID, i.Callsign, i.Latest = c.uid, c.callsign, c.position()
		}
		infos = append(infos, i)
	}
	return infos
}

func (c *client) position() *Position {
	e := c.latest.Load()
	if e == nil {
		return nil
	}
	p := positionOf(e)
	return &p
}

func positionOf(e *hostapi.Event) Position {
	p := Position{Type: e.Type, Team: e.Team, Role: e.Role, Lat: e.Lat, Lon: e.Lon, At: time.UnixMicro(e.Recv)}
	if tree, err := cot.ParseDetail(e.XML, &e.Header); err == nil {
		if n, ok := tree.Root().Child("takv"); ok {
			p.Device, _ = n.Attr("device")
			p.Platform, _ = n.Attr("platform")
			p.Version, _ = n.Attr("version")
		}
	}
	return p
}

// Totals are counts since the start.
type Totals struct {
	Published, Delivered uint64
	Clients              int // that reported a position
}

// Totals gives the router's counts.
func (r *Router) Totals() Totals {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return Totals{Published: r.met.published.Load(), Delivered: r.met.delivered.Load(), Clients: len(r.clients)}
}
