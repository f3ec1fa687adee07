package config

import (
	"slices"
	"time"
)

// DefaultFile is read from the working directory when no file is named.
const DefaultFile = "takhost.yaml"

const year = 365 * 24 * time.Hour

// MaxNode is the highest node number: an event id has 10 bits for it.
const MaxNode = 1<<10 - 1

// Config is everything that this version acts on. The yaml tags give the keys,
// the doc tags the comments of the sample file.
type Config struct {
	Data     string   `yaml:"data" doc:"Folder for databases, certificates and the admin socket. A relative path counts from the working directory."`
	Node     int      `yaml:"node" doc:"Number of this server, 0 to 1023, part of every event id. Servers that share a database need different ones."`
	Exposure Exposure `yaml:"exposure" doc:"Who may reach the server: local (plain listeners on this machine only), lan (plain listeners on all addresses) or internet (only TLS listeners). A listener that is set by hand keeps its address."`
	Database Database `yaml:"database" doc:"sqlite (files in the data folder) or postgres://user:password@host/database."`
	Log      Log      `yaml:"log"`
	Listen   Listen   `yaml:"listen" doc:"Addresses as host:port. An empty string switches a listener off, port 0 takes a free port."`
	Public   []string `yaml:"public" doc:"Names and addresses under which clients reach this server, the first one foremost: tak.example.org for all listeners on their own ports, tls=tak.example.org:18089 for one of them behind another port. They go into certificates, packages and links. Without any, the server offers what it finds."`
	TLS      TLS      `yaml:"tls" doc:"The operator's own certificates for listen.tls, listen.https and HTTPS on listen.rest, as PEM files. Without them the server has its own authority in pki of the data folder."`
	PKI      PKI      `yaml:"pki" doc:"The server's own certificate authority. A ca.pem with its ca.key in the folder pki of the data folder is taken instead of making one."`
	Web      Web      `yaml:"web" doc:"listen.web has a certificate of its own, as iTAK wants a publicly trusted one there."`
	Login    Login    `yaml:"login" doc:"Who may come in, and how."`
	Trusted  []string `yaml:"trusted_proxies" doc:"Addresses of reverse proxies, such as 10.0.0.5 or 10.0.0.0/8, whose word on who their clients are is taken."`
	Proxy    Proxy    `yaml:"proxy" doc:"What the proxies of trusted_proxies send."`
	REST     REST     `yaml:"rest"`
	Audit    Audit    `yaml:"audit" doc:"The record of who changed what and who logged in."`
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
	TCP string `yaml:"tcp" doc:"CoT over plain TCP: no encryption, no login."`
	TLS string `yaml:"tls" doc:"CoT over TLS with client certificates."`

	HTTP  string `yaml:"http" doc:"Marti, the HTTP side of TAK, without encryption: callers are the anonymous user."`
	HTTPS string `yaml:"https" doc:"Marti over TLS with client certificates or access tokens, and the WebSocket /takproto/1."`
	Web   string `yaml:"web" doc:"HTTPS with login: enrolment of phones, the page that helps them, the REST API and its description at /docs."`

	REST string `yaml:"rest" doc:"HTTP: the REST API and its description at /docs, the routes of plugins, live updates, /metrics, /healthz and /readyz. The API asks for a token: that of a user, or the one in the file rest.token of the data folder."`
}

// TLS names the operator's own PEM files. Cert and Key go together; ClientCA
// stands alone.
type TLS struct {
	Cert     string `yaml:"cert" doc:"Certificate of the server, followed by those between it and the root. Empty: one of the server's own authority."`
	Key      string `yaml:"key" doc:"Private key of that certificate."`
	ClientCA string `yaml:"client_ca" doc:"Other authorities whose client certificates are let in, beside the server's own. Who has such a certificate and is no user of the server is in __ANON__."`
}

// Enabled reports whether the operator brings a certificate along.
func (t TLS) Enabled() bool { return t.Cert != "" }

// PKI says how the server's own authority issues.
type PKI struct {
	Organization string   `yaml:"organization" doc:"O of all certificates. Clients copy it at enrolment."`
	Unit         string   `yaml:"unit" doc:"OU of all certificates."`
	CA           Duration `yaml:"ca" doc:"Life of an authority that is made."`
	Server       Duration `yaml:"server" doc:"Life of the server's certificate, which is renewed before it ends."`
	Client       Duration `yaml:"client" doc:"Life of client certificates."`
	KeyBits      int      `yaml:"key_bits" doc:"RSA bits of keys that are made: 2048, 3072 or 4096. Old phones are slow with the longer ones."`
	Password     string   `yaml:"password" doc:"Password of the key stores in packages. TAK clients expect atakatak."`
}

