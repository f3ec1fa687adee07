package admin

import (
	"context"
	"log/slog"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/pki"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/openapi"
)

// Deps are what the operations work with. The zero Deps will do for the
// description.
type Deps struct {
	Identity *identity.Service
	PKI      *pki.PKI
	Profiles *Profiles
	Packages *Packages

	// Listeners are the sockets of the server.
	Listeners Listeners

	// Public tells under which names and ports clients reach the server.
	Public func() Public

	// Reach is what goes into links and packages. While all that is known of the
	// server is loopback there is an error that lists what to choose from: a phone
	// that is given such an address calls itself.
	Reach func() (onboard.Reach, error)

	// WebTrusted says whether the certificate of listen.web is publicly trusted,
	// which sheets mention. Nil: it is not.
	WebTrusted func() bool

	// Reset makes the link by which an administrator gets in again. Nil: there is
	// none.
	Reset Resetter

	Log *slog.Logger
	Now func() time.Time // nil: time.Now
}

// Listeners open and close the sockets of the server at runtime. Methods are
// called from many goroutines at once and return when the change is in force.
// Errors carry codes of package store: not_found for a name that is none,
// invalid for an address that is none, conflict for one that is taken.
type Listeners interface {
	// List gives all listeners, also those that are closed.
	List(ctx context.Context) []web.Listener

	// Move opens a listener at another address before it closes the old one.
	// Connections there are stay. An empty address closes it for good. The
	// listener that the request itself came by is closed gracefully.
	Move(ctx context.Context, name, addr string) error

	// Start opens a listener where it was last, or where the configuration has it.
	Start(ctx context.Context, name string) error

	// Stop closes it; connections there are stay.
	Stop(ctx context.Context, name string) error
}

// Public tells under which names and ports clients reach the server.
type Public struct {
	Names      []string       `json:"names" nullable:"false" doc:"What the configuration has as public, the foremost first"`
	Ports      map[string]int `json:"ports" nullable:"false" doc:"Port under which each open listener is reached, by listener"`
	Candidates []string       `json:"candidates" nullable:"false" doc:"Names and addresses that this machine seems to have; a choice for public"`
}

func (d *Deps) now() time.Time {
	if d.Now == nil {
		return time.Now()
	}
	return d.Now()
}

// Register adds all operations to the description called rest.
func Register(api huma.API, d Deps) {
	for _, t := range [][2]string{
		{"session", "Logging in, and the caller's own account."},
		{"users", "Accounts of people and machines."},
		{"groups", "Who sees whom: routing groups, which TAK clients call channels."},
		{"tokens", "What programs log in with."},
		{"enrolment", "Bringing phones on: codes, packages, sheets to print."},
		{"certificates", "The certificate authority and what it has issued."},
		{"profiles", "What clients take and import by themselves."},
		{"audit", "Who did what."},
	} {
		openapi.Tag(api, t[0], t[1])
	}
	r := registrar{api, d}
	r.session()
	r.users()
	r.groups()
	r.tokens()
	r.enrolments()
	r.certificates()
	r.authority()
	r.packages()
	r.profiles()
	r.audit()
	r.listeners()
	r.reset()
}
