package plugin

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/plugin/run"
	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// view is what events and requests go by. It does not change; a new one takes its
// place.
type view struct {
	byName  map[string]*running
	actors  []*run.Actor // that events and changes of clients are offered to
	filters []filter     // that decide about events, in their order
}

// filter is a plugin that decides about events. One that is to run and does not
// stands here too, if it drops events meanwhile.
type filter struct {
	name  string
	order int64
	actor *run.Actor
}

// publish puts in force what the entries say now. The caller has the turn, or is
// on the goroutine of an actor while whoever waits for it has the turn.
func (h *Host) publish() { h.publishWithout("") }

// publishWithout leaves a plugin out that is about to end.
func (h *Host) publishWithout(name string) {
	v := &view{byName: map[string]*running{}}
	for _, e := range h.list() {
		e.mu.Lock()
		r, guard := e.running, e.guard
		e.mu.Unlock()
		switch {
		case r != nil && e.name != name:
			v.byName[e.name] = r
			v.actors = append(v.actors, r.actor)
			v.addFilter(e.name, r.version, r.actor)
		case guard != nil:
			v.addFilter(e.name, guard.version, guard.actor)
		}
	}
	slices.SortStableFunc(v.filters, func(a, b filter) int { return cmp.Compare(a.order, b.order) })
	h.view.Store(v)
}

func (v *view) addFilter(name string, version *run.Version, a *run.Actor) {
	if len(version.Manifest.Filters) == 0 {
		return
	}
	order := version.Manifest.Filters[0].Order
	for _, f := range version.Manifest.Filters {
		order = min(order, f.Order)
	}
	v.filters = append(v.filters, filter{name, order, a})
}

// Routed implements route.Tap.
func (h *Host) Routed(evs []*hostapi.Event) {
	for _, a := range h.view.Load().actors {
		a.Offer(evs)
	}
}

// Filter implements route.Filter: the plugins' filters decide one after the other,
// each about what the one before let through.
func (h *Host) Filter(who *route.Who, evs []*hostapi.Event) []*hostapi.Event {
	filters := h.view.Load().filters
	if len(filters) == 0 {
		return evs
	}
	kept := evs[:0]
	for _, e := range evs {
		for i := range filters {
			f := &filters[i]
			next, reason := f.actor.Filter(who.Listener, e)
			if next == nil {
				h.log.Debug("an event was dropped by a filter", "plugin", f.name, "event", e.ID.String(), "uid", e.UID, "reason", reason)
			}
			if e = next; e == nil {
				break
			}
		}
		if e != nil {
			kept = append(kept, e)
		}
	}
	return kept
}

// Changed implements route.Watcher.
func (h *Host) Changed(c wire.ClientChange) {
	changes := []wire.ClientChange{c}
	for _, a := range h.view.Load().actors {
		a.ClientsChanged(changes)
	}
}

// GroupsChanged is to be called when groups were named, renamed or removed.
func (h *Host) GroupsChanged() {
	v := h.view.Load()
	for _, a := range v.actors {
		a.GroupsChanged()
	}
	for _, f := range v.filters {
		f.actor.GroupsChanged()
	}
}

// timersChanged passes on which timers a commit set or cancelled.
func (h *Host) timersChanged(plugin string, changed []store.Timer) {
	if r := h.view.Load().byName[plugin]; r != nil {
		r.actor.TimersChanged(changed)
	}
}

// Act implements call.Actions.
func (h *Host) Act(ctx context.Context, parent *call.Call, plugin string, a *wire.Action) (*wire.ActionResult, error) {
	r := h.view.Load().byName[plugin]
	if r == nil {
		return nil, h.away(plugin)
	}
	does, ok := r.action(a.Name)
	if !ok {
		return nil, &call.StatusError{Status: hostapi.NotFound, Message: "the plugin " + plugin + " has no action " + a.Name}
	}
	if int64(a.Version) > does.Version {
		return nil, &call.StatusError{Status: hostapi.Unsupported, Message: fmt.Sprintf("the action %s.%s has version %d, asked for is %d", plugin, a.Name, does.Version, a.Version)}
	}
	return r.actor.ActFor(ctx, parent, a)
}

// Action runs an action that the plugin's manifest marks public, for somebody
// outside, in a transaction of its own.
func (h *Host) Action(ctx context.Context, plugin, action string, a *wire.Action) (*wire.ActionResult, error) {
	r := h.view.Load().byName[plugin]
	if r == nil {
		return nil, h.away(plugin)
	}
	does, ok := r.action(action)
	if !ok || !does.Public {
		return nil, &call.StatusError{Status: hostapi.NotFound, Message: "the plugin " + plugin + " has no public action " + action}
	}
	named := *a
	named.Name = action
	return r.actor.Act(ctx, &named, !does.Writes)
}

// HTTP has a plugin answer a request to one of its routes. The answer must be
// closed. An error with a status for the caller is a *call.StatusError.
func (h *Host) HTTP(ctx context.Context, plugin, route string, req *wire.HTTPRequest) (*Answer, error) {
	r := h.view.Load().byName[plugin]
	if r == nil {
		return nil, h.away(plugin)
	}
	asked := *req
	asked.Route = route
	// A swap may come in between: the version that was asked reads its own
	// documents, and both read the same ones.
	resp, err := r.actor.HTTP(ctx, &asked)
	if err != nil {
		return nil, err
	}
	work := h.db.Begin()
	a, err := run.NewAnswer(ctx, resp, work, h.files(), r.calls.Owner(), h.visible(req.Caller))
	if err != nil {
		return nil, err
	}
	return &Answer{
		Status: a.Status, ContentType: a.ContentType, Header: a.Header, Size: a.Size, File: a.File, OfFile: a.OfFile, FileName: a.FileName, WriteTo: a.WriteTo,
		Close: a.Close,
	}, nil
}

func (h *Host) files() run.Files {
	if h.opt.Calls.Blobs == nil {
		return nil
	}
	return h.opt.Calls.Blobs
}

// visible says what a caller may see of documents that are bound to groups.
func (h *Host) visible(c *wire.Caller) store.Visible {
	if c == nil {
		return func(hostapi.SetID) bool { return false }
	}
	out := hostapi.SetID(c.OutSet)
	return func(set hostapi.SetID) bool { return h.opt.Calls.Groups.Intersects(set, out) }
}

// away is the answer for a plugin that does not run.
func (h *Host) away(plugin string) error {
	if e := h.find(plugin); e != nil {
		e.mu.Lock()
		enabled := e.want.set.enabled
		e.mu.Unlock()
		if enabled {
			return &call.StatusError{Status: hostapi.Retry, Message: "the plugin " + plugin + " does not run at the moment"}
		}
	}
	return &call.StatusError{Status: hostapi.NotFound, Message: "the plugin " + plugin + " is not active"}
}
