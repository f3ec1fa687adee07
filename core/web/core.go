package web

import (
	"context"
	"net"
	"time"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Core is what the web side asks of the server. All methods are called from
// many goroutines at once. Errors that carry a code of package store are
// answered with the HTTP status of that code; any other is an internal one.
type Core interface {
	// Status tells how the server is doing.
	Status(ctx context.Context) (Status, error)

	// Clients lists all connections by rising number.
	Clients(ctx context.Context) []Client

	// Query looks into the archive.
	Query(ctx context.Context, q store.Query) (store.Page, error)

	// Sets gives the ids of all sets of groups that hold the named group, to
	// query by. An unknown name is an error with the code not_found.
	Sets(ctx context.Context, group string) ([]hostapi.SetID, error)

	// Stream runs a CoT stream over nc as a feed client, whose events are other
	// people's, and returns when the stream has ended and nc is closed. All that
	// came before the end of the input has been routed by then. It must end by
	// itself when the server stops.
	Stream(nc net.Conn)

	// StreamAs runs a stream of TAK protocol 1 over nc for a client that has logged
	// in by HTTP, and returns when the stream has ended and nc is closed. addr and
	// listener are where it came from. It must end by itself when the server stops.
	StreamAs(nc net.Conn, caller *wire.Caller, addr, listener string)

	// Ready gives nil while clients are served: all listeners are open and the
	// databases are migrated. Otherwise the error says what is missing. An
	// archive that is away is no reason, as routing goes on without it.
	Ready(ctx context.Context) error
}

// Status tells how the server is doing.
type Status struct {
	Version     string        `json:"version" doc:"Version of the program"`
	PID         int           `json:"pid" doc:"Process id"`
	Node        int           `json:"node" doc:"Number of this server, part of every event id"`
	Started     time.Time     `json:"started"`
	Uptime      int64         `json:"uptime" doc:"Seconds since the start"`
	Listeners   []Listener    `json:"listeners" nullable:"false"`
	Connections int           `json:"connections" doc:"Open connections of CoT clients"`
	Clients     int           `json:"clients" doc:"Clients that reported a position"`
	Events      EventCounts   `json:"events"`
	Archive     ArchiveStatus `json:"archive"`
	Data        string        `json:"data" doc:"Data folder"`
	Database    string        `json:"database" doc:"sqlite, or the PostgreSQL URL without its password"`
	Memory      Memory        `json:"memory"`
}

// Listener is one of the configured listeners.
type Listener struct {
	Name  string `json:"name" doc:"Key of the configuration: tcp, tls, http, https, web or rest"`
	Addr  string `json:"addr" doc:"Address with the real port; empty when closed"`
	TLS   bool   `json:"tls"`
	State string `json:"state" doc:"open, off, or why it is closed"`
}

// EventCounts are totals since the start.
type EventCounts struct {
	Received  uint64 `json:"received" doc:"Events that clients sent"`
	Delivered uint64 `json:"delivered" doc:"Deliveries to receivers: one event to ten receivers counts ten"`
	Malformed uint64 `json:"malformed" doc:"Events dropped because they could not be read"`
}

// ArchiveStatus tells about the event archive.
type ArchiveStatus struct {
	State   string     `json:"state" doc:"ok, off, or what keeps events from being archived"`
	Events  int64      `json:"events" doc:"Events stored"`
	Bytes   int64      `json:"bytes" doc:"Size of the stored events"`
	Oldest  *time.Time `json:"oldest,omitempty" doc:"When the oldest stored event was received"`
	Queued  int        `json:"queued" doc:"Events that wait to be stored"`
	Dropped uint64     `json:"dropped" doc:"Events lost for the archive since the start, because too many waited"`
}

// Memory is in bytes.
type Memory struct {
	Heap  uint64 `json:"heap" doc:"Bytes of live and not yet collected objects"`
	Total uint64 `json:"total" doc:"Bytes that the program has from the operating system"`
}

// Client is one connection of a CoT client, with what is known of the client.
// The fields from UID on are empty until it reports its position.
type Client struct {
	Conn       uint64            `json:"conn" doc:"Number of the connection"`
	Addr       string            `json:"addr"`
	Listener   string            `json:"listener" doc:"Where it came in: tcp, tls, https, web or admin"`
	User       string            `json:"user,omitempty"`
	Since      time.Time         `json:"since"`
	Protocol   string            `json:"protocol" enum:"xml,tak1" doc:"What the server sends it: XML or TAK protocol 1"`
	BytesIn    uint64            `json:"bytes_in"`
	BytesOut   uint64            `json:"bytes_out"`
	EventsIn   uint64            `json:"events_in"`
	EventsOut  uint64            `json:"events_out"`
	Queued     int               `json:"queued" doc:"Events that wait for it"`
	Superseded uint64            `json:"superseded" doc:"Positions left out because it was behind"`
	UID        string            `json:"uid,omitempty"`
	Callsign   string            `json:"callsign,omitempty"`
	Team       string            `json:"team,omitempty" doc:"Team colour"`
	Role       string            `json:"role,omitempty"`
	Type       string            `json:"type,omitempty" doc:"CoT type of its latest position"`
	Device     string            `json:"device,omitempty"`
	Platform   string            `json:"platform,omitempty" doc:"Program, such as ATAK-CIV"`
	Version    string            `json:"version,omitempty" doc:"Version of that program"`
	Lat        *float64          `json:"lat,omitempty" doc:"Degrees WGS-84"`
	Lon        *float64          `json:"lon,omitempty" doc:"Degrees WGS-84"`
	LastSeen   *time.Time        `json:"last_seen,omitempty" doc:"When its latest position came"`
	Stats      map[string]string `json:"stats,omitempty" doc:"What it tells of itself, such as battery"`
}
