package call

import (
	"context"
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// action asks another plugin. What it stages belongs to this call, and is taken
// back when the other one fails.
func (c *Call) action(ctx context.Context, in, dst []byte) ([]byte, error) {
	const op = hostapi.HostCall
	var m wire.Action
	if err := decode(op, in, &m); err != nil {
		return dst, err
	}
	plugin, name, ok := strings.Cut(m.Name, ".")
	if !ok || plugin == "" || name == "" {
		return dst, invalid(op, "%s is no action: write plugin.action", show(m.Name))
	}
	if have := c.p.grants[op].Actions; !hostapi.MatchAny(have, m.Name) {
		return dst, outside(op, "actions", m.Name, strings.Join(have, ", "))
	}
	if c.p.env.Actions == nil {
		return dst, &StatusError{Status: hostapi.Unsupported, Message: op.String() + ": this server runs no actions"}
	}
	if c.chain(plugin) {
		return dst, &StatusError{Status: hostapi.Conflict, Code: "chain",
			Message: op.String() + ": " + plugin + " is at work in this call already: " + c.path()}
	}
	if c.depth >= hostapi.MaxCallDepth {
		return dst, &StatusError{Status: hostapi.Limit, Code: "depth",
			Message: op.String() + ": actions are 4 deep already: " + c.path()}
	}
	m.Name, m.Caller = name, c.handOn()
	before := c.mark()
	result, err := c.act(ctx, plugin, &m, before)
	if err != nil {
		return dst, err
	}
	return result.Append(dst), nil
}

// act runs the action and takes back what it staged when it fails, or panics.
func (c *Call) act(ctx context.Context, plugin string, m *wire.Action, before mark) (result *wire.ActionResult, err error) {
	done := false
	defer func() {
		if !done {
			c.undo(before)
		}
	}()
	result, err = c.p.env.Actions.Act(ctx, c, plugin, m)
	if err != nil {
		return nil, err
	}
	if result == nil {
		result = &wire.ActionResult{}
	}
	done = true
	return result, nil
}

// handOn gives the caller whom the callee sees: this call's own, by way of this
// plugin.
func (c *Call) handOn() *wire.Caller {
	var w wire.Caller
	if c.opt.Caller != nil {
		w = *c.opt.Caller
	}
	w.Via = append(slices.Clone(w.Via), c.p.spec.Name)
	return &w
}

// path names the plugins at work, the first one first.
func (c *Call) path() string {
	var names []string
	for ; c != nil; c = c.parent {
		names = append(names, c.p.spec.Name)
	}
	slices.Reverse(names)
	return strings.Join(names, " → ")
}
