package call

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/takhost/takhost/hostapi"
)

// maxMadeSets is how many sets of groups a plugin may make while the server runs. A
// set stays for ever, in memory and in the database, and of n groups there are 2^n.
const maxMadeSets = 1000

// maxKnownSets bounds what is remembered, so that it need not be looked for.
const maxKnownSets = 4 * maxMadeSets

// madeSets knows the sets that a plugin has put together, and how many of them were
// not there before. Safe for concurrent use.
type madeSets struct {
	mu    sync.Mutex
	made  int
	known map[string]hostapi.SetID
}

// intern gives the set of groups that a plugin, or an event that it answers, has put
// together. One that was there before counts for nothing.
func (c *Call) intern(op hostapi.HostOp, ids []hostapi.GroupID) (hostapi.SetID, error) {
	groups, m := c.p.env.Groups, &c.p.acct.sets
	if len(ids) == 1 { // there are no more of those than groups
		return groups.Intern(ids...)
	}
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	var key []byte
	for _, id := range ids {
		key = binary.AppendVarint(key, int64(id))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if set, ok := m.known[string(key)]; ok {
		return set, nil
	}
	if m.known == nil || len(m.known) >= maxKnownSets {
		m.known = map[string]hostapi.SetID{}
	}
	for _, set := range groups.With(ids[0]) {
		if slices.Equal(groups.Members(set), ids) {
			m.known[string(key)] = set
			return set, nil
		}
	}
	if m.made >= maxMadeSets {
		return 0, beyond(op, "the plugin has put groups together in %d ways that nobody else has, and no more are possible", m.made)
	}
	set, err := groups.Intern(ids...)
	if err != nil {
		return 0, err
	}
	m.made++
	m.known[string(key)] = set
	return set, nil
}
