// Package web is the HTTP side of the server: the REST operations under
// /api/v1, the routes of plugins, live events and updates, health and metrics,
// and the two listeners that serve them: the admin socket in the data folder and
// listen.rest. It asks the server through Core and the plugin host through
// Plugins, and knows neither the router nor the connections of clients.
//
// Routes come in generations, which package openapi builds together with their
// description: a change of plugins is a new one, swapped in with one pointer,
// and requests under way end on the one they began with.
//
// On the admin socket nobody has to log in: whoever may open the socket file
// may administer the server. On listen.rest an Authenticator says who asks;
// operations of the core are for administrators, routes of plugins for any
// caller unless they name roles or are open.
//
// All methods are safe for concurrent use. Live.Routed is called on the way of
// every event and never waits, nor does Updates.Publish. A Server starts one
// goroutine for each listener and one for each HTTP connection, and those that
// watch have another; Close waits for all of them.
package web
