package call

import (
	"context"
	"fmt"
	"time"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// The archive finds events by time. The id tells the time of coming but for
// events that came while the clock stood still or was set back.
const (
	idWindow = time.Millisecond
	idSlack  = time.Second
	idPages  = 20 // looked at within the slack
)

// event gives an event by id: one of those that the guest was given, or a
// stored one. What the guest may know of it is the caller's affair.
func (c *Call) event(ctx context.Context, op hostapi.HostOp, id hostapi.ID) (*hostapi.Event, error) {
	for _, e := range c.opt.Events {
		if e.ID == id {
			return e, nil
		}
	}
	if id > 0 && c.p.env.Archive != nil {
		at := id.Time()
		e, err := c.p.env.findEvent(ctx, id, at, at.Add(idWindow), 5)
		if e == nil && err == nil {
			e, err = c.p.env.findEvent(ctx, id, at.Add(-idSlack), at.Add(idSlack), idPages)
		}
		if e != nil || err != nil {
			return e, err
		}
	}
	return nil, &StatusError{Status: hostapi.NotFound, Message: fmt.Sprintf("%s: there is no event %d: it was none of this call's and is not in the archive", op, id)}
}

// findEvent looks for an event that came within a span of time.
func (e *Env) findEvent(ctx context.Context, id hostapi.ID, from, to time.Time, pages int) (*hostapi.Event, error) {
	q := store.Query{From: from, To: to, Limit: hostapi.MaxPage, Ascending: true}
	for range pages {
		p, err := e.Archive.Query(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range p.Events {
			if s := &p.Events[i]; s.ID == id {
				return eventOf(s)
			} else if s.ID > id {
				return nil, nil
			}
		}
		if q.After = p.Next; q.After == "" {
			return nil, nil
		}
	}
	return nil, nil
}

// eventOf makes an event of a stored one.
func eventOf(s *store.Stored) (*hostapi.Event, error) {
	e := &hostapi.Event{
		XML: s.XML, ID: s.ID, Recv: int64(s.Recv), Conn: s.Conn, User: s.User, Client: s.Client, Groups: s.Groups,
		Origin: origins[s.Origin], Hops: s.Hops, Via: s.Via,
	}
	if err := cot.Scan(e.XML, &e.Header); err != nil {
		return nil, fmt.Errorf("read stored event %s: %w", s.ID, err)
	}
	return e, nil
}

var origins = func() map[string]hostapi.Origin {
	m := map[string]hostapi.Origin{}
	for o := hostapi.FromClient; o <= hostapi.FromPeer; o++ {
		m[o.String()] = o
	}
	return m
}()

func toMission(e *hostapi.Event) bool {
	for i := range e.NumDests() {
		if isMission(e.Dest(i).Kind) {
			return true
		}
	}
	return false
}
