package stream

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/time/rate"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/takproto"
)

// frameHeader is more than what stands before an event in a frame.
const frameHeader = 16

// readSize is the buffer for one read. It comes from a pool when there is
// something to read and goes back when all of it is used.
const readSize = 64 << 10

var readBuffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// undecidedWait is how long a comment may stay open when events seem to follow
// in it (framer.undecided).
const undecidedWait = time.Second

// reader turns a connection's bytes into events. It belongs to the reading
// goroutine.
type reader struct {
	pooled  *[readSize]byte // filled by the read under way
	rest    []byte          // bytes of an unfinished event
	since   time.Time       // when rest began
	doubt   time.Time       // since when framer is undecided about it
	framer  framer
	maybe   bool // -q was answered: the next byte may be TAK protocol
	proto   bool // what comes in is TAK protocol
	wary    bool // the last frame was bad: look before copying the next one
	timed   bool // a read deadline is set
	batch   []*hostapi.Event
	limiter *rate.Limiter
	first   []byte // what came behind the <auth>, in the same read
}

// read reads until the connection ends and gives the reason.
func (c *conn) read() error {
	get, put := c.room, c.unused
	if first := c.in.first; len(first) > 0 {
		c.in.first = nil
		c.received(copy(c.room(), first))
		c.unused()
		c.setDeadline()
	}
	for {
		n, err := c.sock.read(get, put)
		if n > 0 {
			c.received(n)
		}
		c.unused()
		if err != nil {
			if !isTimeout(err) || c.s.closing.Load() {
				return err
			}
			c.expire()
		}
		c.setDeadline()
	}
}

// room gives the place for the next bytes: behind those of an unfinished event.
// Up to half a buffer of these is moved into the pooled buffer at each read; a
// larger event has room of its own, which grows.
func (c *conn) room() []byte {
	in := &c.in
	if len(in.rest) > readSize/2 {
		if cap(in.rest)-len(in.rest) < readSize/2 {
			grown := make([]byte, len(in.rest), 2*cap(in.rest))
			copy(grown, in.rest)
			in.rest = grown
		}
		return in.rest[len(in.rest):cap(in.rest)]
	}
	in.pooled = readBuffers.Get().(*[readSize]byte)
	return in.pooled[copy(in.pooled[:], in.rest):]
}

func (c *conn) unused() {
	if c.in.pooled != nil {
		readBuffers.Put(c.in.pooled)
		c.in.pooled = nil
	}
}

// received works through the bytes at hand, n of them new.
func (c *conn) received(n int) {
	c.inBytes.Add(uint64(n))
	c.s.met.inBytes.Add(uint64(n))
	in := &c.in
	var data []byte
	if in.pooled != nil {
		data = in.pooled[:len(in.rest)+n]
	} else {
		data = in.rest[:len(in.rest)+n]
	}
	left := c.consume(data)
	c.publish()
	c.keep(left, in.rest == nil || len(left) < len(data))
}

// keep remembers the bytes of an unfinished event for the next read; fresh says
// that it is another event than before.
func (c *conn) keep(left []byte, fresh bool) {
	in := &c.in
	before := len(in.rest)
	if len(left) == 0 {
		c.s.unfinished.Add(int64(-before))
		in.rest = nil
		return
	}
	if fresh {
		in.since = time.Now()
	}
	if c.s.unfinished.Add(int64(len(left)-before)) > int64(c.s.limits.Load().Unfinished) {
		c.s.unfinished.Add(int64(-len(left)))
		c.drop(errors.New("too many bytes of unfinished events on all connections"), len(left))
		in.rest, in.framer = nil, framer{}
		return
	}
	switch {
	case in.pooled == nil && !fresh:
		in.rest = left // where it was, and longer
	case in.pooled == nil && len(left) > readSize/2:
		in.rest = in.rest[:copy(in.rest[:cap(in.rest)], left)]
	default:
		in.rest = append([]byte(nil), left...)
	}
}

