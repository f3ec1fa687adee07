// Package web is the HTTP side of the server: its listeners, who may ask what
// there, the routes of plugins, live events and updates, health and metrics, and
// the REST operations under /api/v1 that need nothing but the router and the
// archive. Other parts of the core bring their operations along (Options.REST and
// Options.Marti). It asks the server through Core, the plugin host through
// Plugins and for people through Logins, and knows neither the router nor the
// connections of clients.
//
// The listeners are the admin socket in the data folder, and http, https, web and
// rest on the network, which come, move and go at runtime. Operations are in two
// descriptions: rest is served on rest, web and the admin socket, marti on http,
// https and web. Routes come in generations, which package openapi builds
// together with their descriptions: a change of plugins is a new one, swapped in
// with one pointer, and requests under way end on the one they began with.
//
// On the admin socket nobody has to log in: whoever may open the socket file may
// administer the server. On the network it depends on the listener what shows who
// asks (see Server.identify). Operations and routes are for any caller unless they
// name roles or are open. Callers who may only read get no further than that.
//
// All methods are safe for concurrent use. Live.Routed is called on the way of
// every event and never waits, nor does Updates.Publish. A Server starts two
// goroutines for each listener, one for each HTTP connection and one before that
// for its handshake; those that watch have another, and streams over WebSocket
// two. Close waits for all of them.
package web
