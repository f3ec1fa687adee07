package call

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/store"
)

// forced is which topics and aliases the router has, by their revisions. Two
// commits may get here in another order than the database took them.
type forced struct {
	mu      sync.Mutex
	topics  map[string]*ruling
	aliases map[string]*ruling
	gone    []gone // oldest first
	drops   uint64 // counts them
}

// ruling is the state of a topic or alias that is in force. That it is no more
// is a state, too.
type ruling struct {
	revision uint64
	topics   []string // of an alias
	drop     uint64   // number of its drop; 0: it is there
}

// gone names a topic or alias that is no more.
type gone struct {
	in   map[string]*ruling
	name string
	drop uint64
}

// maxGone bounds what is remembered of topics and aliases that are no more:
// long enough for a commit that is still on its way.
const maxGone = 4096

// Restore puts the stored topics and aliases in force. It is called at start,
// before clients can send anything.
func (e *Env) Restore(ctx context.Context) error {
	topics, err := e.Store.Topics(ctx)
	if err != nil {
		return fmt.Errorf("restore topics: %w", err)
	}
	aliases, err := e.Store.Aliases(ctx)
	if err != nil {
		return fmt.Errorf("restore aliases: %w", err)
	}
	e.route(topics, aliases)
	return nil
}

// InForce makes true outside of the database what was committed in it: topics
// and aliases in the router, and word of timers. Commit does so itself; this is
// for commits that are no call's.
func (e *Env) InForce(done store.Committed) {
	e.route(done.Topics, done.Aliases)
	byPlugin := map[string][]store.Timer{}
	var order []string
	for _, t := range done.Timers {
		if byPlugin[t.Plugin] == nil {
			order = append(order, t.Plugin)
		}
		byPlugin[t.Plugin] = append(byPlugin[t.Plugin], t)
	}
	for _, plugin := range order {
		e.mu.Lock()
		a := e.accounts[plugin]
		e.mu.Unlock()
		if a != nil {
			a.timers.committed(byPlugin[plugin])
		}
		if e.Timers != nil {
			e.Timers(plugin, byPlugin[plugin])
		}
	}
}

func (e *Env) route(topics []store.Topic, aliases []store.Alias) {
	if len(topics)+len(aliases) == 0 {
		return
	}
	f := &e.force
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.topics == nil {
		f.topics, f.aliases = map[string]*ruling{}, map[string]*ruling{}
	}
	for _, t := range topics {
		if !f.rule(f.topics, t.Name, ruling{revision: t.Revision}, t.Dropped) {
			continue
		}
		if t.Dropped {
			e.Router.DropTopic(t.Name)
			continue
		}
		members := make([]route.Member, len(t.Members))
		for i, m := range t.Members {
			members[i] = route.Member{User: m.User, UID: m.Client, Publish: m.MayPublish}
		}
		e.Router.SetTopic(route.Topic{ID: t.Name, Members: members})
	}
	for _, a := range aliases {
		if f.rule(f.aliases, a.Name, ruling{revision: a.Revision, topics: a.Topics}, len(a.Topics) == 0) {
			e.Router.SetAlias(a.Name, a.Topics...)
		}
	}
}

// rule notes a state, unless a newer one is in force. f.mu is held.
func (f *forced) rule(in map[string]*ruling, name string, r ruling, drop bool) bool {
	if old := in[name]; old != nil && old.revision >= r.revision {
		return false
	}
	if drop {
		f.drops++
		r.drop = f.drops
		f.gone = append(f.gone, gone{in, name, r.drop})
	}
	in[name] = &r
	if len(f.gone) >= maxGone {
		for _, g := range f.gone[:maxGone/2] {
			if r := g.in[g.name]; r != nil && r.drop == g.drop {
				delete(g.in, g.name)
			}
		}
		f.gone = slices.Clone(f.gone[maxGone/2:])
	}
	return true
}

// topicsOf gives what an alias stands for.
func (f *forced) topicsOf(alias string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.aliases[alias]; r != nil {
		return r.topics
	}
	return nil
}
