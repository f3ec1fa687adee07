package stream

import (
	"runtime"
	"sync"
	"time"
)

// hub writes out what was queued. Whoever queued events calls flush when it is
// done. A connection that was not written to for the gather window is written
// at once, by the caller; the others wait for the end of the window, so that
// one write carries all that came meanwhile. The window is therefore 0 for a
// client that gets little, and nobody is written to more often than once in a
// window. Writing never waits for a socket.
//
// A connection stands in one of the lists, once, as long as its state is
// listed. Several callers may write at once: each has taken its list out.
type hub struct {
	urgent int // bytes queued for one receiver that end the wait

	mu     sync.Mutex
	window time.Duration // longest wait for more events to write along
	fresh  []*conn       // something was queued since the last flush
	later  []*conn       // wait for the end of the window
	spare  []*conn       // an empty slice to use again
	hurry  bool          // a receiver reached urgent
	armed  bool          // the timer will come
	timer  *time.Timer
}

func newHub(window time.Duration) *hub {
	h := &hub{window: window, urgent: 64 << 10}
	h.timer = time.AfterFunc(time.Hour, h.tick)
	h.timer.Stop()
	return h
}

// hasten ends all waiting for more events, for good: the server stops.
func (h *hub) hasten() {
	h.mu.Lock()
	h.window, h.hurry = 0, true
	h.mu.Unlock()
	h.flush()
}

// stop ends the timer. Nothing is queued any more.
func (h *hub) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer.Stop()
}

// add lists a connection that has something queued.
func (h *hub) add(c *conn) {
	h.mu.Lock()
	h.fresh = append(h.fresh, c)
	h.mu.Unlock()
}

// hurryUp ends the wait at the next flush.
func (h *hub) hurryUp() {
	h.mu.Lock()
	h.hurry = true
	h.mu.Unlock()
}

// flush writes what is queued, now or at the end of the window.
func (h *hub) flush() {
	h.mu.Lock()
	if len(h.fresh) == 0 && !h.hurry {
		h.mu.Unlock()
		return
	}
	list, due := h.fresh, 0
	h.fresh, h.spare = h.spare[:0], nil
	if h.hurry {
		h.hurry = false
		list = append(list, h.later...)
		due = len(list)
		clear(h.later)
		h.later = h.later[:0]
	} else {
		now := time.Now()
		for i, c := range list {
			if now.Sub(c.written) >= h.window {
				list[i], list[due] = list[due], list[i]
				due++
			}
		}
		h.later = append(h.later, list[due:]...)
		if due < len(list) && !h.armed {
			h.armed = true
			h.timer.Reset(h.window)
		}
	}
	h.mu.Unlock()
	h.write(list[:due])
	h.reuse(list)
}

// tick writes to all that waited for it.
func (h *hub) tick() {
	h.mu.Lock()
	h.armed = false
	list := h.later
	h.later = nil
	h.mu.Unlock()
	h.write(list)
	h.reuse(list)
}

// reuse keeps the larger of the spare slices.
func (h *hub) reuse(list []*conn) {
	clear(list)
	h.mu.Lock()
	defer h.mu.Unlock()
	if cap(list) > cap(h.spare) {
		h.spare = list[:0]
	}
}

func (h *hub) write(list []*conn) {
	if len(list) > 0 {
		writeAll(list)
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
