package call

import (
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// granted gives the groups that fit the patterns of a grant; bound is false when
// there are no patterns, which means all groups.
func (e *Env) granted(patterns []string) (groups []hostapi.GroupID, bound bool) {
	if len(patterns) == 0 {
		return nil, false
	}
	for name, id := range e.Groups.Names() {
		if hostapi.MatchAny(patterns, name) {
			groups = append(groups, id)
		}
	}
	slices.Sort(groups)
	return groups, true
}

// narrow gives what of a set the patterns of a grant cover; 0 is nothing.
func (e *Env) narrow(set hostapi.SetID, patterns []string) (hostapi.SetID, error) {
	groups, bound := e.granted(patterns)
	if !bound {
		return set, nil
	}
	var both []hostapi.GroupID
	for _, g := range e.Groups.Members(set) {
		if _, ok := slices.BinarySearch(groups, g); ok {
			both = append(both, g)
		}
	}
	if len(both) == 0 {
		return 0, nil
	}
	return e.Groups.Intern(both...)
}

// named gives groups by name: those that a plugin asks for.
func (c *Call) named(op hostapi.HostOp, names, patterns []string) ([]hostapi.GroupID, error) {
	ids := make([]hostapi.GroupID, len(names))
	for i, name := range names {
		if len(patterns) > 0 && !hostapi.MatchAny(patterns, name) {
			return nil, outside(op, "groups", name, strings.Join(patterns, ", "))
		}
		id, ok := c.p.env.Groups.Named(name)
		if !ok {
			return nil, &StatusError{Status: hostapi.NotFound, Message: op.String() + ": there is no group " + show(name)}
		}
		ids[i] = id
	}
	return ids, nil
}

// setsWith gives all sets that hold one of the groups.
func (e *Env) setsWith(groups []hostapi.GroupID) []hostapi.SetID {
	sets := []hostapi.SetID{} // not nil: to the archive, none is not the same as any
	for _, g := range groups {
		sets = append(sets, e.Groups.With(g)...)
	}
	slices.Sort(sets)
	return slices.Compact(sets)
}

// caller gives who the call is made for, to an operation that asks for what that
// caller may see.
func (c *Call) caller(op hostapi.HostOp) (*wire.Caller, error) {
	if c.opt.Caller == nil {
		return nil, invalid(op, "as_caller: this call is made for nobody but the plugin itself")
	}
	return c.opt.Caller, nil
}

// visible says what the caller of the call may see; nil sees all, when it is
// not asked for the caller.
func (c *Call) visible(op hostapi.HostOp, asCaller bool) (func(hostapi.SetID) bool, error) {
	if !asCaller {
		return nil, nil
	}
	caller, err := c.caller(op)
	if err != nil {
		return nil, err
	}
	out := hostapi.SetID(caller.OutSet)
	groups := c.p.env.Groups
	return func(set hostapi.SetID) bool { return groups.Intersects(set, out) }, nil
}
