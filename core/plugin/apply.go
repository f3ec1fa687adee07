package plugin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Apply puts other layers in force, as after a reload of the config. Everything is
// checked first, and what was begun is undone when a step fails: an error means
// that nothing has changed. Only plugins that the new layers change count; one that
// had failed before for the same reason is no error.
func (h *Host) Apply(ctx context.Context, l Layers) error {
	if err := h.take(ctx); err != nil {
		return err
	}
	defer h.release()
	defer h.poke()
	ctx = h.alive
	next := h.targets(l, h.rows)
	for _, e := range h.list() {
		if next[e.name] == nil {
			next[e.name] = e.want.off() // its last layer is gone
		}
	}
	changed, err := h.compare(ctx, next)
	if err != nil {
		return fmt.Errorf("plugins: %w", err)
	}
	if err := h.applyAll(ctx, changed); err != nil {
		h.gates.update(h.list())
		return fmt.Errorf("plugins: %w", err)
	}
	h.layers = l
	spoken := h.names(l, h.rows)
	for _, e := range h.list() {
		if !spoken[e.name] && e.running == nil {
			h.forget(e.name)
		}
	}
	h.gates.update(h.list())
	return nil
}

// compare gives the targets that change something, in the order in which to put
// them in force: what goes first, then what comes or changes, those that others
// need first. The error has all that speaks against them.
func (h *Host) compare(ctx context.Context, next map[string]*target) ([]*target, error) {
	var changed []*target
	future := offer{}
	for name, t := range next {
		if t.set.enabled && t.pkg != nil {
			future[name] = t.pkg.Manifest
		}
	}
	order, _ := sortByNeeds(future)
	var faults []string
	for _, name := range slices.Sorted(maps.Keys(next)) {
		t := next[name]
		if e := h.find(name); e != nil && e.want.same(t) {
			continue
		}
		changed = append(changed, t)
		if !t.set.enabled {
			continue
		}
		if err := h.judge(ctx, t, future, future); err != nil {
			faults = append(faults, fmt.Sprintf("%s: %v", name, err))
		}
	}
	// A plugin that does not change may lose what it needs.
	there := h.inForce()
	for name, m := range there {
		if lines := future.lacks(m); future[name] != nil && len(lines) > 0 && len(there.lacks(m)) == 0 {
			faults = append(faults, fmt.Sprintf("%s %s", name, strings.Join(lines, "; ")))
		}
	}
	if len(faults) == 0 {
		if _, err := h.generate(h.routesAfter(next)); err != nil {
			faults = append(faults, err.Error())
		}
	}
	if len(faults) > 0 {
		slices.Sort(faults)
		return nil, invalid("%s", strings.Join(slices.Compact(faults), "\n"))
	}
	slices.SortStableFunc(changed, func(a, b *target) int {
		rank := func(t *target) int {
			if !t.set.enabled {
				return -1
			}
			return slices.Index(order, t.name)
		}
		return rank(a) - rank(b)
	})
	return changed, nil
}

// routesAfter gives the routes that there will be: of plugins that go on running
// or come to run.
func (h *Host) routesAfter(next map[string]*target) []Routes {
	var sets []Routes
	for _, name := range slices.Sorted(maps.Keys(next)) {
		t := next[name]
		e := h.find(name)
		comes := e == nil || !e.want.same(t)
		if t.set.enabled && t.err == nil && (comes || e.running != nil) {
			sets = append(sets, routesOf(t))
		}
	}
	return sets
}

// applyAll moves the plugins, and back again when one of them fails.
func (h *Host) applyAll(ctx context.Context, changed []*target) error {
	var done []func() error
	for _, t := range changed {
		e := h.find(t.name)
		if e == nil {
			e = h.entry(t.name)
			e.setWant(t.off())
			done = append(done, func() error { h.forget(e.name); return nil })
		}
		was := e.want
		// Dependents of what goes have been looked at.
		if err := h.move(ctx, e, t, editOptions{must: true, force: true}); err != nil {
			errs := []error{fmt.Errorf("%s: %w", t.name, err)}
			for _, undo := range slices.Backward(done) {
				errs = append(errs, undo())
			}
			return errors.Join(errs...)
		}
		done = append(done, func() error {
			if err := h.move(ctx, e, was, editOptions{force: true, undo: true}); err != nil {
				return fmt.Errorf("put %s back: %w", e.name, err)
			}
			return nil
		})
	}
	return nil
}
