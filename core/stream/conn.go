package stream

import (
	"errors"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/takhost/takhost/hostapi"
)

// How many bytes one write carries at most, but for an event that is larger by
// itself: in a round of the hub, and to a socket that is full.
const (
	writeSize = 128 << 10
	drainSize = 32 << 10
)

// conn is one client's connection.
type conn struct {
	s       *Server
	sock    socket
	id      uint64
	addr    string
	ip      string
	on      string // name of the listener
	since   time.Time
	session Session
	ended   chan struct{} // closed when nothing of the connection is left
	offer   string        // uid of the protocol negotiation

	in reader // used by the reading goroutine alone

	// mu guards what is below. Under it the hub's lock may be taken, nothing
	// else.
	mu     sync.Mutex
	queue  queue
	state  writeState
	closed bool
	lag    bool
	why    string    // why the server closed it
	moved  time.Time // when the last bytes went out with more waiting

	tak   bool  // what is queued from now on goes out as TAK protocol
	place Place // how the client reaches us; not changed once it may be offered events

	written time.Time // when it was last written to without waiting
	due     time.Time // of a listed one: when it is to be written

	// What a write left over; used only by whoever has state writing.
	left    []*hostapi.Event
	leftOff int // bytes of left[0] that went out already

	proto      atomic.Bool // what goes out is TAK protocol
	inBytes    atomic.Uint64
	outBytes   atomic.Uint64
	inEvents   atomic.Uint64
	superseded atomic.Uint64
}

// writeState says who is to write what is queued.
type writeState uint8

const (
	idle    writeState = iota // nothing is queued
	listed                    // the next round of the hub
	writing                   // somebody is at it, and stays until nothing is left
	waiting                   // for the notice that is first in left; see standIn.wake
)

// switchToProto in a queue means that everything behind it goes out as TAK
// protocol (spec/tak-streaming.md 4).
var switchToProto = &hostapi.Event{}

// Offer queues events. It implements route.Receiver.
func (c *conn) Offer(evs []*hostapi.Event) (lagging bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	if c.tak {
		evs = c.standIns(evs)
	} else {
		c.tak = len(evs) > 0 && evs[len(evs)-1] == switchToProto
	}
	limits := c.s.limits.Load()
	c.queue.bound(limits.QueueEvents, limits.QueueBytes)
	d, ok := c.queue.push(evs, c.s.opt.Now)
	if n := d.superseded + d.expired; n > 0 {
		c.superseded.Add(uint64(n))
		c.s.met.superseded.Add(uint64(d.superseded))
		c.s.met.expired.Add(uint64(d.expired))
	}
	if !ok {
		c.closeLocked("slow: it reads less than it is sent, and its queue is full")
		c.s.met.slow.Add(1)
		return false
	}
	c.want(slices.ContainsFunc(evs, isHasty))
	c.setLag(c.lag || c.queue.more(2))
	return c.lag && c.s.opt.Now().Sub(c.moved) < time.Second
}

// isHasty says whether an event is more than one position of many: somebody who
// appears is to be seen at once.
func isHasty(e *hostapi.Event) bool { return !e.IsPosition() || e.First }

// setLag notes whether the client is behind: it is from the time its queue is
// half full until three quarters are free. c.mu is held.
func (c *conn) setLag(lag bool) {
	switch {
	case lag && !c.lag:
		c.s.lagging.Add(1)
	case !lag && c.lag:
		c.s.lagging.Add(-1)
	}
	c.lag = lag
}

// Replay queues positions that are to be seen now, however many, behind what is
// queued. It implements route.Receiver.
func (c *conn) Replay(evs []*hostapi.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(evs) > 0 && !c.closed {
		if c.tak {
			evs = c.standIns(evs)
		}
		c.queue.replay(evs)
		c.want(true)
	}
}

// Forget drops what is queued and gone names. It implements route.Forgetter.
func (c *conn) Forget(gone func(*hostapi.Event) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue.forget(gone)
	c.setLag(c.lag && c.queue.more(4))
}

// want lists the connection for writing; hasty says that there is more than
// positions to write. c.mu is held.
func (c *conn) want(hasty bool) {
	switch c.state {
	case idle:
		c.state = listed
		c.due = c.s.hub.add(c, hasty)
	case listed:
		if full := c.queue.bytes > c.s.hub.urgent; full || hasty {
			c.due = c.s.hub.sooner(c.due, full)
		}
	}
}

// dueAt says when the connection is to be written at the latest.
func (c *conn) dueAt() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.due
}

// Close ends the connection. It implements route.Receiver.
func (c *conn) Close(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeLocked(why)
}

func (c *conn) closeLocked(why string) {
	if c.closed {
		return
	}
	c.closed, c.why = true, why
	c.queue = queue{}
	c.setLag(false)
	if p, ok := c.sock.(*plainSocket); ok {
		// It may take its time, as a WebSocket does to say goodbye, and the
		// caller may hold the router's lock.
		c.s.conns.Go(func() { p.Close() })
		return
	}
	c.sock.Close() // ends the read, and with it everything else
}

// serve reads until the connection ends.
func (c *conn) serve() {
	defer c.s.release(c)
	defer func() { c.s.unfinished.Add(int64(-len(c.in.rest))) }()
	err := c.guarded(c.read)
	c.session.Leave()
	c.finish(err)
}

// guarded runs a part of the connection's work. A fault of ours that some input
// brings to light must cost that connection and not the server.
func (c *conn) guarded(work func() error) (err error) {
	err = net.ErrClosed // stays when work panics
	defer c.caught()
	return work()
}

// caught is deferred where a fault must not get any further.
func (c *conn) caught() {
	if p := recover(); p != nil {
		c.s.met.panics.Add(1)
		c.s.opt.Log.Error("fault in the server, one connection is closed for it; please report this",
			slog.String("addr", c.addr), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		c.fail(net.ErrClosed)
	}
}

// finish closes the connection after what is queued went out, if anybody
// still reads it.
func (c *conn) finish(err error) {
	if c.s.closing.Load() {
		c.flushUntil(c.s.closeBy())
	}
	c.mu.Lock()
	why := c.why
	c.closeLocked("")
	c.mu.Unlock()
	log := c.s.opt.Log.With(slog.Uint64("conn", c.id), slog.String("addr", c.addr), slog.String("listener", c.on))
	switch {
	case why != "":
		log.Warn("connection closed", slog.String("why", why))
	case errors.Is(err, syscall.ETIMEDOUT):
		c.s.met.gone.Add(1)
		log.Warn("connection closed", slog.String("why", "its peer is gone: nothing was acknowledged for "+(c.s.limits.Load().Stall+userTimeoutMore).String()))
	case isEnd(err):
		log.Debug("connection ended")
	default:
		log.Info("connection lost", slog.Any("err", err))
	}
}