// Where the certificate of listen.web comes from.
const (
	WebOwn   = "own"
	WebFiles = "files"
	WebACME  = "acme"
)

// Web says what listen.web shows for a certificate.
type Web struct {
	Certificate string `yaml:"certificate" doc:"own (of the server's authority), files (web.cert and web.key) or acme (such as Let's Encrypt, for the names in public)."`
	Cert        string `yaml:"cert" doc:"Certificate as a PEM file, followed by those between it and the root. It is read again when it changes."`
	Key         string `yaml:"key" doc:"Private key of that certificate."`
	Email       string `yaml:"acme_email" doc:"Where the ACME authority writes to when something is wrong."`
	Directory   string `yaml:"acme_directory" doc:"Directory URL of the ACME authority. Empty: Let's Encrypt."`
	CA          string `yaml:"acme_ca" doc:"PEM file of the authority that the directory's own certificate comes from, if it is no public one."`
	HTTP        string `yaml:"acme_http" doc:"Address for the http-01 challenge, which must be reached from outside as port 80, such as 0.0.0.0:80. Empty: the challenge goes over listen.web, which must be reached as port 443."`
}

// Login says who may come in.
type Login struct {
	Anonymous bool     `yaml:"anonymous" doc:"false: listen.http asks for credentials like the other listeners, instead of taking everybody for the anonymous user in __ANON__."`
	Streams   []string `yaml:"streams" doc:"Stream listeners (tcp, tls) that ask for user and password in an <auth> message. With tls, who has a client certificate need not send one."`
	Attempts  int      `yaml:"attempts" doc:"Wrong passwords in a row after which a user has to wait at that address."`
	Lock      Duration `yaml:"lock" doc:"How long the user has to wait. It doubles with each further try, up to an hour."`
	Hashes    int      `yaml:"hashes" doc:"Passwords that are checked at the same time; each takes 19 MiB."`
	Session   Duration `yaml:"session" doc:"Life of a login to the web pages and of access tokens."`
}

// Proxy says what the trusted proxies send.
type Proxy struct {
	Protocol    []string `yaml:"protocol" doc:"Listeners (tcp, tls, http, https, web, rest) on which the proxies send a PROXY protocol header, version 1 or 2."`
	Certificate string   `yaml:"certificate" doc:"HTTP header in which the proxies pass on the client certificate that they have asked for, such as X-Client-Cert. Empty: none."`
}

// Audit says how long it is kept. Zero keeps it for ever.
type Audit struct {
	Keep Duration `yaml:"keep" doc:"Age at which entries are deleted. 0 keeps them for ever."`
}

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
	Upload                Bytes    `yaml:"upload" doc:"Largest file that may be uploaded."`
	Files                 Bytes    `yaml:"files" doc:"Bytes that all uploaded files may take together; 0 is no limit but the disk."`
	PluginIdle            Duration `yaml:"plugin_idle" doc:"A plugin that had nothing to do for this long gives its memory back; it is there again in a moment. 0 keeps all in memory."`
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
		Listen: Listen{
			TCP: "127.0.0.1:8087", TLS: "0.0.0.0:8089",
			HTTP: "127.0.0.1:8080", HTTPS: "0.0.0.0:8443", Web: "0.0.0.0:8446", REST: "127.0.0.1:19023",
		},
		Public: []string{}, Trusted: []string{},
		PKI: PKI{
			Organization: "TAK", Unit: "takhost", CA: Duration(10 * year), Server: Duration(year), Client: Duration(year),
			KeyBits: 2048, Password: "atakatak",
		},
		Web:     Web{Certificate: WebOwn},
		Login:   Login{Anonymous: true, Streams: []string{}, Attempts: 5, Lock: Duration(time.Minute), Hashes: 2, Session: Duration(130 * time.Minute)},
		Proxy:   Proxy{Protocol: []string{}},
		Audit:   Audit{Keep: Duration(2 * year)},
		Archive: Archive{Types: []string{"*"}, Keep: Duration(30 * 24 * time.Hour), Max: 10 * GB},
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
			Upload:                400 * MiB,
			PluginIdle:            Duration(10 * time.Minute),
			Shutdown:              Duration(10 * time.Second),
		},
	}
}

// Clone gives a copy that shares nothing with c.
func (c Config) Clone() Config {
	for _, list := range []*[]string{&c.Archive.Types, &c.Public, &c.Trusted, &c.Login.Streams, &c.Proxy.Protocol} {
		*list = slices.Clone(*list)
	}
	return c
}

// RESTOverTLS reports whether listen.rest serves HTTPS: on an address that
// other machines reach it does, unless rest.insecure asks for plain HTTP.
func (c *Config) RESTOverTLS() bool {
	return c.Listen.REST != "" && !isLoopback(c.Listen.REST) && !c.REST.Insecure
}
