package call

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Env is what calls of all plugins work with. Its fields are set before the
// first NewPlugin and not changed any more; those that may be nil say so.
type Env struct {
	Store   *store.Plugins
	Archive Archive // nil: events.query answers Unsupported
	Router  Router
	Groups  Groups
	Live    Live    // nil: live.publish answers Unsupported
	Actions Actions // nil: call answers Unsupported

	Identity Identity // nil: identity.read answers Unsupported
	Blobs    Blobs    // nil: operations on files answer Unsupported

	// All gives the set that the audience "all" means; nil: that of __ANON__.
	All func() hostapi.SetID

	// Timers is told of timers that a commit set or cancelled, before Commit
	// returns and in the order of no other commit: it looks the rows up, or
	// compares what it knows. May be nil.
	Timers func(plugin string, changed []store.Timer)

	Network Network          // of http.client; nil: the system's
	Now     func() time.Time // nil: time.Now; plugins get its monotonic clock, too
	Log     *slog.Logger
	Metrics prometheus.Registerer // nil: plugins' metrics are not exported
	Version string                // of the server, for outgoing requests

	mu       sync.Mutex
	accounts map[string]*account // by the name of the plugin
	metrics  metricTable

	force forced

	zipOnce sync.Once
	zips    chan struct{} // holds one entry for each archive that is being read or made
}

// Archive finds stored events. *store.Archive is one.
type Archive interface {
	Query(ctx context.Context, q store.Query) (store.Page, error)
}

// Router routes events and knows topics and clients. *route.Router is one.
type Router interface {
	Emit(evs []*hostapi.Event, a route.Audience) (receivers int)
	Clients(keep func(in hostapi.SetID) bool) []wire.Client
	Holds(uid string, callsigns, topics []string) bool // the client has one of the callsigns, or is in one of the topics
	SetTopic(t route.Topic)
	DropTopic(id string)
	SetAlias(name string, ids ...string)
}

// Groups is the table of groups and of the sets of them. *route.Groups is one.
type Groups interface {
	Names() map[string]hostapi.GroupID // only to be read
	Named(name string) (hostapi.GroupID, bool)
	Members(set hostapi.SetID) []hostapi.GroupID
	Intersects(a, b hostapi.SetID) bool
	With(group hostapi.GroupID) []hostapi.SetID
	Intern(members ...hostapi.GroupID) (hostapi.SetID, error)
}

// Live sends updates to browsers. Publish must not block for long; what it is
// given is not changed any more.
type Live interface {
	Publish(updates []Update)
}

// Update is one live update.
type Update struct {
	Plugin string // who sends it
	Stream string
	Event  string // name of the event in SSE; empty: the stream's
	Data   []byte // JSON
	Key    string // a newer update of the same stream and key may replace this one; empty: none may

	// To is checked against the grant. Without names everybody gets it who may
	// see one of the groups.
	To route.Audience
}

// Actions runs actions of other plugins.
type Actions interface {
	// Act runs the action of that name of the plugin, in a child of parent that
	// it makes by Call.Child. a has the action's name without the plugin, and
	// the caller to hand on. The child is not committed: an error undoes what it
	// staged, and that is the caller's work. A guest's refusal is a *StatusError.
	// Act must not return before the callee has let go of the child, also when
	// ctx ends.
	Act(ctx context.Context, parent *Call, plugin string, a *wire.Action) (*wire.ActionResult, error)
}

// Identity knows users, groups and certificates. core/identity's Service is one.
// Errors carry a code of package store: whoever is not there is NotFound.
type Identity interface {
	Identity(q *wire.IdentityQuery) (*wire.Identity, error)
}

// Network resolves names and dials for http.client.
type Network interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

func (e *Env) now() time.Time {
	if e.Now != nil {
		return e.Now()
	}
	return time.Now()
}
