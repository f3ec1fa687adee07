package store

import (
	"context"
	"sync"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

const (
	// batchRows is the most that one transaction holds: some 20 ms of work.
	batchRows = 2000

	// gather is how long the first event of a batch waits for others. With the
	// time that the batch itself takes it keeps below the 50 ms that a crash of
	// the process may cost.
	gather = 30 * time.Millisecond

	// Both are indexed, and an index entry of PostgreSQL holds 2,700 bytes.
	// Events with longer ones are refused, in SQLite too, so that both agree.
	maxUID  = 1024
	maxType = 256

	// eventCost is what a waiting event takes beside its xml, in bytes.
	eventCost = 512
)

// dropReason says why an event did not reach the archive.
type dropReason uint8

const (
	dropFull    dropReason = iota // the queue was full
	dropDisk                      // archiving has stopped, the disk being nearly full
	dropRefused                   // the database refuses this event
	dropClosed                    // the store is closed, or was before the event was written
	dropReasons
)

var dropNames = [dropReasons]string{"queue full", "disk nearly full", "refused", "closed"}

// queue holds the events that wait for the writer. It is bounded in events and
// bytes; those the writer has in hand count until they are stored or given up.
type queue struct {
	types   cot.TypeSet
	wake    chan struct{} // capacity 1; the writer looks again
	dropped chan struct{} // capacity 1; the keeper reports

	mu sync.Mutex // guards what is below

	maxEvents int
	maxBytes  int64

	ring    []*hostapi.Event // a power of two long; grows as needed
	head, n int
	held    int         // events, those in the writer's hand included
	bytes   int64       // their bytes
	first   time.Time   // when the oldest waiting event came, or earlier
	in, out uint64      // events accepted; events stored or given up
	waits   []flushWait // targets rise
	drops   [dropReasons]uint64
	paused  bool // the disk is nearly full
	closed  bool
}

type flushWait struct {
	target uint64
	done   chan struct{}
}

func newQueue(types cot.TypeSet, maxEvents int, maxBytes int64) *queue {
	return &queue{
		types: types, maxEvents: maxEvents, maxBytes: maxBytes,
		wake: make(chan struct{}, 1), dropped: make(chan struct{}, 1),
		ring: make([]*hostapi.Event, 1024),
	}
}

// bound sets how much may wait. What waits already stays, also if it is more.
func (q *queue) bound(events int, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.maxEvents, q.maxBytes = events, bytes
}

func sizeOf(e *hostapi.Event) int64 { return int64(len(e.XML)) + eventCost }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// put takes what is to be archived of evs.
func (q *queue) put(evs []*hostapi.Event) {
	var now time.Time
	wake, lost := false, false
	q.mu.Lock()
	for _, e := range evs {
		if e.Fleeting || e.Flags.Has(cot.NoArchive) || !q.types.Match(e.Type) {
			continue
		}
		if why, ok := q.room(e); !ok {
			q.drops[why]++
			lost = true
			continue
		}
		if q.n == 0 {
			if now.IsZero() {
				now = time.Now()
			}
			q.first = now
		}
		q.push(e)
		wake = wake || q.n == 1 || q.n == batchRows
	}
	q.mu.Unlock()
	if wake {
		poke(q.wake)
	}
	if lost {
		poke(q.dropped)
	}
}

func (q *queue) room(e *hostapi.Event) (why dropReason, ok bool) {
	switch {
	case len(e.UID) > maxUID || len(e.Type) > maxType:
		return dropRefused, false
	case q.closed:
		return dropClosed, false
	case q.paused:
		return dropDisk, false
	case q.held >= q.maxEvents || q.bytes+sizeOf(e) > q.maxBytes:
		return dropFull, false
	}
	return 0, true
}

func (q *queue) push(e *hostapi.Event) {
	if q.n == len(q.ring) {
		ring := make([]*hostapi.Event, 2*len(q.ring))
		k := copy(ring, q.ring[q.head:])
		copy(ring[k:], q.ring[:q.head])
		q.ring, q.head = ring, 0
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = e
	q.n++
	q.held++
	q.bytes += sizeOf(e)
	q.in++
}

// take moves up to batchRows events into the writer's hand, appending to to.
func (q *queue) take(to []*hostapi.Event) []*hostapi.Event {
	q.mu.Lock()
	defer q.mu.Unlock()
	for range min(q.n, batchRows) {
		to = append(to, q.ring[q.head])
		q.ring[q.head] = nil
		q.head = (q.head + 1) & (len(q.ring) - 1)
		q.n--
	}
	return to
}

// ready tells how long the writer should still gather; idle that nothing
// waits, done that nothing will come any more.
func (q *queue) ready() (wait time.Duration, idle, done bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.n == 0:
		return 0, true, q.closed
	case q.n >= batchRows || q.closed || len(q.waits) > 0:
		return 0, false, false
	}
	return gather - time.Since(q.first), false, false
}

// release ends the stay of evs in the writer's hand.
func (q *queue) release(evs []*hostapi.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range evs {
		q.bytes -= sizeOf(e)
	}
	q.held -= len(evs)
	q.out += uint64(len(evs))
	for len(q.waits) > 0 && q.waits[0].target <= q.out {
		close(q.waits[0].done)
		q.waits = q.waits[1:]
	}
}

// flush waits until everything that was accepted before the call is stored or
// given up.
func (q *queue) flush(ctx context.Context) error {
	q.mu.Lock()
	if q.out >= q.in {
		q.mu.Unlock()
		return nil
	}
	w := flushWait{target: q.in, done: make(chan struct{})}
	q.waits = append(q.waits, w)
	q.mu.Unlock()
	poke(q.wake)
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close refuses further events; the writer ends when it has stored the rest.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	poke(q.wake)
}

// pause refuses events while the disk is nearly full.
func (q *queue) pause(on bool) {
	q.mu.Lock()
	q.paused = on
	q.mu.Unlock()
}

// drop counts n events that were accepted but not stored.
func (q *queue) drop(why dropReason, n int) {
	q.mu.Lock()
	q.drops[why] += uint64(n)
	q.mu.Unlock()
	poke(q.dropped)
}

// giveUp empties the queue and tells how many events are lost.
func (q *queue) giveUp() int {
	q.mu.Lock()
	n := q.n
	q.mu.Unlock()
	for evs := q.take(nil); len(evs) > 0; evs = q.take(evs[:0]) {
		q.release(evs)
	}
	q.drop(dropClosed, n)
	return n
}

type queueStats struct {
	events int
	bytes  int64
	drops  [dropReasons]uint64
}

func (q *queue) stats() queueStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return queueStats{events: q.held, bytes: q.bytes, drops: q.drops}
}
