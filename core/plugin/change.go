package plugin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
)

// Changes at runtime. Each is made first and written then, and undone when it
// cannot be written; so what was told to have succeeded is both in force and on
// the disk.

// Enable switches a plugin on and waits until it runs. After an error it is as it
// was before.
func (h *Host) Enable(ctx context.Context, name string) error {
	return h.edit(ctx, name, set("enabled", "true"), editOptions{must: true})
}

// Disable switches a plugin off: its routes and events are gone when it returns.
// When other plugins need it, it is refused, unless force says that they may fail.
func (h *Host) Disable(ctx context.Context, name string, force bool) error {
	return h.edit(ctx, name, set("enabled", "false"), editOptions{must: true, force: force})
}

// SetGrant makes these the grants of the plugin that were made at runtime, in the
// place of all before. Those of the file hold for the other capabilities.
func (h *Host) SetGrant(ctx context.Context, name string, grant hostapi.Grants) error {
	values := map[string]any{}
	for c, s := range grant {
		if !c.Known() {
			return invalid("grant: %s is no capability%s", c, nearest(string(c), capabilityNames()))
		}
		if faults := c.Check(s); len(faults) > 0 {
			return invalid("grant.%s.%s", c, strings.Join(faults, "\ngrant."+string(c)+"."))
		}
		values["grant."+string(c)] = ScopeTree(c, s)
	}
	return h.setAll(ctx, name, "grant.", values)
}

// SetConfig makes these the settings of the plugin's own section that were made at
// runtime, in the place of all before. Keys that are not among them have the values
// of the file, or of the manifest.
func (h *Host) SetConfig(ctx context.Context, name string, config map[string]any) error {
	values := map[string]any{}
	for path, v := range leavesOf(config) {
		values["config."+path] = v
	}
	return h.setAll(ctx, name, "config.", values)
}

// SetLimits makes these the limits of the plugin that were set at runtime, in the
// place of all before. Keys are those of a manifest's limits.
func (h *Host) SetLimits(ctx context.Context, name string, limits map[string]any) error {
	if _, err := readLimits("limits", limits); err != nil {
		return invalid("%v", err)
	}
	values := map[string]any{}
	for key, v := range limits {
		values["limits."+key] = v
	}
	return h.setAll(ctx, name, "limits.", values)
}

// setAll puts rows in the place of those whose keys begin with prefix.
func (h *Host) setAll(ctx context.Context, name, prefix string, values map[string]any) error {
	texts := rows{}
	for key, v := range values {
		text, err := encode(key, v)
		if err != nil {
			return err
		}
		texts[key] = text
	}
	return h.edit(ctx, name, func(old rows) rows {
		changes := maps.Clone(texts)
		for key := range old {
			if _, again := texts[key]; !again && strings.HasPrefix(key, prefix) {
				changes[key] = ""
			}
		}
		return changes
	}, editOptions{})
}

// Reset drops what was set at runtime, so that file and defaults hold again: the
// setting key, such as enabled, grant.events.read or config.period, with all below
// it, or everything when key is empty. The digest with which a file was first seen
// stays, unless it is named: pin.
func (h *Host) Reset(ctx context.Context, name, key string) error {
	return h.edit(ctx, name, func(old rows) rows {
		changes := rows{}
		for have := range old {
			if key == "" && have != pinKey && have != formerKey || have == key || key != "" && strings.HasPrefix(have, key+".") {
				changes[have] = ""
			}
		}
		return changes
	}, editOptions{})
}

// set changes one row.
func set(key, value string) func(rows) rows {
	return func(rows) rows { return rows{key: value} }
}

// capabilityNames is for messages.
func capabilityNames() []string {
	var names []string
	for _, c := range hostapi.Capabilities() {
		names = append(names, string(c))
	}
	return names
}

type editOptions struct {
	must  bool // it is an error when the plugin does not come to run as the settings say
	force bool // other plugins may fail by it
	back  bool // the rows are those of another version: they go back when that one does
	undo  bool // what was before is put back, whatever its state was
}

// edit changes rows of a plugin and what follows from them.
func (h *Host) edit(ctx context.Context, name string, how func(old rows) rows, o editOptions) error {
	if err := h.take(ctx); err != nil {
		return err
	}
	defer h.release()
	defer h.poke()
	// Whoever asked may go away meanwhile: what was begun is brought to an end.
	ctx = h.alive
	e, err := h.known(name)
	if err != nil {
		return err
	}
	old := h.rows[name]
	changes := how(old)
	next := h.target(name, h.layers, old.with(changes))
	if err := h.hides(next, changes); err != nil {
		return err
	}
	return h.change(ctx, e, next, changes, o)
}

// hides refuses what a flag or a variable would hide: it would seem to have been
// set and not hold.
func (h *Host) hides(t *target, changes rows) error {
	for _, key := range slices.Sorted(maps.Keys(changes)) {
		if from := t.set.origin[key]; changes[key] != "" && (from == fromFlag || from == fromEnvironment) {
			return conflict("%s of plugin %s is set by %s, which comes before what is set at runtime", key, t.name, t.set.where(key))
		}
	}
	return nil
}

