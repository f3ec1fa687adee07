// Package fts answers what clients of FreeTAKServer's REST API ask for about the
// server and its users, in that server's formats (spec/rest.md 1, 2, 3): system
// users, API users, the login of its web interface, connected clients, the state
// of services. What belongs to features, such as chat or emergencies, is in
// plugins.
//
// Formats are exact: capital keys, status codes, messages with their spelling.
// Holes are closed: everything but what tells nothing needs credentials with a
// role, an address is none; passwords and tokens never go out again; wrong
// passwords lock out. FreeTAKServer's group of a user is a team colour, and no
// routing group.
//
// All functions are safe for concurrent use; nothing here has state.
package fts
