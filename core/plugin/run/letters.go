package run

import (
	"context"
	"encoding/json"
	"time"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// EventDetail is the detail of a dead letter about an event, in JSON: what the
// core knew of its coming, which is not in its XML.
type EventDetail struct {
	Recv   int64         `json:"recv"` // µs since 1970
	Conn   uint64        `json:"conn,omitempty"`
	User   string        `json:"user,omitempty"`
	Client string        `json:"client,omitempty"`
	Groups hostapi.SetID `json:"groups"`
	Origin string        `json:"origin"`
	Via    string        `json:"via,omitempty"`
	Hops   uint8         `json:"hops,omitempty"`
}

// TimerDetail is that of one about a timer.
type TimerDetail struct {
	Due  int64  `json:"due"` // µs since 1970
	Data []byte `json:"data,omitempty"`
}

// ClientDetail is that of one about a change of a client.
type ClientDetail struct {
	Change string       `json:"change"` // connected, changed or disconnected
	At     int64        `json:"at"`     // µs since 1970
	Client *wire.Client `json:"client"`
}

// letter makes a dead letter. Details are structs of plain fields, which JSON
// always takes.
func letter(v *Version, op hostapi.GuestOp, subject string, detail any, err error) store.DeadLetter {
	d := store.DeadLetter{Version: v.Manifest.Version, Op: op.String(), Subject: subject, Error: err.Error(), Output: outputOf(err)}
	if text, err := json.Marshal(detail); err == nil {
		d.Detail = text
	}
	return d
}

func deadEvent(v *Version, e *hostapi.Event, err error) store.DeadLetter {
	d := letter(v, hostapi.OpEvents, e.UID, EventDetail{
		Recv: e.Recv, Conn: e.Conn, User: e.User, Client: e.Client, Groups: e.Groups, Origin: e.Origin.String(), Via: e.Via, Hops: e.Hops,
	}, err)
	d.Event, d.XML = e.ID, e.XML
	return d
}

func deadTimer(v *Version, t *timer, err error) store.DeadLetter {
	return letter(v, hostapi.OpTimer, t.Name, TimerDetail{Due: t.Due.UnixMicro(), Data: t.Data}, err)
}

func deadChange(v *Version, c *wire.ClientChange, err error) store.DeadLetter {
	kind := [...]string{"connected", "changed", "disconnected"}
	d := ClientDetail{At: c.At, Client: c.Client}
	if int(c.Kind) < len(kind) && c.Kind >= 0 {
		d.Change = kind[c.Kind]
	}
	return letter(v, hostapi.OpClients, c.Client.UID, d, err)
}

// dead completes a dead letter.
func (a *Actor) dead(d store.DeadLetter) store.DeadLetter {
	d.Plugin, d.At = a.opt.Name, a.opt.Now()
	return d
}

// buried counts a dead letter. A plugin that refuses every event fills the log
// with one line a second, which tells how many there were since the last one.
func (a *Actor) buried(d *store.DeadLetter) {
	a.met.dead.Add(1)
	l := &a.loop
	l.buried++
	if now := time.Now(); now.Sub(l.buriedLog) >= time.Second {
		a.log.Warn("plugin failed for good: kept as a dead letter", "op", d.Op, "event", d.Event.String(), "subject", d.Subject, "error", d.Error, "letters", l.buried)
		l.buried, l.buriedLog = 0, now
	}
}

// bury puts away what the plugin failed on for good. While the database is away
// it waits, as there is no other place; it gives up only when the actor ends.
func (a *Actor) bury(ctx context.Context, d store.DeadLetter) bool {
	d = a.dead(d)
	wait := 50 * time.Millisecond
	for {
		_, err := a.opt.Store.AddDeadLetter(ctx, d)
		if err == nil {
			a.buried(&d)
			return true
		}
		if code := store.CodeOf(err); code != "" && code != store.Unavailable {
			a.met.dead.Add(1)
			a.log.Error("plugin failed for good, and the dead letter was refused", "op", d.Op, "event", d.Event.String(), "subject", d.Subject, "error", d.Error, "refused", err)
			return true
		}
		a.log.Warn("dead letter waits for the database", "plugin_error", d.Error, "error", err)
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			a.log.Error("plugin failed for good, and it ended before the dead letter could be stored", "op", d.Op, "event", d.Event.String(), "subject", d.Subject, "error", d.Error)
			return false
		}
		wait = min(2*wait, 5*time.Second)
	}
}