// change moves a plugin to a target and writes the rows that make it so.
func (h *Host) change(ctx context.Context, e *entry, next *target, changes rows, o editOptions) error {
	was := e.want
	old := h.rows[e.name]
	if !next.set.enabled {
		// Once nothing speaks against it, ending a plugin cannot fail.
		err := h.mayEnd(e, next, o)
		if err == nil {
			err = h.write(ctx, e.name, changes)
		}
		if err != nil {
			return fmt.Errorf("plugin %s: %w", e.name, err)
		}
		changes = nil
	}
	if err := h.move(ctx, e, next, o); err != nil {
		h.gates.update(h.list())
		return fmt.Errorf("plugin %s: %w", e.name, err)
	}
	if err := h.write(ctx, e.name, changes); err != nil {
		back := h.move(ctx, e, was, editOptions{force: true, undo: true})
		h.gates.update(h.list())
		return errors.Join(err, back)
	}
	if o.back && changes != nil {
		e.setUndo(old.backFrom(changes))
	}
	h.gates.update(h.list())
	return nil
}

// backFrom gives the changes that undo changes.
func (r rows) backFrom(changes rows) rows {
	out := rows{}
	for key := range changes {
		out[key] = r[key]
	}
	// The version before that one is gone by then.
	out[formerKey] = ""
	return out
}

func (e *entry) setUndo(r rows) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.undo = r
}

// move brings a plugin from what it is to a target. After an error it is as
// before, or, when it did not run before, failed for the reason of the error.
func (h *Host) move(ctx context.Context, e *entry, next *target, o editOptions) error {
	if e.waiting != nil && next.set.enabled {
		// What waits for it is not to be lost by the change. If it cannot start,
		// it did not run.
		_ = h.start(ctx, e, e.running.target)
	}
	was := e.want
	switch runs := e.running != nil; {
	case runs && next.set.enabled:
		if next.err != nil {
			return next.err
		}
		losers := h.inForce().losers(e.name, next.pkg.Manifest)
		if len(losers) > 0 && !o.force {
			return needed(losers)
		}
		if err := h.replace(ctx, e, next); err != nil {
			return err
		}
		e.setWant(next)
		e.setTried()
		return h.haltLosers(ctx)
	case runs:
		if err := h.mayEnd(e, next, o); err != nil {
			return err
		}
		if err := h.halt(ctx, e, "switched off"); err != nil {
			h.log.Warn("a plugin did not end cleanly", "plugin", e.name, "err", err)
		}
		e.setWant(next)
		h.settle(e)
		return h.haltLosers(ctx)
	case next.set.enabled:
		if next.err != nil && !o.undo && (o.must || store.CodeOf(next.err) != store.Forbidden) {
			return next.err
		}
		// A guard stays until the filter decides, or is to be another one's.
		e.setWant(next)
		err := next.err
		if err == nil {
			err = h.start(ctx, e, next)
		}
		switch {
		case err == nil:
			e.setTried()
			return nil
		case o.must:
			if e.setWant(was); was.set.enabled {
				e.failed(err) // as before: it is not tried again at once
				h.setGuard(e, was)
			} else {
				h.dropGuard(ctx, e)
				e.set(Disabled, "could not be switched on: "+err.Error())
			}
			return err
		case next.err != nil:
			h.setGuard(e, next)
			h.settle(e)
		}
		return nil // it failed before, and the state says why it does now
	default:
		if err := h.mayEnd(e, next, o); err != nil {
			return err
		}
		h.dropGuard(ctx, e)
		e.setWant(next)
		h.settle(e)
		return nil
	}
}

// mayEnd tells what speaks against a target that is switched off.
func (h *Host) mayEnd(e *entry, next *target, o editOptions) error {
	if e.running != nil {
		if losers := h.inForce().losers(e.name, nil); len(losers) > 0 && !o.force {
			return needed(losers)
		}
		return nil
	}
	if next.err != nil && !o.undo && store.CodeOf(next.err) == store.Invalid && !sameFault(e.want, next) {
		return next.err
	}
	return nil
}

// sameFault says whether a target has the fault that the one before had: a plugin
// that was just installed lacks a setting until somebody gives it.
func sameFault(before, next *target) bool {
	return before.err != nil && before.err.Error() == next.err.Error()
}

func needed(losers map[string]string) error {
	lines := make([]string, 0, len(losers))
	for _, name := range slices.Sorted(maps.Keys(losers)) {
		lines = append(lines, fmt.Sprintf("%s %s", name, losers[name]))
	}
	return conflict("other plugins need it: without it these would fail (force it if that is meant):\n%s", strings.Join(lines, "\n"))
}

// haltLosers ends plugins that lack what they need. They are started again when
// it comes back.
func (h *Host) haltLosers(ctx context.Context) error {
	for {
		there := h.inForce()
		var loser *entry
		for _, e := range h.list() {
			if e.running != nil && len(there.lacks(e.running.target.pkg.Manifest)) > 0 {
				loser = e
			}
		}
		if loser == nil {
			return nil
		}
		lack := &lackError{there.lacks(loser.running.target.pkg.Manifest)}
		h.setGuard(loser, loser.want) // before its filters go
		if err := h.halt(ctx, loser, lack.Error()); err != nil {
			h.log.Warn("a plugin did not end cleanly", "plugin", loser.name, "err", err)
		}
		loser.failed(lack)
	}
}
