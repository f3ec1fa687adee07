package route

import (
	"sync/atomic"
	"time"

	"github.com/takhost/takhost/hostapi"
)

// IDs gives out event ids of one node, rising strictly even when the clock
// stands still or runs backwards. Safe for concurrent use.
type IDs struct {
	node int
	now  func() time.Time
	last atomic.Int64
}

// NewIDs gives ids above last, the highest one that was ever given.
func NewIDs(node int, last hostapi.ID, now func() time.Time) *IDs {
	ids := &IDs{node: node, now: now}
	if last > 0 {
		// Ids of another node may be stored beside ours: start above them in
		// time, with our own node bits.
		ids.last.Store(int64(hostapi.NewID(last.Time().Add(time.Millisecond), node, 0)))
	}
	return ids
}

// Next gives the next id and the time at which it was given.
func (g *IDs) Next() (hostapi.ID, time.Time) {
	now := g.now()
	fresh := hostapi.NewID(now, g.node, 0)
	for {
		last := hostapi.ID(g.last.Load())
		id := fresh
		if id <= last {
			id = last.Next()
		}
		if g.last.CompareAndSwap(int64(last), int64(id)) {
			return id, now
		}
	}
}

// Last gives the highest id given so far.
func (g *IDs) Last() hostapi.ID { return hostapi.ID(g.last.Load()) }
