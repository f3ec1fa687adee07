package plugin

import (
	"slices"
	"sync"
)

// gates lets a listener open when the filters that must not be passed by are
// active: else events would come in undecided while a plugin starts.
type gates struct {
	mu   sync.Mutex
	open map[string]chan struct{} // by listener; closed: it may open
	shut func(listener string) bool
}

// Ready gives a channel that is closed as soon as the listener may open. The
// listeners of streams that no fail-closed filter covers may do so at once. It is
// to be called after Start.
func (h *Host) Ready(listener string) <-chan struct{} {
	g := &h.gates
	g.mu.Lock()
	defer g.mu.Unlock()
	if c := g.open[listener]; c != nil {
		return c
	}
	c := make(chan struct{})
	if g.open == nil {
		g.open = map[string]chan struct{}{}
	}
	g.open[listener] = c
	if g.shut == nil || !g.shut(listener) {
		close(c)
	}
	return c
}

// update looks which listeners may open now. The caller has the turn.
func (g *gates) update(entries []*entry) {
	var waiting [][]string // listeners of filters that are to be there and are not; empty: all
	for _, e := range entries {
		if e.running != nil && e.waiting == nil || !e.want.set.enabled || e.want.pkg == nil {
			continue
		}
		for _, f := range e.want.pkg.Manifest.Filters {
			if f.Fail == "closed" {
				waiting = append(waiting, f.Listeners)
			}
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = func(listener string) bool {
		return slices.ContainsFunc(waiting, func(names []string) bool { return len(names) == 0 || slices.Contains(names, listener) })
	}
	for listener, c := range g.open {
		select {
		case <-c:
		default:
			if !g.shut(listener) {
				close(c)
			}
		}
	}
}
