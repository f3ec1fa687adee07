package route

import (
	"cmp"
	"slices"

	"github.com/takhost/takhost/hostapi"
)

// Audience says who gets events that no session sent (DESIGN 3, Audience).
// Destinations that the events themselves name do not count.
type Audience struct {
	// Groups are those of the events: a receiver must be able to see one of
	// them. 0 is no bound, and the events then belong to no group.
	Groups hostapi.SetID

	// Named narrows it down to these: clients by uid or callsign, members of a
	// topic, several as a union. Without any, everybody whom Groups allow gets
	// them.
	UIDs, Callsigns []string
	Topics          []string

	// Except has the uids of clients that get nothing.
	Except []string
}

// Named says whether the audience is a list and not everybody.
func (a *Audience) Named() bool { return len(a.UIDs)+len(a.Callsigns)+len(a.Topics) > 0 }

// Emit routes events that a plugin or the server made, in their order, and
// tells how many sessions got them. It numbers events that have no id yet. Each
// event's XML, header, origin, plugin and hops are set by the caller, and not
// changed any more. An audience of neither groups nor names reaches nobody.
func (r *Router) Emit(evs []*hostapi.Event, a Audience) (receivers int) {
	for _, e := range evs {
		if e.ID == 0 {
			id, at := r.opt.IDs.Next()
			e.ID, e.Recv = id, at.UnixMicro()
		}
		e.Groups = a.Groups
	}
	r.met.published.Add(uint64(len(evs)))
	r.mu.RLock()
	switch {
	case a.Named():
		receivers = r.emitTo(evs, &a)
	case a.Groups != 0:
		receivers = r.emitBut(evs, &a)
	}
	r.mu.RUnlock()
	r.tap(evs)
	r.flush()
	return receivers
}

// emitTo offers evs to those that a names. r.mu is held for reading.
func (r *Router) emitTo(evs []*hostapi.Event, a *Audience) (n int) {
	var to []*Session
	for _, uid := range a.UIDs {
		to = appendNewest(to, r.byUID[uid])
	}
	for _, callsign := range a.Callsigns {
		to = appendNewest(to, r.byCallsign[callsign])
	}
	for _, id := range a.Topics {
		if t := r.topics[id]; t != nil {
			to = r.members(to, t)
		}
	}
	slices.SortFunc(to, func(a, b *Session) int { return cmp.Compare(a.who.Conn, b.who.Conn) })
	for _, s := range slices.Compact(to) {
		if a.Groups != 0 && !r.opt.Groups.Intersects(a.Groups, s.who.Out) || a.excepts(s) {
			continue
		}
		s.rcv.Offer(evs)
		s.delivered.Add(uint64(len(evs)))
		n++
	}
	r.met.delivered.Add(uint64(n * len(evs)))
	return n
}

// emitBut offers evs to everybody whom the groups of a allow. r.mu is held for
// reading.
func (r *Router) emitBut(evs []*hostapi.Event, a *Audience) (n int) {
	if len(a.Except) == 0 {
		n, _ = r.fanout(evs, a.Groups, nil)
		return n
	}
	for _, s := range r.sessions {
		if a.excepts(s) || !r.opt.Groups.Intersects(a.Groups, s.who.Out) {
			continue
		}
		wanted := evs
		if f := s.filter.Load(); f != nil {
			if wanted = f.pass(evs); len(wanted) == 0 {
				continue
			}
		}
		s.rcv.Offer(wanted)
		n++
		s.delivered.Add(uint64(len(wanted)))
		r.met.delivered.Add(uint64(len(wanted)))
	}
	return n
}

func (a *Audience) excepts(s *Session) bool {
	return s.client != nil && slices.Contains(a.Except, s.client.uid)
}

func appendNewest(to []*Session, clients []*client) []*Session {
	for _, c := range clients {
		to = append(to, c.newest())
	}
	return to
}
