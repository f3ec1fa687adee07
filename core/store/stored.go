package store

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/takhost/takhost/hostapi"
)

// Stored is an event out of the archive.
type Stored struct {
	ID       hostapi.ID    `json:"id"`
	Recv     Micros        `json:"recv"` // of the core's clock
	Origin   string        `json:"origin"`
	Hops     uint8         `json:"hops"`
	Via      string        `json:"via,omitempty"` // plugin that emitted it
	Conn     uint64        `json:"conn"`
	User     string        `json:"user"`
	Client   string        `json:"client"` // client uid of the connection
	Groups   hostapi.SetID `json:"groups"`
	Type     string        `json:"type"`
	How      string        `json:"how"`
	UID      string        `json:"uid"`
	Time     Micros        `json:"time,omitzero"` // these three are the sender's
	Start    Micros        `json:"start,omitzero"`
	Stale    Micros        `json:"stale,omitzero"`
	HasPoint bool          `json:"hasPoint"` // otherwise Lat and Lon are 0
	Lat      float64       `json:"lat"`
	Lon      float64       `json:"lon"`
	Hae      float64       `json:"hae"`
	CE       float64       `json:"ce"`
	LE       float64       `json:"le"`
	Callsign string        `json:"callsign"`
	Team     string        `json:"team"`
	Role     string        `json:"role"`
	XML      string        `json:"xml"`
}

// scan reads the columns of eventColumns.
func (s *Stored) scan(rows *sql.Rows) error {
	var origin uint8
	var conn int64
	var lat, lon sql.NullFloat64
	err := rows.Scan(&s.ID, &s.Recv, &origin, &s.Hops, &conn, &s.User, &s.Client, &s.Groups, &s.Type, &s.How, &s.UID,
		&s.Time, &s.Start, &s.Stale, &lat, &lon, &s.Hae, &s.CE, &s.LE, &s.Callsign, &s.Team, &s.Role, &s.XML, &s.Via)
	s.Origin, s.Conn = hostapi.Origin(origin).String(), uint64(conn)
	s.HasPoint, s.Lat, s.Lon = lat.Valid && lon.Valid, lat.Float64, lon.Float64
	return err
}

// Micros is a time in µs since 1970 UTC, as events carry it. Its text is that
// of RFC 3339 with all six digits; zero, an absent time, is empty text.
type Micros int64

const microsLayout = "2006-01-02T15:04:05.000000Z07:00"

// Time gives m as a time in UTC.
func (m Micros) Time() time.Time { return time.UnixMicro(int64(m)).UTC() }

func (m Micros) String() string {
	if m == 0 {
		return ""
	}
	return m.Time().Format(microsLayout)
}

// MarshalText gives what String gives.
func (m Micros) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what MarshalText gives.
func (m *Micros) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*m = 0
		return nil
	}
	t, err := time.Parse(time.RFC3339, string(b))
	if err != nil {
		return fmt.Errorf("time %q: not RFC 3339", b[:min(len(b), 40)])
	}
	*m = Micros(t.UnixMicro())
	return nil
}
