package marti

import (
	"context"
	"io"
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

	// Kept gives an event that clients are told to fetch, as long as it is kept for
	// that. Whether the caller may have it is for the operation to say.
	Kept(id hostapi.ID) (Kept, bool)

	// Archived gives one event of a uid by its id out of the archive, if its set of
	// groups is one of these; nil is all of them. It is kept from then on.
	Archived(ctx context.Context, uid string, id hostapi.ID, sets []hostapi.SetID) (Kept, bool, error)

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

	// BaseURL is where clients reach an HTTP listener, without a slash at its end; ""
	// when it is closed.
	BaseURL(listener string) string

	// Emit sends an event of the server to the clients with these uids, as far as
	// they see one of the groups; 0 is no bound.
	Emit(xml string, groups hostapi.SetID, uids []string) error
}

// Client is one connection of a CoT client.
type Client struct {
	web.Client
	In, Out   hostapi.SetID
	Serial    string // of its certificate; empty without one
	Incognito bool
}

// Kept is an event with the answer by which it is fetched.
type Kept struct {
	UID    string
	Groups hostapi.SetID
	Key    string      // whoever knows it may have the event, whatever the groups; empty: nobody
	Body   io.WriterTo // the declaration and the event without <marti>
	Len    int64       // bytes of Body
}

// Groups knows sets of groups; *route.Groups does.
type Groups interface {
	Members(hostapi.SetID) []hostapi.GroupID
	Intersects(a, b hostapi.SetID) bool
	With(hostapi.GroupID) []hostapi.SetID
	Intern(...hostapi.GroupID) (hostapi.SetID, error)
}

// Profiles gives the device profiles (6). Errors carry codes of package store.
type Profiles interface {
	// Profiles gives all, by name. What is in them is not changed.
	Profiles(ctx context.Context) ([]onboard.Profile, error)

	// Profile gives one; case does not count.
	Profile(name string) (onboard.Profile, error)

	// Open opens the content of a file or package, which the caller closes.
	Open(ctx context.Context, hash string) (io.ReadSeekCloser, error)

	// Offered says whether a package of a profile was offered and still holds.
	Offered(name, hash string) bool
}

// ProfileKeeper changes them.
type ProfileKeeper interface {
	Add(ctx context.Context, by identity.Actor, v onboard.Profile) error
	Set(ctx context.Context, by identity.Actor, name string, do func(*onboard.Profile) error) error
	Remove(ctx context.Context, by identity.Actor, name string) error

	// PutFile reads a file of at most MaxFile bytes, if the profile may have it.
	PutFile(ctx context.Context, by identity.Actor, name, file string, size int64, from io.Reader) (onboard.File, error)
	MaxFile() int64
	RemoveFile(ctx context.Context, by identity.Actor, name, file string) error

	// Offer makes the package of a profile as it is now and keeps it for a while. to
	// is for the audit.
	Offer(ctx context.Context, by identity.Actor, name string, to []string) (onboard.Offer, error)
}

// Deps is what Register works with. Those that may be left out say so.
type Deps struct {
	Core     Core
	Identity *identity.Service
	PKI      *pki.PKI
	Groups   Groups
	Profiles Profiles      // nil: there are none
	Keeper   ProfileKeeper // nil: they cannot be changed here
	Roster   *Roster       // nil: who left is forgotten

	Version    string // of the program
	NodeID     string // the same for ever: clients tell servers apart by it
	UploadSize int    // MiB of the largest file; 0 is 400, as the official server has it

	Now func() time.Time // nil: time.Now
	Log *slog.Logger
}
