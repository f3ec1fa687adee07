package stream

import (
	"slices"
	"time"

	"github.com/takhost/takhost/hostapi"
)

// queue is what one receiver is still to get: events in order, bounded in
// number and in bytes of XML. It is not safe for concurrent use; conn.mu
// guards it.
//
// When it is full, positions that a newer one of the same uid supersedes go
// first, then positions past their time. Nothing else ever goes: if that is
// not enough, the receiver is slow and push says so. Dropping what is
// superseded in one sweep, rather than replacing it one by one as events come,
// costs a constant per event and keeps the order of each sender (RATIONALE.md).
type queue struct {
	events []*hostapi.Event // events[head:] wait
	head   int
	bytes  int

	// replays are taken where the marks replayHere stand in events, each at its
	// own, and count towards no bound: a newcomer gets everybody's position,
	// however many there are. The slices are shared with others.
	replays [][]*hostapi.Event

	maxEvents, maxBytes int
}

// replayHere marks the place of a replay among the events.
var replayHere = &hostapi.Event{}

// dropped counts what a full queue gave up.
type dropped struct{ superseded, expired int }

// weight is what e counts in a queue, in bytes.
func weight(e *hostapi.Event) int {
	switch {
	case e.XML != "":
		return len(e.XML)
	case e.ID != 0:
		return noticeSize
	}
	return 0 // a mark
}

func (q *queue) len() int { return len(q.events) - q.head }

func (q *queue) empty() bool { return q.len() == 0 }

// waiting counts the events, those to be replayed too.
func (q *queue) waiting() int {
	n := q.len() - len(q.replays)
	for _, evs := range q.replays {
		n += len(evs)
	}
	return n
}

// replay appends events that count towards no bound.
func (q *queue) replay(evs []*hostapi.Event) {
	q.events = append(q.events, replayHere)
	q.replays = append(q.replays, evs)
}

// bound sets how much may wait. A queue that fills more than half of a smaller
// bound keeps the old one until it does not: its receiver is not to be closed
// for what was allowed a moment ago.
func (q *queue) bound(events, bytes int) {
	if events > q.maxEvents || q.len() <= events/2 {
		q.maxEvents = events
	}
	if bytes > q.maxBytes || q.bytes <= bytes/2 {
		q.maxBytes = bytes
	}
}

// more says whether more than one part of n of the room is taken.
func (q *queue) more(n int) bool { return q.len() > q.maxEvents/n || q.bytes > q.maxBytes/n }

func (q *queue) full() bool { return q.len() > q.maxEvents || q.bytes > q.maxBytes }

// push appends events. It answers false when the queue overflows for good;
// they are in it nonetheless. A single event may be larger than the bound.
func (q *queue) push(evs []*hostapi.Event, now func() time.Time) (d dropped, ok bool) {
	for _, e := range evs {
		q.bytes += weight(e)
	}
	q.events = append(q.events, evs...)
	if !q.full() || q.len() == 1 {
		return d, true
	}
	d.superseded = q.sweep(superseding())
	if q.nearlyFull() {
		d.expired = q.sweep(expiredAt(now().UnixMicro()))
	}
	// Room for a sixteenth must have come, or the next events would each cost
	// another sweep through everything.
	return d, !q.nearlyFull() || q.len() == 1
}

func (q *queue) nearlyFull() bool {
	return q.len() > q.maxEvents-q.maxEvents/16 || q.bytes > q.maxBytes-q.maxBytes/16
}

// take moves events of at most max bytes, but at least one, to dst, unless
// nothing is left of a replay. It stops before and after a switch of the
// encoding, which comes alone.
func (q *queue) take(dst []*hostapi.Event, max int) []*hostapi.Event {
	n, free := 0, 0
	for q.head < len(q.events) {
		e := q.events[q.head]
		if e == replayHere {
			was := n
			dst, n = q.takeReplay(dst, n, max)
			free += n - was
			if len(q.replays[0]) > 0 {
				break
			}
			q.replays = q.replays[1:]
			if len(q.replays) == 0 {
				q.replays = nil
			}
		} else {
			if len(dst) > 0 && (n+weight(e) > max || e == switchToProto) {
				break
			}
			n += weight(e)
			dst = append(dst, e)
		}
		q.events[q.head] = nil
		q.head++
		if e == switchToProto {
			break
		}
	}
	q.bytes -= n - free
	switch {
	case q.head < len(q.events):
		if q.head > 1024 && q.head > len(q.events)/2 {
			q.events = append(q.events[:0], q.events[q.head:]...)
			clear(q.events[len(q.events):cap(q.events)][:q.head])
			q.head = 0
		}
	case cap(q.events) > 256:
		q.events, q.head = nil, 0 // an idle connection keeps no large slice
	default:
		q.events, q.head = q.events[:0], 0
	}
	return dst
}

// takeReplay moves events of the first replay to dst, which has n bytes.
func (q *queue) takeReplay(dst []*hostapi.Event, n, max int) ([]*hostapi.Event, int) {
	evs := q.replays[0]
	for len(evs) > 0 && (len(dst) == 0 || n+weight(evs[0]) <= max) {
		n += weight(evs[0])
		dst = append(dst, evs[0])
		evs = evs[1:]
	}
	q.replays[0] = evs
	return dst, n
}

// forget drops the events that gone names.
func (q *queue) forget(gone func(*hostapi.Event) bool) {
	q.sweep(gone)
	for i, evs := range q.replays {
		if slices.ContainsFunc(evs, gone) {
			q.replays[i] = slices.DeleteFunc(slices.Clone(evs), gone)
		}
	}
}

// sweep drops the events that gone names, looking from the newest to the
// oldest, and says how many.
func (q *queue) sweep(gone func(*hostapi.Event) bool) int {
	to := len(q.events)
	for i := len(q.events) - 1; i >= q.head; i-- {
		e := q.events[i]
		if gone(e) {
			q.bytes -= weight(e)
			continue
		}
		to--
		q.events[to] = e
	}
	n := to - q.head
	clear(q.events[q.head:to])
	q.head = to
	return n
}

// superseding names positions of which a newer one was seen before.
func superseding() func(*hostapi.Event) bool {
	seen := map[string]struct{}{}
	return func(e *hostapi.Event) bool {
		if !e.IsPosition() {
			return false
		}
		if _, ok := seen[e.UID]; ok {
			return true
		}
		seen[e.UID] = struct{}{}
		return false
	}
}

// expiredAt names positions whose time is over at now (µs), counted from their
// coming.
func expiredAt(now int64) func(*hostapi.Event) bool {
	return func(e *hostapi.Event) bool {
		return e.IsPosition() && e.Stale > e.Time && now > e.Recv+e.Stale-e.Time
	}
}
