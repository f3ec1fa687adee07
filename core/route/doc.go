// Package route decides who receives an event. It knows groups, destinations,
// topics and who is present, not sockets: a receiver is anything that takes
// events into a queue. It is not for storage either; whoever wants every event
// (the archive, live views, later the plugins) is a Tap.
//
// All methods are safe for concurrent use. Events of one session must be
// published by one goroutine at a time; they reach each receiver in that
// order. Nobody waits for a disk or a slow receiver here: the way of an event
// takes one read lock, and costs one Offer for each receiver of a batch.
// Joining, leaving and renaming take the write lock, so that a newcomer gets
// the latest position of everybody present and from then on every event, none
// of them twice and none left out. Changes of groups take it too (Regroup):
// each event goes wholly by the old groups or wholly by the new ones.
package route
