package stream

import (
	"runtime"
	"sync"
	"time"
)

// hub writes out what was queued. Whoever queued events calls flush when it is
// done: if the last round of writing is long enough ago, it writes at once,
// itself; otherwise the events wait for the end of the gather window, so that
// one write carries all that came meanwhile. The window is therefore 0 when
// events are few. Writing never waits for a socket.
type hub struct {
	window time.Duration // longest wait for more events to write along
	urgent int           // bytes queued for one receiver that end the wait

	mu      sync.Mutex
	waiting []*conn // each once; they have something queued
	spare   []*conn
	last    time.Time // end of the last round
	writing bool      // a round is going on
	hurry   bool      // a receiver reached urgent
	armed   bool      // the timer will come
	timer   *time.Timer
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
	h.window = 0
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
	h.waiting = append(h.waiting, c)
	h.mu.Unlock()
}

// hurryUp ends the wait at the next flush.
func (h *hub) hurryUp() {
	h.mu.Lock()
	h.hurry = true
	h.mu.Unlock()
}

// flush writes what is queued, now or at the end of the window.
func (h *hub) flush() { h.round(false) }

func (h *hub) tick() { h.round(true) }

// round writes once, if it is time and nobody else is at it. What comes
// meanwhile is left to the timer: a publisher that stayed to write for others
// would not read its own socket.
func (h *hub) round(timer bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if timer {
		h.armed = false
	}
	if h.writing || len(h.waiting) == 0 {
		return
	}
	if !h.due() {
		h.arm()
		return
	}
	list := h.waiting
	h.waiting, h.writing, h.hurry = h.spare[:0], true, false
	h.mu.Unlock()
	writeAll(list)
	clear(list)
	h.mu.Lock()
	h.spare, h.writing, h.last = list, false, time.Now()
	if len(h.waiting) > 0 {
		h.arm()
	}
}

func (h *hub) due() bool { return h.hurry || time.Since(h.last) >= h.window }

func (h *hub) arm() {
	if h.armed {
		return
	}
	h.armed = true
	wait := h.window
	if h.hurry {
		wait = 0
	}
	h.timer.Reset(wait)
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
