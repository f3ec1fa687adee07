package sdk

import "github.com/takhost/takhost/hostapi/wire"

// Plugin is what one instance of a plugin does. A nil function is an operation
// that it does not have; the manifest must not ask for it either.
//
// Functions may keep state in the instance: in variables that the function given
// to Register makes anew for each.
type Plugin struct {
	Name    string // for the log; may be empty
	Version string // for the log; may be empty

	// Init begins the instance's life. The plugin's config section is c.Config().
	// An error keeps the plugin from becoming active, and is shown to the operator.
	Init func(c *Call, s *Start) error

	// Reconfigure takes a changed config over. Without it a changed config makes a
	// new instance.
	Reconfigure func(c *Call, s *Start) error

	// Health is asked every few seconds. An error says what is wrong.
	Health func(c *Call) error

	// Stop is the last call of an instance.
	Stop func(c *Call) error

	// Events handles one event of a subscription. Events come in the order of
	// their arrival, several in one call, whose effects are committed together.
	// An error of an event for which nothing was staged concerns that event alone;
	// otherwise the whole call is undone, and the host gives its events again,
	// one by one. Retry is given once more, anything else goes to the dead letters.
	Events func(c *Call, e Event) error

	// Batch may stand in the place of Events, to handle all events of a call at
	// once. An error undoes the call.
	Batch func(c *Call, b Batch) error

	// Filter decides on one event before it is routed. Only Log, Now, Config,
	// Random and metrics are at hand. An error counts as a miss.
	Filter func(c *Call, e Event) (Verdict, error)

	// Clients hears who connects, changes and disconnects, if the manifest's
	// "clients" says so.
	Clients func(c *Call, change *ClientChange) error

	// Crowd may stand in the place of Clients, to handle all changes of a call at
	// once: when many connect together, one question to the store does for all.
	Crowd func(c *Call, crowd Crowd) error

	// HTTP answers the manifest's routes, by id.
	HTTP map[string]Handler

	// Timers answers timers, by name. A name that ends with * serves all timers
	// that begin so and have no function of their own.
	Timers map[string]func(c *Call, t *Timer) error

	// Actions answers the manifest's "provides", by name.
	Actions map[string]func(c *Call, a *Action) (ActionResult, error)

	// Snapshot and Restore hand the memory of an instance with "state": "memory"
	// to its successor, which may be of a newer version.
	Snapshot func(c *Call) ([]SnapshotEntry, error)
	Restore  func(c *Call, s *Snapshot) error

	// Reindex gives the keys of a document for indexes that are new in this
	// version. Keys of other indexes are passed over, so the function that makes
	// the keys for Put serves here too.
	Reindex func(c *Call, d *Document) ([]Key, error)
}

// Messages as they travel. Times in them are microseconds since 1970 UTC.
type (
	Start         = wire.Init
	Caller        = wire.Caller
	Client        = wire.Client
	ClientChange  = wire.ClientChange
	Timer         = wire.Timer
	Action        = wire.Action
	ActionResult  = wire.ActionResult
	Snapshot      = wire.Snapshot
	SnapshotEntry = wire.SnapshotEntry
	Pair          = wire.Pair
	BlobRef       = wire.BlobRef
)

// Handler answers one route. What is staged is committed if it returns nil,
// whatever the HTTP status it set.
type Handler func(c *Call, r *Request, w *Response) error

// registered is the one exception to the rule against package state: a module has
// one plugin, and its exports have no other way to find it.
var registered func() *Plugin

// Register says how an instance of the plugin is made. It is called from an init
// function, once. A WASM module makes one instance; a process may make several,
// and a test makes one after each crash that it plays, so what is kept between
// calls belongs into variables of the function, not of the package.
func Register(newPlugin func() *Plugin) {
	if registered != nil {
		panic("sdk.Register: called twice")
	}
	registered = newPlugin
}