// consume takes whole events off data and gives what is left.
func (c *conn) consume(data []byte) []byte {
	in, limits := &c.in, c.s.limits.Load()
	for len(data) > 0 {
		if in.maybe && !in.proto {
			if at := indexMagic(data); at >= 0 {
				in.proto, in.framer = true, framer{}
				data = data[at:]
			}
		}
		var drop int
		var lost error
		if in.proto {
			drop, lost = c.nextFrame(data)
		} else {
			drop, lost = in.framer.next(data, c.take)
		}
		if drop == 0 {
			if len(data) > limits.MaxEvent+frameHeader {
				drop = c.giveUp(data)
				lost = fmt.Errorf("unfinished event is longer than %d bytes", limits.MaxEvent)
			} else {
				break
			}
		}
		if lost != nil {
			c.drop(lost, drop)
		}
		data = data[drop:]
		if in.limiter != nil && len(in.batch) >= 256 {
			c.publish()
		}
	}
	switch {
	case !in.framer.undecided:
		in.doubt = time.Time{}
	case in.doubt.IsZero():
		in.doubt = time.Now()
	}
	return data
}

// giveUp says how many bytes to drop of an event that will not become whole.
func (c *conn) giveUp(data []byte) int {
	if c.in.proto {
		return 1 // behind this magic byte there may be another
	}
	return c.in.framer.giveUp(data)
}

// take makes an event of a frame, if it is a good one.
func (c *conn) take(frame []byte) error {
	limits := c.s.limits.Load()
	if len(frame) > limits.MaxEvent {
		return fmt.Errorf("event of %d bytes is longer than %d", len(frame), limits.MaxEvent)
	}
	if c.in.wary {
		// A sender of much that is broken must not make us copy all of it.
		var h cot.Header
		if err := limits.Scan.Scan(unsafe.String(unsafe.SliceData(frame), len(frame)), &h); err != nil {
			return err
		}
	}
	e := &hostapi.Event{XML: string(frame)}
	err := limits.Scan.Scan(e.XML, &e.Header)
	if c.in.wary = err != nil; c.in.wary {
		return err
	}
	c.event(e)
	return nil
}

// nextFrame takes one TAK protocol frame off data.
func (c *conn) nextFrame(data []byte) (drop int, lost error) {
	limits := c.s.limits.Load()
	f := takproto.Split(data, limits.MaxEvent)
	if f.Skip > 0 {
		return f.Skip, errJunk
	}
	if !f.Complete() {
		return 0, nil
	}
	n, payload := f.Size, f.Message
	xml, err := takproto.AppendXML(nil, payload)
	if errors.Is(err, takproto.ErrNoEvent) {
		return n, nil // ATAK tells its protocol versions and nothing else
	}
	e := &hostapi.Event{XML: unsafe.String(unsafe.SliceData(xml), len(xml))} // xml is ours alone
	if err == nil {
		err = limits.Scan.Scan(e.XML, &e.Header)
	}
	if err != nil {
		if n < len(data) && data[n] != magic {
			n = 1 // its length is wrong too: the next frame may be inside
		}
		return n, err
	}
	if n <= takproto.MaxFrame {
		e.SetFrame(append([]byte(nil), data[:n]...))
	}
	c.event(e)
	return n, nil
}

// event gives e its number and time, answers it if it is for the server, and
// puts it into the batch otherwise.
func (c *conn) event(e *hostapi.Event) {
	id, at := c.s.opt.NextID()
	e.ID, e.Recv = id, at.UnixMicro()
	c.inEvents.Add(1)
	switch e.Type {
	case "t-x-c-t":
		c.pong()
	case "t-x-c-t-r":
	case "t-x-takp-q":
		c.publish() // what came before is to be routed before the switch
		c.negotiate(e)
	case "t-x-takp-v", "t-x-takp-r":
	default:
		c.in.batch = append(c.in.batch, e)
	}
}

