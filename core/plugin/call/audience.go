package call

import (
	"context"
	"strings"

	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/wire"
)

// maxNamed bounds the names of one audience.
const maxNamed = 1000

// reach is how far a grant lets a plugin send.
type reach struct {
	groups []string // patterns; none: all groups
	topics bool     // topics of others too
}

// audience checks who shall get something and gives it as the router wants it.
func (c *Call) audience(ctx context.Context, op hostapi.HostOp, a *wire.Audience, may reach) (to route.Audience, err error) {
	if err := a.Check(); err != nil {
		return to, invalid(op, "%v", err)
	}
	if n := len(a.Groups) + len(a.UIDs) + len(a.Callsigns) + len(a.Except); n > maxNamed {
		return to, beyond(op, "%d names in an audience, at most %d are possible", n, maxNamed)
	}
	if a.AsEvent != 0 {
		to, err = c.asEvent(ctx, op, hostapi.ID(a.AsEvent), may)
	} else if to.Groups, err = c.bound(op, a, may); err == nil {
		to.UIDs, to.Callsigns = a.UIDs, a.Callsigns
		to.Topics, err = c.topicNamed(op, a.Topic, may)
	}
	to.Except = a.Except
	return to, err
}

// bound gives the groups of an audience: those it names, or all that are granted;
// 0 is no bound, for one that names receivers.
func (c *Call) bound(op hostapi.HostOp, a *wire.Audience, may reach) (hostapi.SetID, error) {
	env := c.p.env
	switch {
	case len(a.Groups) > 0:
		ids, err := c.named(op, a.Groups, may.groups)
		if err != nil {
			return 0, err
		}
		return c.intern(op, ids)
	case a.All:
		return c.within(op, env.all(), may)
	case a.Set != 0:
		set := hostapi.SetID(a.Set)
		if len(env.Groups.Members(set)) == 0 {
			return 0, invalid(op, "audience: there is no set %d of groups", a.Set)
		}
		return c.within(op, set, may)
	}
	groups, bound := env.granted(may.groups)
	if !bound {
		return 0, nil
	}
	if len(groups) == 0 {
		return 0, outside(op, "groups", "the audience", strings.Join(may.groups, ", ")+", which no group fits")
	}
	return env.Groups.Intern(groups...)
}

// topicNamed checks the topic of an audience, if it has one.
func (c *Call) topicNamed(op hostapi.HostOp, topic string, may reach) ([]string, error) {
	if topic == "" {
		return nil, nil
	}
	if may.topics || hasPrefix(topic, c.p.spec.Grants[hostapi.CapTopics].Prefixes) {
		return []string{topic}, nil
	}
	if op == hostapi.HostEmit {
		return nil, outside(op, "missions", topic, "no, and the topic is none of the plugin's own")
	}
	return nil, &StatusError{Status: hostapi.Forbidden, Code: "outside_scope",
		Message: op.String() + ": topic " + show(topic) + " is none of the plugin's own"}
}

func (e *Env) all() hostapi.SetID {
	if e.All == nil {
		return hostapi.AnonSet
	}
	return e.All()
}

// within narrows a set to what is granted.
func (c *Call) within(op hostapi.HostOp, set hostapi.SetID, may reach) (hostapi.SetID, error) {
	set, err := c.p.env.narrow(set, may.groups)
	if err != nil {
		return 0, err
	}
	if set == 0 {
		return 0, outside(op, "groups", "the audience", strings.Join(may.groups, ", ")+", which covers none of its groups")
	}
	return set, nil
}

// asEvent gives the audience of an event: those who may see it by its groups; of
// one that named its receivers, they alone and its sender.
func (c *Call) asEvent(ctx context.Context, op hostapi.HostOp, id hostapi.ID, may reach) (to route.Audience, err error) {
	e, err := c.event(ctx, op, id)
	if err != nil {
		return to, err
	}
	if e.Groups == 0 {
		return to, invalid(op, "audience: event %s belongs to no groups, as its sender named its receivers: name them", id)
	}
	if to.Groups, err = c.within(op, e.Groups, may); err != nil {
		return to, err
	}
	return c.destinations(op, e, to, may)
}

// destinations narrows an audience to the receivers that an event names. Of an
// event for groups and others, the others count.
func (c *Call) destinations(op hostapi.HostOp, e *hostapi.Event, to route.Audience, may reach) (route.Audience, error) {
	var groups []hostapi.GroupID
	for i := range e.NumDests() {
		switch d := e.Dest(i); d.Kind {
		case cot.DestCallsign:
			if d.Value == allStreaming {
				return route.Audience{Groups: to.Groups}, nil
			}
			to.Callsigns = append(to.Callsigns, d.Value)
		case cot.DestUID:
			to.UIDs = append(to.UIDs, d.Value)
		case cot.DestMission, cot.DestMissionGUID:
			if !may.topics {
				return to, outside(op, "missions", d.Value, "no, and the event was sent to that mission")
			}
			if d.Kind == cot.DestMissionGUID {
				to.Topics = append(to.Topics, d.Value)
			} else {
				to.Topics = append(to.Topics, c.p.env.force.topicsOf(d.Value)...)
			}
		case cot.DestGroup:
			if id, ok := c.p.env.Groups.Named(d.Value); ok && c.p.env.holds(to.Groups, id) {
				groups = append(groups, id)
			}
		}
	}
	switch {
	case e.NumDests() == 0:
		return to, nil
	case to.Named():
		if e.Client != "" {
			to.UIDs = append(to.UIDs, e.Client)
		}
		return to, nil
	case len(groups) > 0:
		set, err := c.intern(op, groups)
		to.Groups = set
		return to, err
	}
	return to, invalid(op, "audience: event %s named receivers that are not known: name them", e.ID)
}

func (e *Env) holds(set hostapi.SetID, group hostapi.GroupID) bool {
	for _, g := range e.Groups.Members(set) {
		if g == group {
			return true
		}
	}
	return false
}

func hasPrefix(name string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}
