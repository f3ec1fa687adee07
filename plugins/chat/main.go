// Command chat is the plugin that keeps GeoChat (spec/tak-streaming.md 11, b-t-f):
// history by room and pair with its receipts, store and forward for addressees who
// are away, and REST. The core routes messages at once, as any event, and returns
// what reaches nobody to its sender as b-t-f-s.
//
// Documents: messages by the uid of their event, conversations by a hash of what
// makes two messages belong together, waiting for what an absent addressee has not
// got yet.
package main

import (
	"time"

	"github.com/takhost/takhost/sdk"
)

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }

func newPlugin() *sdk.Plugin {
	p := &plugin{}
	return &sdk.Plugin{
		Name: "chat", Version: "1.0.0",
		Init:        p.start,
		Reconfigure: p.start,
		Events:      p.event,
		Crowd:       p.arrive,
		Timers:      map[string]func(*sdk.Call, *sdk.Timer) error{"sweep": p.sweep, "sweep-on": p.sweep, forwardTimer: p.forwardAll, onTimer: p.forwardAll},
		HTTP: map[string]sdk.Handler{
			"list-conversations": p.conversations, "list-messages": p.messages, "send-message": p.send,
			"fts-chat-to-all": p.ftsToAll, "fts-send-geochat": p.ftsSend,
		},
	}
}

// plugin is one instance. Beside its settings it keeps only what it may forget.
type plugin struct {
	settings
	last time.Time // that was given to a message
	came []arrival // see forward.go
}

type settings struct {
	keep            time.Duration // 0: for ever
	perConversation int64
	forward         time.Duration // 0: nobody is waited for
	waiting         int64
}

func (p *plugin) start(c *sdk.Call, _ *sdk.Start) error {
	f := c.Config()
	next := settings{
		keep: f.DurationOr("keep", 30*24*time.Hour), perConversation: f.IntOr("per_conversation", 10_000),
		forward: f.DurationOr("forward", 7*24*time.Hour), waiting: f.IntOr("waiting", 500),
	}
	if err := f.Err(); err != nil {
		return err
	}
	p.settings = next
	return p.handSoon(c)
}

func (p *plugin) event(c *sdk.Call, e sdk.Event) error {
	if e.Type() == "b-t-f" {
		return p.message(c, e)
	}
	return receipt(c, e)
}

// moment gives the time under which a message is kept: of messages that came
// together each has its own, in their order.
func (p *plugin) moment(at time.Time) time.Time {
	if ahead := p.last.Sub(at); ahead >= 0 && ahead < time.Second {
		at = p.last.Add(time.Microsecond)
	}
	p.last = at
	return at
}
