package web

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/takhost/takhost/hostapi"
)

// What one reader of live events may be behind. Then the oldest events go, as
// somebody who watches wants to see what happens now.
const (
	liveEvents = 4096
	liveBytes  = 16 << 20
)

// Live passes what the router routed on to whoever watches. It is a route.Tap.
type Live struct {
	// readers is nil while nobody watches. Lists in it are never changed.
	readers atomic.Pointer[[]*liveReader]

	mu     sync.Mutex // for changing readers, and for closed
	closed bool
}

// NewLive gives a Live that nobody watches yet.
func NewLive() *Live { return &Live{} }

// Routed implements route.Tap. It costs one load while nobody watches.
func (l *Live) Routed(evs []*hostapi.Event) {
	list := l.readers.Load()
	if list == nil {
		return
	}
	for _, r := range *list {
		r.offer(evs)
	}
}

// Close ends all watching, now and later.
func (l *Live) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	if list := l.readers.Swap(nil); list != nil {
		for _, r := range *list {
			close(r.done)
		}
	}
}

// watch begins to collect events that pass f, until the reader is dropped.
func (l *Live) watch(f Filter) *liveReader {
	r := &liveReader{filter: f, wake: make(chan struct{}, 1), done: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		close(r.done)
		return r
	}
	var list []*liveReader
	if old := l.readers.Load(); old != nil {
		list = slices.Clone(*old)
	}
	list = append(list, r)
	l.readers.Store(&list)
	return r
}

func (l *Live) drop(r *liveReader) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.readers.Load()
	if old == nil {
		return
	}
	list := slices.DeleteFunc(slices.Clone(*old), func(q *liveReader) bool { return q == r })
	if len(list) == 0 {
		l.readers.Store(nil)
		return
	}
	l.readers.Store(&list)
}

// liveReader is one who watches. wake has room for one: a second signal before
// the first is seen tells nothing new.
type liveReader struct {
	filter Filter
	wake   chan struct{}
	done   chan struct{} // closed when there will be no more

	mu     sync.Mutex
	ring   []*hostapi.Event // grows up to liveEvents, then is written round
	first  int
	n      int
	bytes  int
	missed uint64 // since the last take

	taken []*hostapi.Event // of the goroutine that drains
}

func (r *liveReader) offer(evs []*hostapi.Event) {
	some := false
	for _, e := range evs {
		if r.filter.Pass(&e.Header) {
			r.push(e)
			some = true
		}
	}
	if !some {
		return
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *liveReader) push(e *hostapi.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.n > 0 && (r.n >= liveEvents || r.bytes+len(e.XML) > liveBytes) {
		r.bytes -= len(r.ring[r.first].XML)
		r.ring[r.first] = nil
		r.first = (r.first + 1) % len(r.ring)
		r.n--
		r.missed++
	}
	if r.n == len(r.ring) {
		grown := make([]*hostapi.Event, min(liveEvents, max(16, 2*r.n)))
		k := copy(grown, r.ring[r.first:])
		copy(grown[k:], r.ring[:r.first])
		r.ring, r.first = grown, 0
	}
	r.ring[(r.first+r.n)%len(r.ring)] = e
	r.n++
	r.bytes += len(e.XML)
}

// take gives what has come since, oldest first, appended to buf, and how many
// events before them were lost.
func (r *liveReader) take(buf []*hostapi.Event) (evs []*hostapi.Event, missed uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.n {
		buf = append(buf, r.ring[(r.first+i)%len(r.ring)])
	}
	missed = r.missed
	r.ring, r.first, r.n, r.bytes, r.missed = nil, 0, 0, 0, 0
	return buf, missed
}

// eventKind is the kind of a message that is a CoT event.
const eventKind = "event"

var _ source = (*liveReader)(nil)

func (r *liveReader) woken() <-chan struct{} { return r.wake }
func (r *liveReader) ended() <-chan struct{} { return r.done }

// drain implements source. Each event is one message; one of the kind lagging
// tells how many were left out because the client reads too slowly.
func (r *liveReader) drain(out func(push) error) error {
	evs, missed := r.take(r.taken[:0])
	r.taken = evs
	defer clear(evs)
	if missed > 0 {
		if err := out(lagging(missed)); err != nil {
			return err
		}
	}
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false) // XML has many <
	for _, e := range evs {
		line.Reset()
		if err := enc.Encode(EventOf(e)); err != nil {
			return err
		}
		if err := out(push{kind: eventKind, id: e.ID.String(), data: bytes.TrimSuffix(line.Bytes(), []byte{'\n'})}); err != nil {
			return err
		}
	}
	return nil
}

func lagging(missed uint64) push {
	return push{kind: "lagging", data: []byte(`{"missed":` + strconv.FormatUint(missed, 10) + `}`)}
}
