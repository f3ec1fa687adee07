// Command geofence is a plugin that raises an alert when somebody enters, or leaves, a
// place. It shows what most plugins need: events in and out, documents with indexes,
// timers, routes and settings.
//
// All state is in documents, so a crash, a swap and a restart change nothing: fences has
// those made by REST, members has who is inside of which.
package main

import (
	"strings"

	"github.com/takhost/takhost/sdk"
)

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }

func newPlugin() *sdk.Plugin {
	p := &plugin{}
	return &sdk.Plugin{
		Name: "geofence", Version: "1.0.0",
		Init:        p.start,
		Reconfigure: p.start,
		Batch:       p.events,
		Timers: map[string]func(*sdk.Call, *sdk.Timer) error{
			"sweep": p.sweep,
			// One for each fence that was too full to be emptied in one call.
			emptyTimer + "*": func(c *sdk.Call, t *sdk.Timer) error {
				return empty(c, strings.TrimPrefix(t.Name, emptyTimer))
			},
		},
		HTTP: map[string]sdk.Handler{
			"list-fences": p.list, "show-fence": p.show, "put-fence": p.put, "delete-fence": p.remove,
		},
	}
}

// plugin is the memory of one instance: nothing but its settings.
type plugin struct {
	fixed []fence
}

func (p *plugin) start(c *sdk.Call, _ *sdk.Start) error {
	config := c.Config()
	var fixed []fence
	seen := map[string]bool{}
	for _, in := range config.Objects("fences") {
		f := readFence(in.Text("id"), in)
		if seen[f.id] {
			return sdk.Invalidf("fences: %q is there twice", f.id)
		}
		seen[f.id] = true
		fixed = append(fixed, f)
	}
	if err := config.Err(); err != nil {
		return err
	}
	p.fixed = fixed
	return nil
}

// events looks at positions, in the order in which they came. A call has several, so the
// fences are read once for all of them.
func (p *plugin) events(c *sdk.Call, batch sdk.Batch) error {
	fences, err := p.fences(c)
	if err != nil {
		return err
	}
	for _, e := range batch.All() {
		if err := watch(c, fences, e); err != nil {
			return err
		}
	}
	return nil
}
