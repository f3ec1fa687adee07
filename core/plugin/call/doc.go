// Package call is one call of a guest: what a plugin may ask of the host while
// it answers, and what of that takes effect. Capabilities, scopes, limits,
// staging and commit stand here once, for WASM and process plugins alike. It
// knows neither queues, instances nor lives of plugins: whoever runs a guest
// begins a Call, hands it to the guest as its guest.Host, and in the end commits
// or discards it.
//
//	c := p.Begin(call.Options{Op: hostapi.OpTimer})
//	out, status, err := instance.Call(ctx, hostapi.OpTimer, in, nil) // Serve is called meanwhile
//	if err != nil || status != hostapi.OK {
//		c.Discard()
//	} else {
//		err = c.Commit(ctx) // a store.Error of code Conflict: the whole call again
//	}
//
// # What is staged
//
// Documents, counters, topics, aliases and timers go into a store.Work; events
// and live updates wait in the call. Nothing of it is seen outside before Commit.
// Commit writes the work, if there is anything to write, then puts topics and
// aliases in force in the router, tells Env.Timers which timers changed, sends
// the events in the order in which they were emitted, and the live updates; all
// of it before it returns. An action of another plugin runs in a child of the
// call: it stages into the same work, and when it fails, what it staged is undone.
// Log lines, metrics, HTTP requests and the content of files are not staged; who
// keeps a file is.
//
// # Refusals
//
// A plugin that is not granted what it asks for gets hostapi.Forbidden with an
// Error that names the capability, the key of its scope and what is granted. Each
// refusal is counted, and one a second is logged at warn, with the number of
// those between. The rules where the contract leaves a choice:
//
//   - Groups that a plugin names (audience, query) must fit the grant's patterns.
//     Of sets that it was given (set, as_event, all) what the grant covers counts;
//     when that is nothing, it is refused. Under a grant without groups, uids,
//     callsigns and topics are reached whatever the receiver's groups; under one
//     with groups, only receivers that may see one of these.
//   - "As event" of an event that named its receivers means these and its sender,
//     as far as its groups go; of others, everybody who may see one of its groups.
//     In the same way a query as caller leaves out what was sent to others by name.
//   - Topics are within the prefixes of the grant; an alias may be any name, as
//     senders write it, that no other plugin has.
//   - A topic as audience must be within the plugin's own prefixes of the
//     capability topics, or the grant says missions. The same flag allows events
//     whose XML has a mission among its destinations.
//   - http.client: the host of the URL, and of each redirect, must fit a pattern
//     of the grant. An address that is not public (loopback, link-local, private,
//     multicast and the like) is dialled only if another pattern fits the address
//     itself, such as 10.1.2.3:8080, 192.168.*:8080 or [fd00:*]:443; it must name
//     the address's first part. So a name that somebody else's DNS points to an
//     inner address reaches nothing, and to reach a host inside by name both the
//     name and its address are granted.
//
// # Concurrency
//
// Env and Plugin are safe for concurrent use. A Call is used by one goroutine at
// a time; a parent does nothing while its child works.
package call
