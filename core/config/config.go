package config

import (
	"slices"
	"time"
)

// DefaultFile is read from the working directory when no file is named.
const DefaultFile = "takhost.yaml"

// MaxNode is the highest node number: an event id has 10 bits for it.
const MaxNode = 1<<10 - 1

// Config is everything that this version acts on. The yaml tags give the keys,
// the doc tags the comments of the sample file.
type Config struct {
	Data     string   `yaml:"data" doc:"Folder for databases and the admin socket. A relative path counts from the working directory."`
	Node     int      `yaml:"node" doc:"Number of this server, 0 to 1023, part of every event id. Servers that share a database need different ones."`
	Exposure Exposure `yaml:"exposure" doc:"Who may reach the server: local (plain listeners on this machine only), lan (plain listeners on all addresses) or internet (only TLS listeners). A listener that is set by hand keeps its address."`
	Database Database `yaml:"database" doc:"sqlite (files in the data folder) or postgres://user:password@host/database."`
	Log      Log      `yaml:"log"`
	Listen   Listen   `yaml:"listen" doc:"Addresses as host:port. An empty string switches a listener off, port 0 takes a free port."`
	TLS      TLS      `yaml:"tls" doc:"Certificates as PEM files. Without them listen.tls stays closed."`
	REST     REST     `yaml:"rest"`
	Archive  Archive  `yaml:"archive" doc:"Which events are kept, and for how long. The oldest go first."`
	Limits   Limits   `yaml:"limits" doc:"Limits against broken and hostile clients, and the sizes of queues. The defaults suit thousands of clients."`
}

// Log says what is logged and in which form.
type Log struct {
	Level  string `yaml:"level" doc:"debug, info, warn or error."`
	Format string `yaml:"format" doc:"text or json."`
}

// Listen has one address for each listener; an empty one is off.
type Listen struct {
	TCP  string `yaml:"tcp" doc:"CoT over plain TCP: no encryption, no login."`
	TLS  string `yaml:"tls" doc:"CoT over TLS with client certificates."`
	REST string `yaml:"rest" doc:"HTTP: the REST API and its description at /docs, the routes of plugins, live updates, /metrics, /healthz and /readyz. The API asks for the token in the file rest.token of the data folder."`
}

// TLS names the operator's own PEM files. All three are set, or none.
type TLS struct {
	Cert     string `yaml:"cert" doc:"Certificate of the server, followed by those between it and the root."`
	Key      string `yaml:"key" doc:"Private key of the server."`
	ClientCA string `yaml:"client_ca" doc:"Authorities whose client certificates are let in."`
}

// Enabled reports whether there are certificates to serve TLS with.
func (t TLS) Enabled() bool { return t.Cert != "" }

// REST says how listen.rest behaves.
type REST struct {
	Insecure bool `yaml:"insecure" doc:"true serves plain HTTP also on addresses that other machines reach. The token can be read on the way then."`
}

// Archive says which events are stored and when they go. Zero Keep keeps them
// for ever, zero Max has no cap on their size.
type Archive struct {
	Types []string `yaml:"types" doc:"CoT types to keep, such as a-f-* or b-t-f. [\"*\"] keeps all, [] none."`
	Keep  Duration `yaml:"keep" doc:"Age at which events are deleted, such as 30d or 12h. 0 keeps them for ever."`
	Max   Bytes    `yaml:"max" doc:"Size at which the oldest events are deleted, such as 10GB. 0 is no limit."`
}

// Limits bound what clients can use up. Zero SenderRate is no limit, zero
// Gather writes at once.
type Limits struct {
	Event                 Bytes    `yaml:"event" doc:"Largest event that is accepted."`
	QueueEvents           int      `yaml:"queue_events" doc:"Events that may wait for one slow receiver."`
	QueueBytes            Bytes    `yaml:"queue_bytes" doc:"Bytes that may wait for one slow receiver."`
	Connections           int      `yaml:"connections" doc:"Client connections in total."`
	ConnectionsPerAddress int      `yaml:"connections_per_address" doc:"Client connections from one address. Many phones share one."`
	Unfinished            Bytes    `yaml:"unfinished" doc:"Memory for events of which only a part has come, for all connections together."`
	UnfinishedWait        Duration `yaml:"unfinished_wait" doc:"Time in which the rest of an event must come."`
	Handshake             Duration `yaml:"handshake" doc:"Time for a TLS handshake or the header of an HTTP request."`
	Gather                Duration `yaml:"gather" doc:"Longest wait of positions under load, so that one write carries many; other events wait a third of it. 0 writes at once."`
	Stall                 Duration `yaml:"stall" doc:"A receiver that takes nothing for this long is closed."`
	SenderRate            int      `yaml:"sender_rate" doc:"Events a second that one connection may send. 0 is no limit."`
	ArchiveQueueEvents    int      `yaml:"archive_queue_events" doc:"Events that may wait for the database; what comes on top is routed but not archived."`
	ArchiveQueueBytes     Bytes    `yaml:"archive_queue_bytes" doc:"Bytes that may wait for the database."`
	Shutdown              Duration `yaml:"shutdown" doc:"Time for an orderly stop."`
}

// Default gives the configuration of a server without file, environment and
// flags. Every call gives a fresh one.
func Default() Config {
	return Config{
		Data:     "takhost-data",
		Exposure: ExposureLocal,
		Database: SQLite,
		Log:      Log{Level: "info", Format: "text"},
		Listen:   Listen{TCP: "127.0.0.1:8087", TLS: "0.0.0.0:8089", REST: "127.0.0.1:19023"},
		Archive:  Archive{Types: []string{"*"}, Keep: Duration(30 * 24 * time.Hour), Max: 10 * GB},
		Limits: Limits{
			Event:                 8 * MiB,
			QueueEvents:           16_384,
			QueueBytes:            16 * MiB,
			Connections:           20_000,
			ConnectionsPerAddress: 10_000,
			Unfinished:            256 * MiB,
			UnfinishedWait:        Duration(30 * time.Second),
			Handshake:             Duration(10 * time.Second),
			Gather:                Duration(11 * time.Millisecond),
			Stall:                 Duration(60 * time.Second),
			SenderRate:            20_000,
			ArchiveQueueEvents:    65_536,
			ArchiveQueueBytes:     64 * MiB,
			Shutdown:              Duration(10 * time.Second),
		},
	}
}

// Clone gives a copy that shares nothing with c.
func (c Config) Clone() Config {
	c.Archive.Types = slices.Clone(c.Archive.Types)
	return c
}

// RESTOverTLS reports whether listen.rest serves HTTPS: on an address that
// other machines reach it does, unless rest.insecure asks for plain HTTP.
func (c *Config) RESTOverTLS() bool {
	return c.Listen.REST != "" && !isLoopback(c.Listen.REST) && !c.REST.Insecure
}
