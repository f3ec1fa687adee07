// Package taktest gives tests a whole takhost: in the test's own process
// (Start) or as a child process of the real program (Run), with free ports, a
// data folder of its own and everything it logs in the test's log. What a test
// starts here is stopped at its end.
//
// Both kinds are looked at in the same way: Admin asks over the admin socket,
// Log waits for lines. Waiting is always for an event and bounded; only the
// archive, which tells nobody when it has stored something, is asked again and
// again (Admin.Archived).
//
// Methods that take a testing.TB may end the test and belong in its goroutine.
// The others are safe for concurrent use. A test package that uses this one has
// a TestMain that calls Main.
package taktest
