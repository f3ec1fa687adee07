package stream

import (
	"log/slog"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// greet offers the TAK protocol, once per connection and behind the replay of
// positions (spec/tak-streaming.md 4 and 10). node-tak reads the version out
// of it and takes an offer without one for a map item.
func (c *conn) greet() {
	c.say(c.offer, "t-x-takp-v", "m-g", time.Minute, func(b *cot.Builder) {
		b.Point(0, 0, 0, 999999, 999999)
		b.Start("detail").Start("TakControl")
		b.Start("TakProtocolSupport").Attr("version", "1").End()
		b.Start("TakServerVersionInfo").Attr("serverVersion", c.s.opt.Version).Attr("apiVersion", "3").End()
	})
}

// negotiate answers a request for the TAK protocol. Behind a positive answer
// nothing of XML goes out any more; what comes in is taken for what it is by
// its first byte.
func (c *conn) negotiate(e *hostapi.Event) {
	if c.in.maybe {
		return // asked and answered
	}
	ok := requestedVersion(e) == "1"
	status := "false"
	var then []*hostapi.Event
	if ok {
		c.in.maybe = true
		status, then = "true", []*hostapi.Event{switchToProto}
	}
	c.say(c.offer, "t-x-takp-r", "m-g", time.Minute, func(b *cot.Builder) {
		b.Point(0, 0, 0, 999999, 999999)
		b.Start("detail").Start("TakControl").Start("TakResponse").Attr("status", status)
	}, then...)
}

func requestedVersion(e *hostapi.Event) string {
	tree, err := cot.ParseDetail(e.XML, &e.Header)
	if err != nil {
		return ""
	}
	if control, ok := tree.Root().Child("TakControl"); ok {
		if request, ok := control.Child("TakRequest"); ok {
			v, _ := request.Attr("version")
			return v
		}
	}
	return ""
}

// pong answers a ping, to the pinger alone and in the form that the connection
// speaks at the time.
func (c *conn) pong() {
	c.say("takPong", "t-x-c-t-r", "h-g-i-g-o", 20*time.Second, func(b *cot.Builder) {
		b.Point(0, 0, 0, cot.Unknown, cot.Unknown)
	})
}

// say sends an event of the server's own to this client alone, and then.
func (c *conn) say(uid, typ, how string, stale time.Duration, rest func(*cot.Builder), then ...*hostapi.Event) {
	b := cot.NewEvent(uid, typ, how, c.s.opt.Now(), stale)
	rest(b)
	xml, err := b.String()
	e := &hostapi.Event{XML: xml, Origin: hostapi.FromServer, Recv: c.s.opt.Now().UnixMicro()}
	if err == nil {
		err = cot.Scan(xml, &e.Header)
	}
	if err != nil {
		c.s.opt.Log.Error("cannot make a message to a client", slog.String("type", typ), slog.Any("err", err))
		return
	}
	c.Offer(append([]*hostapi.Event{e}, then...))
	c.s.hub.flush()
}
