package route

import (
	"log/slog"
	"slices"

	"github.com/takhost/takhost/hostapi"
)

// views are what a change of groups shows and hides, worked out once for all
// sessions that see alike.
type views struct {
	r      *Router
	now    int64
	before map[*client]hostapi.SetID  // groups of the latest position before the change, of clients that moved
	gone   map[*client]*hostapi.Event // notices made so far
	by     map[viewKey]*view
}

// viewKey is what a session could see and can see, and whether it is to get
// all of that or only what is new.
type viewKey struct {
	was, out hostapi.SetID
	all      bool
}

// view is what a session gets. goneOf and seenOf have the clients of the events.
type view struct {
	gone, seen     []*hostapi.Event
	goneOf, seenOf []*client
}

func (v *views) of(key viewKey) *view {
	w := v.by[key]
	if w != nil {
		return w
	}
	w = &view{}
	v.by[key] = w
	if key.was == key.out && !key.all {
		for c := range v.before {
			v.add(w, key, c)
		}
		return w
	}
	for _, c := range v.r.clients {
		v.add(w, key, c)
	}
	return w
}

// add puts into w what client c is to those with key.
func (v *views) add(w *view, key viewKey, c *client) {
	e := c.latest.Load()
	if e == nil {
		return
	}
	had, ok := v.before[c]
	if !ok {
		had = e.Groups
	}
	groups := v.r.opt.Groups
	could, can := groups.Intersects(had, key.was), groups.Intersects(e.Groups, key.out)
	switch {
	case can && (key.all || !could) && c.shows(e, v.now):
		w.seen, w.seenOf = append(w.seen, e), append(w.seenOf, c)
	case could && !can:
		if gone := v.goneFor(c, e); gone != nil {
			w.gone, w.goneOf = append(w.gone, gone), append(w.goneOf, c)
		}
	}
}

// goneFor gives the t-x-d-d of c.
func (v *views) goneFor(c *client, e *hostapi.Event) *hostapi.Event {
	if gone, ok := v.gone[c]; ok {
		return gone
	}
	gone, err := v.r.goneEvent(e)
	if err != nil {
		v.r.opt.Log.Error("cannot make the notice of a client that is no longer seen", slog.String("uid", c.uid), slog.Any("err", err))
	}
	v.gone[c] = gone
	return gone
}

// replay hands over events but that of the session's own client. of has their
// clients. The events are shared by many sessions, so the gap is made by handing
// over two parts.
func (s *Session) replay(evs []*hostapi.Event, of []*client) {
	if f := s.filter.Load(); f != nil {
		var mine []*hostapi.Event
		for i, e := range evs {
			if of[i] != s.client && f.passes(e) {
				mine = append(mine, e)
			}
		}
		evs, of = mine, nil
	}
	if s.client != nil {
		if i := slices.Index(of, s.client); i >= 0 {
			if i > 0 {
				s.rcv.Replay(evs[:i:i])
			}
			evs = evs[i+1:]
		}
	}
	if len(evs) > 0 {
		s.rcv.Replay(evs)
	}
}
