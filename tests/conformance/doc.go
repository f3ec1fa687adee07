// Package conformance has the cases that every plugin must pass whatever it is
// written in and whatever runs it: what it answers, what it does to the store,
// and that no input breaks it. Guests are built here with the tools that are
// found; a test names the one that is missing.
package conformance
