package fts

import (
	"context"
	"log/slog"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/openapi"
)

// Deps are what the operations work with. The zero Deps will do for the
// description.
type Deps struct {
	Identity *identity.Service
	Packages Packages // nil: users cannot be made with certificates

	// Clients lists all connections; web.Core has it.
	Clients func(context.Context) []web.Client

	// Listeners lists the sockets of the server, also those that are closed.
	Listeners func(context.Context) []web.Listener

	// Notices tells what a caller may know of errors and emergencies. Nil: nobody
	// is told anything.
	Notices func(context.Context, *wire.Caller) Notices

	// DataPackage gives the address under which phones get the data package with
	// that SHA-256. An error with the code not_found says that there is none for the
	// caller of ctx, or none at all, and unavailable that nobody knows at the moment.
	// Nil: the server keeps no data packages.
	DataPackage func(ctx context.Context, hash string) (string, error)

	Log *slog.Logger
}

// Packages makes packages for clients and keeps them. Called from many
// goroutines at once.
type Packages interface {
	// Keep makes a package with a certificate for a user, for a device that is
	// mobile or wintak, and keeps it under the name that it gives. The certificate
	// is recorded, so that removing the user revokes it.
	Keep(ctx context.Context, by identity.Actor, user, device string) (name string, err error)

	// Remove removes a package; it may be gone already.
	Remove(name string) error
}

// Notices are what /ManageNotification/getNotification tells.
type Notices struct {
	LogErrors   []string // messages of errors in the log, newest first
	Emergencies []string // callsign and kind of each active emergency
}

// Register adds all operations to the description called rest.
func Register(api huma.API, d Deps) {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	openapi.Tag(api, tag, "What clients of FreeTAKServer's REST API ask for, in its formats.")
	r := registrar{api, d}
	r.open()
	r.bases()
	r.state()
	r.systemUsers()
	r.apiUsers()
	r.authenticate()
}