// publish hands the batch to the router. A sender that most of its receivers
// cannot follow is read more slowly, so that TCP slows it down and nothing has
// to be thrown away.
func (c *conn) publish() {
	in := &c.in
	n := len(in.batch)
	if n == 0 {
		return
	}
	lagging, receivers := c.session.Publish(in.batch)
	for _, e := range in.batch {
		if len(e.XML) > takproto.MaxFrame {
			c.s.await(e)
		}
	}
	clear(in.batch)
	in.batch = in.batch[:0]
	if cap(in.batch) > 256 {
		in.batch = nil
	}
	if lagging*2 > receivers {
		c.yield(lagging)
	}
	c.limit(n)
}

// limit waits until n events are within limits.sender_rate, of which it waits for
// two seconds' worth at a time: it may change meanwhile.
func (c *conn) limit(n int) {
	for n > 0 {
		c.in.limiter = rated(c.in.limiter, c.s.limits.Load().SenderRate)
		if c.in.limiter == nil {
			return
		}
		part := min(n, c.in.limiter.Burst())
		if d := c.in.limiter.ReserveN(c.s.opt.Now(), part).Delay(); d > 0 {
			c.s.met.limited.Add(1)
			c.s.pause(d)
		}
		n -= part
	}
}

// How long a sender waits at the most for receivers that are behind, per batch,
// and how often it looks.
const (
	longestYield = 200 * time.Millisecond
	yieldStep    = 2 * time.Millisecond
)

// yield waits until most of those who are behind have caught up. Receivers that
// take nothing at all are not waited for: they do not count as lagging.
func (c *conn) yield(lagging int) {
	c.s.met.slowed.Add(1)
	for end := time.Now().Add(longestYield); c.s.lagging.Load()*2 > int64(lagging) && time.Now().Before(end) && !c.s.closing.Load(); {
		c.s.pause(yieldStep)
	}
}

// expire drops what has been unfinished for too long.
func (c *conn) expire() {
	in := &c.in
	if len(in.rest) == 0 {
		return
	}
	why := errors.New("unfinished event, and nothing more came")
	if in.framer.undecided {
		why = errors.New("comment or CDATA that does not end before the next event")
	}
	data := in.rest
	// All of it has waited long enough, however many such there are in it.
	for again := true; again; again = in.framer.undecided && len(data) > 0 {
		n := c.giveUp(data)
		c.drop(why, n)
		data = c.consume(data[n:])
	}
	c.publish()
	c.keep(data, true)
}

// setDeadline lets the next read end when what is unfinished has to be given
// up. Nothing is waited for on a connection that is silent between events.
func (c *conn) setDeadline() {
	in := &c.in
	var at time.Time
	if len(in.rest) > 0 {
		at = in.since.Add(c.s.limits.Load().UnfinishedWait)
		if d := in.doubt.Add(undecidedWait); !in.doubt.IsZero() && d.Before(at) {
			at = d
		}
		if soon := time.Now().Add(time.Millisecond); at.Before(soon) {
			at = soon // what has come already is read first
		}
	}
	if at.IsZero() && !in.timed {
		return
	}
	in.timed = !at.IsZero()
	if err := c.sock.SetReadDeadline(at); err != nil {
		return // the connection is closed, the next read tells
	}
	if c.s.closing.Load() {
		c.interrupt()
	}
}

// interrupt ends the read under way.
func (c *conn) interrupt() {
	if err := c.sock.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return // closed already, which is as good
	}
}

// drop counts and tells what was lost. The content is not logged: it may hold
// the password of an <auth>.
func (c *conn) drop(why error, n int) {
	c.s.met.malformed.Add(1)
	c.s.opt.Log.Warn("bad input dropped, the connection goes on",
		slog.Uint64("conn", c.id), slog.String("addr", c.addr), slog.Int("bytes", n), slog.Any("why", why))
}

// magic begins every frame of the TAK protocol.
const magic = 0xBF

// indexMagic finds the first byte of TAK protocol where an event of XML cannot
// be: before anything but white space.
func indexMagic(data []byte) int {
	for i, b := range data {
		if b == magic {
			return i
		}
		if !isSpace(b) {
			return -1
		}
	}
	return -1
}

// isTimeout says whether a deadline of ours is over. The kernel's giving up on a
// peer (ETIMEDOUT) is another thing.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// isEnd says whether err is an ordinary end of a connection.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
