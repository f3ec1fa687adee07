package stream

import (
	"errors"
	"log/slog"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/takproto"
)

// writeSome writes what is queued as far as the socket takes it. When it takes
// no more, a goroutine of the connection's own goes on. The hub calls it for
// connections that are listed.
func (c *conn) writeSome(s *scratch) {
	defer c.caught()
	c.mu.Lock()
	if c.state != listed || c.closed {
		c.mu.Unlock()
		return
	}
	c.state = writing
	c.written = time.Now()
	c.mu.Unlock()
	for len(c.left) > 0 || c.next() {
		if c.awaits() {
			return
		}
		buf := c.join(s, writeSize)
		n, more, err := c.sock.try(buf)
		c.wrote(n, s.lens)
		if err != nil {
			c.fail(err)
			return
		}
		if more || c.leftOff > 0 || len(c.left) > 0 && stoodFor(c.left[0]) == nil {
			c.s.conns.Go(func() { c.fail(c.guarded(c.drain)) })
			return
		}
	}
}

// drain writes until nothing is queued, waiting for the socket. It has the
// state writing from whoever started it.
func (c *conn) drain() error {
	s := drainScratches.get()
	defer drainScratches.put(s)
	for {
		if len(c.left) == 0 {
			stall := c.s.limits.Load().Stall
			if _, err := c.sock.wait(nil, stall); err != nil {
				return stalled(err, stall)
			}
			if !c.next() {
				return nil
			}
		}
		stall := c.s.limits.Load().Stall
		n, err := c.sock.wait(c.join(s, drainSize), stall)
		c.wrote(n, s.lens)
		c.progress()
		if err != nil {
			return stalled(err, stall)
		}
	}
}

// stall is the error of a client that took nothing for so long.
type stall time.Duration

func (s stall) Error() string { return "it took nothing for " + time.Duration(s).String() }

func stalled(err error, after time.Duration) error {
	if isTimeout(err) {
		return stall(after)
	}
	return err
}

// next takes the next events from the queue into left. It answers false, and
// gives up the state writing, when there are none.
func (c *conn) next() bool {
	for {
		c.mu.Lock()
		if c.closed || c.queue.empty() {
			c.state = idle
			c.mu.Unlock()
			return false
		}
		c.left = c.queue.take(c.left[:0], writeSize)
		c.setLag(c.lag && c.queue.more(4))
		c.mu.Unlock()
		if len(c.left) == 0 {
			continue // nothing was left of a replay
		}
		if c.left[0] != switchToProto {
			return true
		}
		c.proto.Store(true)
		c.left = c.left[:0]
	}
}

// join puts the bytes of the events in left together, up to size of them but at
// least one event, each in the form that this client speaks; s.lens has their
// lengths. An event that has no such form has length 0.
func (c *conn) join(s *scratch, size int) []byte {
	s.buf, s.lens = s.buf[:0], s.lens[:0]
	proto := c.proto.Load()
	for i, e := range c.left {
		if i > 0 && (len(s.buf)+weight(e) > size || proto && !ready(e)) {
			break
		}
		before := len(s.buf)
		if proto {
			s.buf = append(s.buf, c.frame(e)...)
		} else {
			s.buf = append(s.buf, e.XML...)
		}
		s.lens = append(s.lens, len(s.buf)-before)
	}
	return s.buf[c.leftOff:]
}

// frame gives the TAK protocol form of e, or of the notice in its place.
func (c *conn) frame(e *hostapi.Event) []byte {
	b, err := e.Frame(func(e *hostapi.Event) ([]byte, error) {
		return takproto.AppendFrame(nil, e.XML, &e.Header)
	})
	if err == nil {
		return b
	}
	size := len(e.XML)
	if in := (*stood)(nil); errors.As(err, &in) {
		b, err = in.frame()
		size = in.size
	}
	switch {
	case err == nil:
		return b
	case errors.Is(err, takproto.ErrTooLong):
		c.s.met.tooLong.Add(1)
		c.s.opt.Log.Warn("event too large for a TAK protocol client, it did not get it",
			slog.Uint64("conn", c.id), slog.String("id", e.ID.String()), slog.String("type", e.Type), slog.Int("bytes", size), slog.Any("why", err))
	default:
		c.s.met.unencodable.Add(1)
		c.s.opt.Log.Warn("event cannot be put into TAK protocol, a client did not get it",
			slog.Uint64("conn", c.id), slog.String("id", e.ID.String()), slog.String("type", e.Type), slog.Any("err", err))
	}
	return nil
}

// wrote notes that n more bytes of left went out; lens are the lengths of its
// events.
func (c *conn) wrote(n int, lens []int) {
	c.outBytes.Add(uint64(n))
	c.s.met.outBytes.Add(uint64(n))
	n += c.leftOff
	done := 0
	for done < len(lens) && n >= lens[done] {
		n -= lens[done]
		done++
	}
	c.leftOff = n
	rest := copy(c.left, c.left[done:])
	clear(c.left[rest:])
	c.left = c.left[:rest]
	if rest == 0 && cap(c.left) > 256 {
		c.left = nil // an idle connection keeps no large slice
	}
}

func (c *conn) progress() {
	c.mu.Lock()
	c.moved = c.s.opt.Now()
	c.mu.Unlock()
}

// fail ends the connection after a write that failed, if one did.
func (c *conn) fail(err error) {
	if err == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.As(err, new(stall)) {
		c.s.met.slow.Add(1)
		c.closeLocked("slow: " + err.Error())
		return
	}
	c.closeLocked("") // the reading side meets the same end and tells it
}

// stopPatience is how long a stop waits for a client that takes nothing.
const stopPatience = time.Second

// flushUntil waits until what is queued went out, the time is over, or the
// client takes no more.
func (c *conn) flushUntil(end time.Time) {
	var out uint64
	moved := time.Now()
	for now := moved; now.Before(end) && now.Sub(moved) < stopPatience; now = time.Now() {
		c.s.hub.flush()
		c.mu.Lock()
		done := c.closed || c.state == idle
		c.mu.Unlock()
		if done {
			return
		}
		if n := c.outBytes.Load(); n != out {
			out, moved = n, now
		}
		time.Sleep(time.Millisecond)
	}
}
