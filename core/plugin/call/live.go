package call

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Bounds of the live updates of one call.
const (
	maxUpdates     = 256
	maxUpdateBytes = 1 << 20
	maxUpdateName  = 128 // of stream, event and key
)

// publish stages a live update.
func (c *Call) publish(ctx context.Context, in []byte) error {
	const op = hostapi.HostPublish
	if err := c.stages(op); err != nil {
		return err
	}
	if c.p.env.Live == nil {
		return &StatusError{Status: hostapi.Unsupported, Message: op.String() + ": this server has no live updates"}
	}
	var m wire.Publish
	if err := decode(op, in, &m); err != nil {
		return err
	}
	if names := c.p.grants[op].Names; !hostapi.MatchAny(names, m.Stream) {
		return outside(op, "names", m.Stream, strings.Join(names, ", "))
	}
	for _, name := range []string{m.Stream, m.Event, m.Key} {
		switch {
		case len(name) > maxUpdateName:
			return beyond(op, "a name or key of %d bytes, at most %d are possible", len(name), maxUpdateName)
		case strings.ContainsAny(name, "\r\n\x00"):
			return invalid(op, "stream, event and key are of one line")
		}
	}
	if m.Stream == "" {
		return invalid(op, "the update names no stream")
	}
	if c.lives >= maxUpdates {
		return beyond(op, "more than %d live updates in one call", maxUpdates)
	}
	if c.liveBytes+len(m.Data) > maxUpdateBytes {
		return beyond(op, "more than %d bytes of live updates in one call", maxUpdateBytes)
	}
	if !json.Valid(m.Data) {
		return invalid(op, "the data is not JSON")
	}
	to, err := c.audience(ctx, op, m.Audience, reach{})
	if err != nil {
		return err
	}
	c.lives++
	c.liveBytes += len(m.Data)
	c.root.effects.updates = append(c.root.effects.updates, Update{
		Plugin: c.p.spec.Name, Stream: m.Stream, Event: m.Event, Key: m.Key, Data: append([]byte(nil), m.Data...), To: to,
	})
	return nil
}
