package takclient

import (
	"crypto/rand"
	"crypto/tls"
	"time"
)

// DefaultWait bounds every wait that is not given its own limit, connecting
// and sending included. It is long because it is only ever spent by a test
// that fails.
const DefaultWait = 10 * time.Second

// Option changes how a client is or connects.
type Option func(*options)

type options struct {
	tls        *tls.Config
	uid        string
	callsign   string
	team, role string
	prolog     bool
	proto      bool
	raw        bool
	noLog      bool
	faultsOK   bool
	readBuffer int
	watch      func(*Received)
	login      []byte
	protoNow   bool
}

func newOptions(opts []Option) options {
	o := options{team: "Cyan", role: "Team Member"}
	for _, set := range opts {
		set(&o)
	}
	if o.uid == "" {
		o.uid = "TEST-" + rand.Text()[:12]
	}
	if o.callsign == "" {
		o.callsign = o.uid
	}
	return o
}

// WithTLS speaks TLS. Without a ServerName in cfg the dialled host is used.
func WithTLS(cfg *tls.Config) Option { return func(o *options) { o.tls = cfg } }

// WithUID sets the client uid; the default is a random one.
func WithUID(uid string) Option { return func(o *options) { o.uid = uid } }

// WithCallsign sets the callsign; the default is the uid.
func WithCallsign(callsign string) Option { return func(o *options) { o.callsign = callsign } }

// WithTeam sets team colour and role of the client's own SA. The default is
// Cyan, Team Member.
func WithTeam(team, role string) Option {
	return func(o *options) { o.team, o.role = team, role }
}

// WithProlog puts an XML declaration before each event, as ATAK does.
func WithProlog() Option { return func(o *options) { o.prolog = true } }

// WithProto negotiates TAK protocol version 1 before the client is handed out;
// it fails when the server does not offer or grant it. See Client.Negotiate.
func WithProto() Option { return func(o *options) { o.proto = true } }

// WithRaw keeps what arrives as bytes (Client.Bytes, Client.ExpectBytes) and
// looks for no events in it.
func WithRaw() Option { return func(o *options) { o.raw = true } }

// WithoutLog keeps counts only, for thousands of clients in one process or for
// long runs. Expectations on events fail at once then; counts work.
func WithoutLog() Option { return func(o *options) { o.noLog = true } }

// WithFaults lets the test pass although the server breaks the protocol; the
// test looks at Client.Faults itself.
func WithFaults() Option { return func(o *options) { o.faultsOK = true } }

// WithReadBuffer asks the system for a receive buffer of about that many
// bytes, so that a client that stops reading is felt by the server soon.
func WithReadBuffer(bytes int) Option { return func(o *options) { o.readBuffer = bytes } }

// WithWatch calls f for each event that arrives, also without a log. It runs
// in the reading goroutine: while it runs the client reads nothing.
func WithWatch(f func(*Received)) Option { return func(o *options) { o.watch = f } }

// WithLogin begins the connection with an <auth> message
// (spec/tak-streaming.md 8).
func WithLogin(user, password string) Option {
	return func(o *options) { o.login = loginMessage(user, password) }
}
