package pki

import (
	"crypto"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options say where the files lie and what is made.
type Options struct {
	Dir string

	// Organization and Unit are the O and OU of clients' certificates, which
	// GET /Marti/api/tls/config announces. Empty: TAK.
	Organization, Unit string

	CALife     time.Duration // of an authority made here; 0: 10 years
	ServerLife time.Duration // of the server's certificate; 0: 365 days
	ClientLife time.Duration // of clients' certificates; 0: 365 days

	// Names gives the names and addresses under which clients reach the server;
	// the first becomes the CN. It is asked again and again: when the answer
	// changes, the server's certificate is made anew. It must not call the PKI.
	Names func() []string

	KeyBits int // of RSA keys made here; 0: 2048, which the oldest clients take

	// Server is a certificate that the operator keeps up to date himself; nil:
	// the own authority issues one. The files are read again when they change.
	Server *ServerFiles

	// ClientCAs is a PEM file of foreign authorities whose clients are taken
	// too, read again when it changes. Empty: none.
	ClientCAs string

	Now     func() time.Time      // nil: time.Now
	Log     *slog.Logger          // nil: nothing is logged
	Metrics prometheus.Registerer // nil: nothing is registered

	test testOptions
}

// ServerFiles are PEM files: the server's certificate with its chain behind it,
// and its key. The authorities of the chain become part of the trust stores that
// phones get. They need the root too: it is taken from the file, or from this
// machine's public ones.
type ServerFiles struct{ Cert, Key string }

// testOptions are what the tests of this package turn.
type testOptions struct {
	newKey func() (crypto.Signer, error) // instead of an RSA key
	step   func(name string)             // called between the steps of a change of files
}

func (o *Options) defaults() {
	life := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	life(&o.CALife, 3652*day)
	life(&o.ServerLife, 365*day)
	life(&o.ClientLife, 365*day)
	if o.KeyBits == 0 {
		o.KeyBits = 2048
	}
	if o.Organization == "" {
		o.Organization = "TAK"
	}
	if o.Unit == "" {
		o.Unit = "TAK"
	}
	if o.Names == nil {
		o.Names = func() []string { return nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.test.step == nil {
		o.test.step = func(string) {}
	}
}
