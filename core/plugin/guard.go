package plugin

import (
	"context"
	"log/slog"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/takhost/takhost/core/plugin/run"
	"github.com/takhost/takhost/hostapi/manifest"
)

// setGuard keeps events from passing by a fail-closed filter that is to run and
// cannot: they are dropped, as its manifest says. A guard that is there stays until
// the new one is.
func (h *Host) setGuard(e *entry, t *target) {
	switch {
	case t.pkg != nil && !failsClosed(t.pkg.Manifest):
		h.dropGuard(context.Background(), e)
		return
	case t.err != nil, e.guard != nil && e.guard.target == t:
		return
	}
	r, err := h.build(t, nil)
	if err != nil {
		h.log.Error("a filter that drops events while it cannot run is not even known well enough for that", "plugin", e.name, "err", err)
		return
	}
	// An actor that was never activated answers as one that cannot run. What it
	// counts is of no interest.
	quiet, err := run.NewMetrics(prometheus.NewRegistry())
	if err != nil { // a fresh registry refuses nothing
		h.log.Error("no guard for a filter", "plugin", e.name, "err", err)
		return
	}
	o := h.actorOptions(e)
	o.Report, o.Metrics, o.Log = nil, quiet, slog.New(slog.DiscardHandler)
	r.actor = run.New(o, r.version)
	e.mu.Lock()
	old := e.guard
	e.guard = r
	e.mu.Unlock()
	h.publish()
	h.endGuard(context.Background(), e, old)
}

// dropGuard ends that: the filter runs, or is not to run any more.
func (h *Host) dropGuard(ctx context.Context, e *entry) {
	e.mu.Lock()
	r := e.guard
	e.guard = nil
	e.mu.Unlock()
	if r != nil {
		h.publish()
		h.endGuard(ctx, e, r)
	}
}

// endGuard ends a guard that is not in force any more.
func (h *Host) endGuard(ctx context.Context, e *entry, r *running) {
	if r == nil {
		return
	}
	if err := r.actor.Close(ctx); err != nil {
		h.log.Debug("the guard of a filter did not end cleanly", "plugin", e.name, "err", err)
	}
	r.calls.Close()
}

func failsClosed(m *manifest.Manifest) bool {
	return slices.ContainsFunc(m.Filters, func(f manifest.Filter) bool { return f.Fail == "closed" })
}
