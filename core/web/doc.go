// Package web is the HTTP side of the server: the REST operations under
// /api/v1, live events, health and metrics, and the two listeners that serve
// them: the admin socket in the data folder and listen.rest. It asks the server
// through Core and knows neither the router nor the connections of clients.
//
// On the admin socket nobody has to log in: whoever may open the socket file
// may administer the server. listen.rest serves health and metrics alone.
//
// All methods are safe for concurrent use. Live.Routed is called on the way of
// every event and never waits. A Server starts one goroutine for each listener
// and one for each HTTP connection, and Close waits for all of them.
package web
