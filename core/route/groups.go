package route

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/takhost/takhost/hostapi"
)

// Groups interns sets of groups, so that an event, a session or a stored row
// carries one small number for all of them. Reading takes no lock.
type Groups struct {
	sets  atomic.Pointer[[][]hostapi.GroupID] // by SetID; each sorted, none changed once it is here
	names atomic.Pointer[map[string]hostapi.GroupID]

	mu    sync.Mutex
	byKey map[string]hostapi.SetID
	save  func(hostapi.SetID, []hostapi.GroupID) error
}

// NewGroups starts with the sets that were stored before (by id; the set of
// __ANON__ is always there). save makes a new set durable before its id is
// used, because stored events refer to it.
func NewGroups(stored map[hostapi.SetID][]hostapi.GroupID, save func(hostapi.SetID, []hostapi.GroupID) error) *Groups {
	g := &Groups{byKey: map[string]hostapi.SetID{}, save: save}
	sets := [][]hostapi.GroupID{nil, {hostapi.AnonGroup}}
	for id, members := range stored {
		for int(id) >= len(sets) {
			sets = append(sets, nil)
		}
		sets[id] = canonical(members)
	}
	for id, members := range sets {
		g.byKey[setKey(members)] = hostapi.SetID(id)
	}
	g.sets.Store(&sets)
	g.SetNames(nil)
	return g
}

// SetNames says which groups there are, by name; __ANON__ need not be named.
func (g *Groups) SetNames(names map[string]hostapi.GroupID) {
	all := map[string]hostapi.GroupID{hostapi.AnonGroupName: hostapi.AnonGroup}
	maps.Copy(all, names)
	g.names.Store(&all)
}

// Named gives the group of that name.
func (g *Groups) Named(name string) (hostapi.GroupID, bool) {
	id, ok := (*g.names.Load())[name]
	return id, ok
}

// Intern gives the id of a set of groups. Order and repeats do not matter.
func (g *Groups) Intern(members ...hostapi.GroupID) (hostapi.SetID, error) {
	members = canonical(members)
	key := setKey(members)
	g.mu.Lock()
	defer g.mu.Unlock()
	if id, ok := g.byKey[key]; ok {
		return id, nil
	}
	old := *g.sets.Load()
	id := hostapi.SetID(len(old))
	if err := g.save(id, members); err != nil {
		return 0, fmt.Errorf("store group set: %w", err)
	}
	sets := append(slices.Clone(old), members)
	g.byKey[key] = id
	g.sets.Store(&sets)
	return id, nil
}

// Members gives the groups of a set, sorted. The caller must not change them.
func (g *Groups) Members(id hostapi.SetID) []hostapi.GroupID {
	sets := *g.sets.Load()
	if id <= 0 || int(id) >= len(sets) {
		return nil
	}
	return sets[id]
}

// Intersects says whether two sets have a group in common.
func (g *Groups) Intersects(a, b hostapi.SetID) bool {
	if a == b {
		return len(g.Members(a)) > 0
	}
	x, y := g.Members(a), g.Members(b)
	for len(x) > 0 && len(y) > 0 {
		switch {
		case x[0] == y[0]:
			return true
		case x[0] < y[0]:
			x = x[1:]
		default:
			y = y[1:]
		}
	}
	return false
}

// Contains says whether group is in the set.
func (g *Groups) Contains(set hostapi.SetID, group hostapi.GroupID) bool {
	_, found := slices.BinarySearch(g.Members(set), group)
	return found
}

// With gives the ids of all sets that hold group: what a query by group asks
// the archive for.
func (g *Groups) With(group hostapi.GroupID) []hostapi.SetID {
	var ids []hostapi.SetID
	for id := range *g.sets.Load() {
		if g.Contains(hostapi.SetID(id), group) {
			ids = append(ids, hostapi.SetID(id))
		}
	}
	return ids
}

func canonical(members []hostapi.GroupID) []hostapi.GroupID {
	return slices.Compact(slices.Sorted(slices.Values(members)))
}

func setKey(members []hostapi.GroupID) string {
	var b []byte
	for _, m := range members {
		b = binary.AppendVarint(b, int64(m))
	}
	return string(b)
}

// Names gives all groups by name. The caller must not change it.
func (g *Groups) Names() map[string]hostapi.GroupID { return *g.names.Load() }
