// Package openapi fits the operations of the core and the routes of plugins
// together: one router and one description of it, the two always of the same
// generation. It also serves the description and a page to read it, which needs
// nothing but this server.
//
// A Generation is built whole and never changed: a change of plugins is a new
// one, which whoever serves it swaps in with one pointer. Requests under way
// end on the generation they began with. What a manifest says cannot panic a
// build; it is refused with a Refused, which names the plugin and the route.
//
// The package does not know how a request is answered or who may send it: see
// Options.Answer and Options.Guard. It is not for storage or plugins' code.
//
// All functions are safe for concurrent use.
package openapi
