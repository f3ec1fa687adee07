package takclient

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/takproto"
)

// Send sends one event element: as it is in XML, converted in TAK protocol. In
// XML it may be anything at all, well-formed or not. The frame may be larger
// than what the server may send to a client.
func (c *Client) Send(xml string) error {
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	b, err := c.appendEvent(c.out[:0], xml)
	if err != nil {
		return fmt.Errorf("%s: send: %w", c.name, err)
	}
	if cap(b) <= bufRead {
		c.out = b
	}
	return c.write(b)
}

// SendAll sends several events in one write.
func (c *Client) SendAll(xmls ...string) error {
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	var b []byte
	for _, xml := range xmls {
		var err error
		if b, err = c.appendEvent(b, xml); err != nil {
			return fmt.Errorf("%s: send: %w", c.name, err)
		}
	}
	return c.write(b)
}

// SendRaw sends bytes as they are, whatever the connection speaks.
func (c *Client) SendRaw(b []byte) error {
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	return c.write(b)
}

const prolog = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// appendEvent is called with writeMu held, so that the encoding cannot change
// before the bytes are out.
func (c *Client) appendEvent(dst []byte, xml string) ([]byte, error) {
	if !c.proto.Load() {
		if c.opt.prolog {
			dst = append(dst, prolog...)
		}
		return append(dst, xml...), nil
	}
	var h cot.Header
	if err := cot.Scan(xml, &h); err != nil {
		return dst, fmt.Errorf("an event that is not well-formed has no protobuf form: %w", err)
	}
	msg, err := takproto.AppendMessage(nil, xml, &h)
	if err != nil {
		return dst, fmt.Errorf("convert to protobuf: %w", err)
	}
	return appendProto(dst, msg), nil
}

// write is called with writeMu held.
func (c *Client) write(b []byte) error {
	if err := c.conn.SetWriteDeadline(time.Now().Add(DefaultWait)); err != nil {
		return fmt.Errorf("%s: send: %w", c.name, err)
	}
	if _, err := c.conn.Write(b); err != nil {
		return fmt.Errorf("%s: send: %w", c.name, err)
	}
	return nil
}

// SA sends the client's presence; more is XML that goes into the detail too.
func (c *Client) SA(lat, lon float64, more ...string) error {
	return c.Send(c.Presence(lat, lon, more...).XML())
}

// Chat sends a chat message, see GeoChat.
func (c *Client) Chat(text string, to ...Peer) error {
	return c.Send(c.GeoChat(text, to...).XML())
}

// Ping sends a ping as ATAK does. The pong is logged like any event and summed
// in Counts.Pongs.
func (c *Client) Ping() error {
	e := Event{UID: c.opt.uid + "-ping", Type: typePing, How: "m-g", Stale: 10 * time.Second}
	c.pings.Add(1)
	return c.Send(e.XML())
}

// Sync pings and waits, at most DefaultWait, for as many pongs as there were
// pings. The server deals with one connection's events in order, so it has
// then dealt with all that this client sent.
func (c *Client) Sync(t testing.TB) {
	t.Helper()
	if err := c.Ping(); err != nil {
		t.Fatal(err)
	}
	want := int(c.pings.Load())
	ctx, cancel := context.WithTimeout(context.Background(), DefaultWait)
	defer cancel()
	if err := c.WaitCounts(ctx, func(n Counts) bool { return n.Pongs >= want }); err != nil {
		t.Fatalf("wait for pong %d: %v\n%s", want, err, c.Report())
	}
}
