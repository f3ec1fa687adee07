package web

import (
	"time"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// Event is one CoT event in JSON: archived or live, the same form.
type Event struct {
	ID       hostapi.ID `json:"id" doc:"Rises with the order of arrival"`
	Recv     time.Time  `json:"recv" doc:"When the server received it"`
	Origin   string     `json:"origin" enum:"client,server,plugin,http,federate,peer"`
	Hops     uint8      `json:"hops,omitempty" doc:"Plugins and federates that it passed"`
	Via      string     `json:"via,omitempty" doc:"Plugin that emitted it"`
	Conn     uint64     `json:"conn,omitempty" doc:"Number of the connection it came by"`
	User     string     `json:"user,omitempty"`
	Client   string     `json:"client,omitempty" doc:"UID of the client that sent it"`
	Type     string     `json:"type"`
	How      string     `json:"how"`
	UID      string     `json:"uid"`
	Time     *time.Time `json:"time,omitempty"`
	Start    *time.Time `json:"start,omitempty"`
	Stale    *time.Time `json:"stale,omitempty"`
	Lat      *float64   `json:"lat,omitempty" doc:"Degrees WGS-84; absent, as the four after it, when the event has no point"`
	Lon      *float64   `json:"lon,omitempty" doc:"Degrees WGS-84"`
	Hae      *float64   `json:"hae,omitempty" doc:"Metres above the ellipsoid; 9999999 is unknown"`
	CE       *float64   `json:"ce,omitempty" doc:"Circular error in metres; 9999999 is unknown"`
	LE       *float64   `json:"le,omitempty" doc:"Linear error in metres; 9999999 is unknown"`
	Callsign string     `json:"callsign,omitempty"`
	Team     string     `json:"team,omitempty"`
	Role     string     `json:"role,omitempty"`
	XML      string     `json:"xml" doc:"The event as its sender wrote it"`
}

// EventOf gives the form of an event that was just routed.
func EventOf(e *hostapi.Event) Event {
	out := Event{
		ID: e.ID, Recv: time.UnixMicro(e.Recv).UTC(), Origin: e.Origin.String(), Hops: e.Hops, Via: e.Via,
		Conn: e.Conn, User: e.User, Client: e.Client,
		Type: e.Type, How: e.How, UID: e.UID,
		Time: stamp(e.Time), Start: stamp(e.Start), Stale: stamp(e.Stale),
		Callsign: e.Callsign, Team: e.Team, Role: e.Role, XML: e.XML,
	}
	if e.Flags.Has(cot.HasPoint) {
		out.Lat, out.Lon, out.Hae, out.CE, out.LE = &e.Lat, &e.Lon, &e.Hae, &e.CE, &e.LE
	}
	return out
}

// storedEvent gives the form of an archived event.
func storedEvent(s *store.Stored) Event {
	out := Event{
		ID: s.ID, Recv: s.Recv.Time(), Origin: s.Origin, Hops: s.Hops, Via: s.Via,
		Conn: s.Conn, User: s.User, Client: s.Client,
		Type: s.Type, How: s.How, UID: s.UID,
		Time: stamp(int64(s.Time)), Start: stamp(int64(s.Start)), Stale: stamp(int64(s.Stale)),
		Callsign: s.Callsign, Team: s.Team, Role: s.Role, XML: s.XML,
	}
	if s.HasPoint {
		out.Lat, out.Lon, out.Hae, out.CE, out.LE = &s.Lat, &s.Lon, &s.Hae, &s.CE, &s.LE
	}
	return out
}

// The first and the last µs of the years that RFC 3339 can write. A time zone
// may carry a sender's time beyond them.
const (
	firstTime = -62167219200 * 1e6
	lastTime  = 253402300800*1e6 - 1
)

// stamp turns µs since 1970 into a time; 0 is none.
func stamp(usec int64) *time.Time {
	if usec == 0 {
		return nil
	}
	t := time.UnixMicro(min(max(usec, firstTime), lastTime)).UTC()
	return &t
}
