// Package marti holds the operations of the official server's HTTP interface
// that belong to the core: version, contacts, groups and channels, enrolment,
// device profiles, login, certificates and single events. Files, missions,
// video and the like are plugins' affair.
//
// Facts are those of spec/tak-marti.md and spec/client-quirks.md; numbers in
// comments are sections of the former. Answers are byte for byte what ATAK,
// WinTAK, iTAK and node-tak parse: literal type strings, exactly
// application/json, empty bodies where a body would be taken for a result.
//
// Groups are in force everywhere: a caller sees the clients and the events that
// reach one of his OUT groups; administrators see all.
//
// The package knows neither sockets nor the router: it asks the server through
// Core, and package identity who somebody is. Nothing here has state of its own
// but Roster. All functions are safe for concurrent use.
package marti
