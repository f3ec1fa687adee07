// Package run is the running of one plugin: an Actor with a bounded queue of
// events, its instances, and the versions that take over from one another. It
// knows neither packages nor settings nor routes, which are core/plugin's, and
// nothing of what a guest may do, which is core/plugin/call's.
//
// # One call at a time
//
// Each Actor has one goroutine that owns the main instance. Events, requests,
// timers, changes of clients, actions and health checks are calls of that
// instance, one after the other; kinds of work take turns, so that none starves.
// Other instances exist for requests (http: pool), which run on the goroutine of
// the request, and for filters, which run on the goroutine of the connection.
//
// # What becomes of an error
//
// An error out of a call means that the instance is dead: it is thrown away and
// nothing of the call is committed. Events, timers and changes of clients are
// given once more to a fresh instance (a batch one by one, to find the culprit),
// then they go to the dead letters. A commit that meets a conflict repeats the
// whole call. When the database is away, nothing is given up: the actor waits.
//
// # Who may call what
//
// All exported methods may be called from any goroutine. Offer, TimersChanged,
// ClientsChanged and Archived never wait. The callbacks in Options and in a Plan
// run on the actor's goroutine unless said: they must not wait for the actor,
// which means not to call Activate, Swap, Reconfigure, Close, HTTP, Act or
// Redeliver of the same plugin from inside.
package run
