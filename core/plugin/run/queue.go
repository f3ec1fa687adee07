package run

import (
	"sync"

	"github.com/takhost/takhost/hostapi"
)

// eventCost is what an event in the queue counts beyond its XML, in bytes: the
// Event itself, shared with others, and the entry.
const eventCost = 512

// entry is an event that waits, with the subscriptions that chose it.
type entry struct {
	e    *hostapi.Event
	subs *subscriptions // that bits refers to
	bits uint32
}

func (n *entry) cost() int64 { return int64(len(n.e.XML)) + eventCost }

// queue holds the events that wait for one plugin: a ring that grows up to the
// limits. When it is full the oldest event goes, so that what was missed lies
// between two batches and not inside one. Safe for concurrent use.
type queue struct {
	mu     sync.Mutex
	ring   []entry
	head   uint64 // number of the first entry; entry n is at n modulo len(ring)
	tail   uint64 // number behind the last
	bytes  int64
	missed uint64 // since take last told
	latest map[latestKey]uint64

	maxEvents int
	maxBytes  int64
}

// latestKey finds the entry that a newer event of the same uid replaces. The
// subscriptions must be the same, as each of them was promised its events.
type latestKey struct {
	uid  string
	bits uint32
}

func newQueue(maxEvents int, maxBytes int64) *queue {
	return &queue{latest: map[latestKey]uint64{}, maxEvents: maxEvents, maxBytes: maxBytes}
}

// put appends entries and gives how many old ones were dropped for them.
func (q *queue) put(entries []entry) (dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range entries {
		dropped += q.add(&entries[i])
	}
	q.missed += uint64(dropped)
	return dropped
}

func (q *queue) add(n *entry) (dropped int) {
	replaceable := n.bits&^n.subs.latest == 0
	if replaceable {
		key := latestKey{n.e.UID, n.bits}
		if at, ok := q.latest[key]; ok && at >= q.head {
			old := q.at(at)
			if old.subs == n.subs {
				q.bytes += n.cost() - old.cost()
				*old = *n
				// The key's text was part of the event that is gone.
				q.latest[key] = at
				return 0
			}
		}
	}
	for q.tail > q.head && (int(q.tail-q.head) >= q.maxEvents || q.bytes+n.cost() > q.maxBytes) {
		q.pop()
		dropped++
	}
	if int(q.tail-q.head) == len(q.ring) {
		q.grow()
	}
	if replaceable {
		q.latest[latestKey{n.e.UID, n.bits}] = q.tail
	}
	*q.at(q.tail) = *n
	q.bytes += n.cost()
	q.tail++
	return dropped
}

func (q *queue) at(n uint64) *entry { return &q.ring[n%uint64(len(q.ring))] }

func (q *queue) grow() {
	ring := make([]entry, max(64, 2*len(q.ring)))
	for n := q.head; n < q.tail; n++ {
		ring[n%uint64(len(ring))] = *q.at(n)
	}
	q.ring = ring
}

func (q *queue) pop() entry {
	at := q.at(q.head)
	n := *at
	*at = entry{}
	if n.bits&^n.subs.latest == 0 {
		key := latestKey{n.e.UID, n.bits}
		if q.latest[key] == q.head {
			delete(q.latest, key)
		}
	}
	q.bytes -= n.cost()
	q.head++
	if q.head == q.tail && len(q.ring) > 1024 { // what a burst needed is given back
		q.ring = nil
		q.latest = map[latestKey]uint64{}
	}
	return n
}

// take moves up to most entries to the end of to, and tells how many events
// were dropped since it last did.
func (q *queue) take(to []entry, most int) (_ []entry, missed uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for ; most > 0 && q.tail > q.head; most-- {
		to = append(to, q.pop())
	}
	missed, q.missed = q.missed, 0
	return to, missed
}

// giveBack says that missed events, which take told, have not been told to the
// plugin yet.
func (q *queue) giveBack(missed uint64) {
	q.mu.Lock()
	q.missed += missed
	q.mu.Unlock()
}

func (q *queue) setLimits(maxEvents int, maxBytes int64) {
	q.mu.Lock()
	q.maxEvents, q.maxBytes = maxEvents, maxBytes
	q.mu.Unlock()
}

func (q *queue) size() (events int, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return int(q.tail - q.head), q.bytes
}
