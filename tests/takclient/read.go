package takclient

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/takhost/takhost/hostapi/takproto"
)

// Sizes of the read buffer in bytes: what an idle client keeps, what one read
// asks for at most, and where a client gives up on an endless event.
const (
	bufSmall = 4 << 10
	bufRead  = 64 << 10
	bufMax   = 32 << 20
)

// read is the client's goroutine.
func (c *Client) read() {
	defer close(c.done)
	var (
		buf = make([]byte, 0, bufSmall)
		cut cutter
	)
	for {
		n, err := c.conn.Read(buf[len(buf):cap(buf)])
		if n > 0 {
			buf = buf[:len(buf)+n]
			full := len(buf) == cap(buf)
			used, ferr := c.consume(&cut, buf, time.Now())
			buf = buf[:copy(buf, buf[used:])]
			if ferr == nil && len(buf) > bufMax {
				ferr = fmt.Errorf("an event of over %d bytes without an end", bufMax)
			}
			if ferr != nil {
				c.fault(ferr)
				c.stop(ferr)
				return
			}
			buf = c.resize(buf, full)
		}
		if err == nil {
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && c.park() {
			continue
		}
		c.stop(err)
		return
	}
}

func (c *Client) stop(err error) {
	select {
	case <-c.closing:
		err = errClosedHere
	default:
	}
	c.End(err)
	c.conn.Close()
}

// resize makes room for the next read: more after a read that filled the
// buffer, little again once nothing waits in a large one.
func (c *Client) resize(buf []byte, full bool) []byte {
	c.mu.Lock()
	c.tail = len(buf)
	c.mu.Unlock()
	size := cap(buf)
	switch {
	case len(buf) == cap(buf), full && size < bufRead:
		size *= 2
	case len(buf) == 0 && !full && size > bufRead:
		size = bufSmall
	default:
		return buf
	}
	return append(make([]byte, 0, size), buf...)
}

// cutter is the state of framing between two reads.
type cutter struct {
	xml   xmlCutter
	stray []byte // head of the bytes that belong to no protobuf frame
}

// strayMax bounds the stray bytes kept to name them.
const strayMax = 128

// consume logs every whole event in buf and says how many bytes are done with.
func (c *Client) consume(cut *cutter, buf []byte, at time.Time) (used int, err error) {
	if c.opt.raw {
		c.mu.Lock()
		c.raw = append(c.raw, buf...)
		c.wake()
		c.mu.Unlock()
		return len(buf), nil
	}
	for used < len(buf) {
		var n int
		if c.proto.Load() { // the event before may have switched it
			n, err = c.consumeProto(cut, buf[used:], at)
		} else {
			n = c.consumeXML(cut, buf[used:], at)
		}
		used += n
		if n == 0 || err != nil {
			return used, err
		}
	}
	return used, nil
}

func (c *Client) consumeXML(cut *cutter, buf []byte, at time.Time) (used int) {
	start, end, stray, ok := cut.xml.next(buf)
	if !ok {
		return 0
	}
	if stray > 0 {
		c.fault(fmt.Errorf("%d bytes that belong to no event: %s", stray, clip(string(buf[:start]), strayMax)))
	}
	raw := string(buf[:end])
	c.deliver(newReceived(raw[start:], raw, at))
	return end
}

func (c *Client) consumeProto(cut *cutter, buf []byte, at time.Time) (used int, err error) {
	skip, start, end, ok, err := cutProto(buf)
	if skip > 0 {
		c.strayProto(cut, buf[:skip])
	}
	if err != nil || !ok {
		return skip, err
	}
	raw := string(buf[skip:end])
	xml, err := takproto.AppendXML(nil, buf[start:end])
	if err != nil {
		c.deliver(&Received{Raw: raw, At: at, Proto: true, Err: fmt.Errorf("convert from protobuf: %w", err)})
		return end, nil
	}
	r := newReceived(string(xml), raw, at)
	r.Proto = true
	c.deliver(r)
	return end, nil
}

func (c *Client) strayProto(cut *cutter, b []byte) {
	cut.stray = append(cut.stray, b[:min(len(b), strayMax-len(cut.stray))]...)
	c.fault(fmt.Errorf("%d bytes that belong to no frame: %s", len(b), clip(string(b), strayMax)))
	if bytes.Contains(cut.stray, []byte("<event")) {
		c.mu.Lock()
		c.neg.XMLAfter = true
		c.mu.Unlock()
	}
}

func (c *Client) deliver(r *Received) {
	if r.Err != nil {
		c.fault(fmt.Errorf("%w: %s", r.Err, clip(r.Raw, 300)))
	} else if !r.Proto {
		c.negotiation(r) // before anyone can see the event
	}
	c.add(r)
	if c.opt.watch != nil {
		c.opt.watch(r)
	}
}

// faultsMax bounds the faults kept: the first ones tell the story.
const faultsMax = 20

func (c *Client) fault(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addFault(err)
}

// addFault is called with Inbox.mu held.
func (c *Client) addFault(err error) {
	if len(c.faults) < faultsMax {
		c.faults = append(c.faults, err)
	}
}

// Faults says in which ways the server broke the protocol so far.
func (c *Client) Faults() []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]error(nil), c.faults...)
}
