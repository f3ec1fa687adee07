// Command emergency is the plugin that keeps alerts active until they are
// cancelled. The core routes each alert at once, as any event; the plugin keeps
// it, tells whoever connects later, repeats it, and lists and cancels it by REST
// (spec/fts-cot.md 8, spec/rest.md 5).
//
// All state is in documents: alerts has what is known of each by the uid of its
// event, events the event itself.
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
		Name: "emergency", Version: "1.0.0",
		Init:        p.start,
		Reconfigure: p.start,
		Events:      p.event,
		Crowd:       p.arrive,
		Timers:      map[string]func(*sdk.Call, *sdk.Timer) error{timerName: p.tick},
		Reindex:     reindex,
		HTTP: map[string]sdk.Handler{
			"list-emergencies": p.list, "raise-emergency": p.raise, "show-emergency": p.show, "cancel-emergency": p.cancelOne,
			"fts-get-emergency": p.ftsGet, "fts-post-emergency": p.ftsPost, "fts-delete-emergency": p.ftsDelete,
		},
	}
}

// plugin is one instance. Beside its settings it keeps only what it may forget.
type plugin struct {
	settings
	sent time.Time    // when it last sent an alert again
	came []sdk.Change // who came lately, see remember
}

type settings struct {
	repeat    time.Duration // between two sendings; 0: never
	expire    time.Duration // of an alert that nobody cancels; 0: never
	radius    float64       // metres; 0: everybody
	perSender int64
	most      int64
}

func (p *plugin) start(c *sdk.Call, _ *sdk.Start) error {
	f := c.Config()
	next := settings{
		repeat: f.DurationOr("repeat", time.Minute), expire: f.DurationOr("expire", 0),
		radius: f.FloatOr("radius", 0), perSender: f.IntOr("per_sender", 5), most: f.IntOr("most", 100),
	}
	if err := f.Err(); err != nil {
		return err
	}
	if next.repeat > 0 && next.repeat < time.Second {
		return sdk.Invalidf("repeat: %s is below 1s", next.repeat)
	}
	p.settings = next
	return p.rewind(c)
}
