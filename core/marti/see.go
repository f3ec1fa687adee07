package marti

import (
	"slices"

	"github.com/takhost/takhost/hostapi"
)

// sees says whether events of this set of groups reach the caller.
func (c *call) sees(sent hostapi.SetID) bool {
	return c.isAdmin() || c.Groups.Intersects(sent, hostapi.SetID(c.caller.OutSet))
}

// setsSeen gives the sets of groups whose events reach the caller, to query the
// archive by. Nil is all of them; an empty list is none.
func (c *call) setsSeen() []hostapi.SetID {
	if c.isAdmin() {
		return nil
	}
	sets := []hostapi.SetID{}
	for _, g := range c.Groups.Members(hostapi.SetID(c.caller.OutSet)) {
		sets = append(sets, c.Groups.With(g)...)
	}
	slices.Sort(sets)
	return slices.Compact(sets)
}

// clients lists the connections that the caller may know of: those whose events
// reach him, and his own.
func (c *call) clients() []Client {
	return slices.DeleteFunc(c.Core.Clients(c), func(cl Client) bool {
		own := c.caller.User != "" && cl.User == c.caller.User
		if cl.Incognito && !own && !c.isAdmin() {
			return true
		}
		return !own && !c.sees(cl.In)
	})
}

// contacts lists those of them that have told who they are, each client once by
// its newest connection.
func (c *call) contacts() []Client {
	list := c.clients() // by rising number, so the newest is the last
	last := map[seenKey]int{}
	for i, cl := range list {
		if cl.UID != "" {
			last[seenKey{cl.User, cl.UID}] = i
		}
	}
	out := make([]Client, 0, len(last))
	for i, cl := range list {
		if at, known := last[seenKey{cl.User, cl.UID}]; known && at == i {
			out = append(out, cl)
		}
	}
	return out
}
