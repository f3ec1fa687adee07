// Command webhook is a plugin that sends events to another server, each as a request with
// JSON. What is committed here can be undone, what has left the building cannot: so an
// event is first put into an outbox, in one commit with the place up to which the archive
// has been read, and a timer sends what is in there.
//
// The receiver gets each event at least once, in their order, with a header
// Idempotency-Key by which it knows an event again.
package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/takhost/takhost/sdk"
)

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }

func newPlugin() *sdk.Plugin {
	h := &hook{}
	return &sdk.Plugin{
		Name: "webhook", Version: "1.0.0",
		Init:   h.start,
		Events: h.event,
		Timers: map[string]func(*sdk.Call, *sdk.Timer) error{sendTimer: h.send},
		HTTP:   map[string]sdk.Handler{"status": h.status},
	}
}

// hook is one instance: its settings, and for the status what went wrong last.
type hook struct {
	url, authorization string
	timeout, pause     time.Duration
	tries              int64

	fault string
	next  time.Time
}

func (h *hook) start(c *sdk.Call, _ *sdk.Start) error {
	config := c.Config()
	h.url, h.authorization = config.Text("url"), config.TextOr("authorization", "")
	h.timeout, h.pause = config.Duration("timeout"), config.Duration("pause")
	h.tries = config.Int("tries")
	if err := config.Err(); err != nil {
		return err
	}
	if !strings.HasPrefix(h.url, "http://") && !strings.HasPrefix(h.url, "https://") {
		return sdk.Invalidf("url: %q does not begin with http:// or https://", h.url)
	}
	// What waited when the plugin was stopped goes on now.
	_, waiting, err := first(c)
	if err != nil || !waiting {
		return err
	}
	return h.wind(c, 0, 0)
}

// event puts an event into the outbox. If nothing was in there the timer is to be started;
// otherwise it runs, maybe with a pause that must not be cut short.
func (h *hook) event(c *sdk.Call, e sdk.Event) error {
	_, waiting, err := first(c)
	if err != nil {
		return err
	}
	var j sdk.JSON
	write(&j, e)
	if err := j.Err(); err != nil {
		return err
	}
	if err := c.Collection("outbox").Put(outboxID(e), j.Bytes()); err != nil {
		return err
	}
	if waiting {
		return nil
	}
	return h.wind(c, 0, 0)
}

// outboxID is the event's own id, which rises, with zeros in front so that it does so as a
// text too.
func outboxID(e sdk.Event) string {
	id := strconv.FormatInt(int64(e.ID()), 10)
	return strings.Repeat("0", max(0, 19-len(id))) + id
}

// first gives what has waited longest.
func first(c *sdk.Call) (sdk.Document, bool, error) {
	return c.Collection("outbox").Query().First()
}

// write tells of an event what receivers mostly want.
func write(j *sdk.JSON, e sdk.Event) {
	root := e.Detail().Root()
	j.Object().Key("id").ID(int64(e.ID())).Key("received").Micros(e.Recv()).
		Key("uid").Text(e.UID()).Key("type").Text(e.Type()).Key("callsign").Text(e.Callsign()).
		Key("user").Text(e.User()).Key("lat").Float(e.Lat()).Key("lon").Float(e.Lon()).
		Key("text").Text(root.Child("remarks").Text())
	if emergency := root.Child("emergency"); emergency.Exists() {
		kind, _ := emergency.Attr("type")
		cancel, _ := emergency.Attr("cancel")
		j.Key("emergency").Object().Key("type").Text(kind).Key("cancel").Bool(cancel == "true").End()
	}
	if room, ok := root.Child("__chat").Attr("chatroom"); ok {
		j.Key("chatroom").Text(room)
	}
	j.End()
}

func (h *hook) status(c *sdk.Call, _ *sdk.Request, w *sdk.Response) error {
	n, err := c.Collection("outbox").Query().Count()
	if err != nil {
		return err
	}
	j := w.JSON().Object().Key("waiting").Int(n)
	if n > 0 && h.fault != "" {
		j.Key("next").Time(h.next).Key("error").Text(h.fault)
	}
	return nil
}
