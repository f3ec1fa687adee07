// Package openapi fits the operations of the core and the routes of plugins
// together: routers and descriptions of what is behind them, always of the same
// generation. There are two descriptions, REST and Marti, which may share the
// router of a listener. It also serves the descriptions and a page to read them,
// which needs nothing but this server.
//
// Generations are built whole and never changed: a change of plugins is a new one,
// which whoever serves it swaps in with one pointer. Requests under way end on the
// generation they began with. What a manifest says cannot panic a build; it is
// refused with a Refused, which names the plugin and the route.
//
// The package does not know how a request is answered or who may send it: see
// Options.Answer and Options.Guard. Who may use an operation of the core, and
// where, is said by marking it (ForRoles, On and others). It is not for storage or
// plugins' code.
//
// All functions are safe for concurrent use.
package openapi
