package marti

import (
	"context"
	"log/slog"
	"time"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/pki"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/hostapi"
)

// Core is what these operations ask of the server. All methods are called from
// many goroutines at once.
type Core interface {
	// Clients lists all connections of CoT clients by rising number. The list is
	// the caller's to change.
	Clients(ctx context.Context) []Client

	// Query looks into the archive.
	Query(ctx context.Context, q store.Query) (store.Page, error)

	// Latest gives the latest positions of the connected clients with that uid.
	// There may be several: a uid claimed by another user is another client. It
	// answers for what the archive has not yet, or never will.
	Latest(uid string) []*hostapi.Event

	// Disconnect ends a connection and says whether it was there.
	Disconnect(conn uint64, why string) bool

	// SetIncognito hides the client of a connection, or shows it again, and says
	// whether the connection was there.
	SetIncognito(conn uint64, on bool) bool

	// Regroup works the groups of the user's connections out again. An empty
	// device is all of them. clientUID is whom the notice (t-x-g-c) is to name as
	// the one that asked; the latest positions follow it (4).
	Regroup(user, device, clientUID string)

	// Replay sends the latest positions of others to the user's connections.
	Replay(user, device string)

	// Reach says where phones reach the server. The error tells what to configure.
	Reach() (onboard.Reach, error)
}

// Client is one connection of a CoT client.
type Client struct {
	web.Client
	In, Out   hostapi.SetID
	Serial    string // of its certificate; empty without one
	Incognito bool
}

// Groups knows sets of groups; *route.Groups does.
type Groups interface {
	Members(hostapi.SetID) []hostapi.GroupID
	Intersects(a, b hostapi.SetID) bool
	With(hostapi.GroupID) []hostapi.SetID
}

// Profiles gives the device profiles (6).
type Profiles interface {
	Profiles(ctx context.Context) ([]onboard.Profile, error)
}

// Deps is what Register works with. Those that may be left out say so.
type Deps struct {
	Core     Core
	Identity *identity.Service
	PKI      *pki.PKI
	Groups   Groups
	Profiles Profiles // nil: there are none
	Roster   *Roster  // nil: who left is forgotten

	Version    string // of the program
	NodeID     string // the same for ever: clients tell servers apart by it
	UploadSize int    // MiB of the largest file; 0 is 400, as the official server has it

	Now func() time.Time // nil: time.Now
	Log *slog.Logger
}
