package stream

import (
	"runtime"
	"sync"
	"time"
)

// hub writes out what was queued. A connection that was not written to for its
// gather window is written at once, by whoever queued the events and calls
// flush; otherwise the events wait for the end of a window, so that one write
// carries all that came meanwhile. The window is therefore 0 for a client that
// gets little, and nobody is written to much more often than once in a window.
// Positions, which come all the time and are old news anyway, have a longer
// window than everything else; the first one of a client has not. Writing never waits for a socket.
//
// A connection stands in one of the lists, once, as long as its state is
// listed. Several callers may write at once: each has taken its list out.
type hub struct {
	urgent int // bytes queued for one receiver that end the wait

	mu    sync.Mutex
	long  time.Duration // window of positions
	short time.Duration // window of everything else
	now   []*conn       // to be written by the next flush
	later []*conn       // to be written when they are due
	spare []*conn       // an empty slice to use again
	next  time.Time     // when the timer comes; zero when it does not
	timer *time.Timer

	hastened bool // nothing waits any more
}

// newHub gives a hub with that window for positions.
func newHub(window time.Duration) *hub {
	h := &hub{long: window, short: window / 3, urgent: 64 << 10}
	h.timer = time.AfterFunc(time.Hour, h.tick)
	h.timer.Stop()
	return h
}

// setWindow changes the window. What waits is due when it was.
func (h *hub) setWindow(window time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.hastened {
		h.long, h.short = window, window/3
	}
}

// hasten ends all waiting for more events, for good: the server stops.
func (h *hub) hasten() {
	h.mu.Lock()
	h.long, h.short, h.hastened = 0, 0, true
	h.now = append(h.now, h.later...)
	h.later = nil
	h.mu.Unlock()
	h.flush()
}

// stop ends the timer. Nothing is queued any more.
func (h *hub) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer.Stop()
}

// add lists a connection that has something queued, and says when it is due: at
// the next flush if it was not written to for a window, otherwise at the end of
// one. hasty says that not all of what is queued are positions. c.mu is held.
func (h *hub) add(c *conn, hasty bool) (due time.Time) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	window := h.long
	if hasty {
		window = h.short
	}
	if now.Sub(c.written) >= window {
		h.now = append(h.now, c)
		return now
	}
	due = now.Add(window)
	h.later = append(h.later, c)
	h.wakeAt(due, now)
	return due
}

// sooner makes a listed connection due at once (full) or at the end of a short
// window, if that is earlier than due, and says when it is due now. c.mu is held.
func (h *hub) sooner(due time.Time, full bool) time.Time {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	earlier := now
	if !full {
		earlier = now.Add(h.short)
	}
	if !earlier.Before(due) {
		return due
	}
	h.wakeAt(earlier, now)
	return earlier
}

// wakeAt makes the timer come no later than at due. h.mu is held.
func (h *hub) wakeAt(due, now time.Time) {
	if h.next.IsZero() || due.Before(h.next) {
		h.next = due
		h.timer.Reset(due.Sub(now))
	}
}

// flush writes what is to be written at once.
func (h *hub) flush() {
	h.mu.Lock()
	if len(h.now) == 0 {
		h.mu.Unlock()
		return
	}
	list := h.now
	h.now, h.spare = h.spare[:0], nil
	h.mu.Unlock()
	h.write(list)
}

// tick writes to all who are due, and sets the timer for the others.
func (h *hub) tick() {
	h.mu.Lock()
	now := time.Now()
	h.next = time.Time{}
	list := h.later
	h.later = h.spare[:0]
	h.spare = nil
	h.mu.Unlock()

	n := 0 // those before are due
	var next time.Time
	for i, c := range list {
		if due := c.dueAt(); !due.After(now) {
			list[i], list[n] = list[n], list[i]
			n++
		} else if next.IsZero() || due.Before(next) {
			next = due
		}
	}
	if n < len(list) {
		h.mu.Lock()
		h.later = append(h.later, list[n:]...)
		h.wakeAt(next, now)
		h.mu.Unlock()
	}
	clear(list[n:])
	h.write(list[:n])
}

// write writes to all in the list and keeps its memory for the next one.
func (h *hub) write(list []*conn) {
	if len(list) > 0 {
		writeAll(list)
		clear(list)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if cap(list) > cap(h.spare) {
		h.spare = list[:0]
	}
}

// spread is how many receivers make it worth to use more than one core.
const spread = 512

func writeAll(list []*conn) {
	n := min(runtime.GOMAXPROCS(0), len(list)/spread+1)
	if n == 1 {
		writeEach(list)
		return
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { writeEach(list[i*len(list)/n : (i+1)*len(list)/n]) })
	}
	wg.Wait()
}

func writeEach(list []*conn) {
	s := scratches.get()
	for _, c := range list {
		c.writeSome(s)
	}
	scratches.put(s)
}

// scratch is the room in which one round puts the bytes of a write together.
type scratch struct {
	buf  []byte
	lens []int
}

// A round has one large scratch; connections whose sockets are full have a
// small one each, as there may be thousands of them.
var (
	scratches      = scratchPool(writeSize)
	drainScratches = scratchPool(drainSize)
)

type pool struct {
	sync.Pool
	size int
}

func scratchPool(size int) *pool {
	p := &pool{size: size + size/8}
	p.New = func() any { return &scratch{buf: make([]byte, 0, p.size)} }
	return p
}

func (p *pool) get() *scratch { return p.Get().(*scratch) }

// put takes s back, without a buffer that grew for one large event.
func (p *pool) put(s *scratch) {
	if cap(s.buf) > 2*p.size {
		s.buf = make([]byte, 0, p.size)
	}
	p.Put(s)
}
