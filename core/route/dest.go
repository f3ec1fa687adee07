package route

import (
	"cmp"
	"log/slog"
	"slices"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// allStreaming as a destination callsign means everybody
// (spec/tak-streaming.md 10).
const allStreaming = "All Streaming"

// isExplicit says whether e names its receivers.
func isExplicit(e *hostapi.Event) bool {
	n := e.NumDests()
	for i := range n {
		if d := e.Dest(i); d.Kind == cot.DestCallsign && d.Value == allStreaming {
			return false
		}
	}
	return n > 0
}

func hasCallsignDest(e *hostapi.Event) bool {
	for i := range e.NumDests() {
		if d := e.Dest(i); d.Kind == cot.DestCallsign && d.Value != allStreaming {
			return true
		}
	}
	return false
}

// onlyGroup gives the one group that e is for, if it names nobody else; 0 for a
// group that is not known.
func (r *Router) onlyGroup(e *hostapi.Event) (id hostapi.GroupID, ok bool) {
	n := e.NumDests()
	for i := range n {
		if d := e.Dest(i); d.Kind != cot.DestGroup || d.Value != e.Dest(0).Value {
			return 0, false
		}
	}
	if n > 0 {
		id, _ = r.opt.Groups.Named(e.Dest(0).Value)
	}
	return id, n > 0
}

// single gives the sets of the groups that evs are for alone, made before the
// router's lock is taken: a new one has to be stored.
func (r *Router) single(evs []*hostapi.Event) (sets map[hostapi.GroupID]hostapi.SetID) {
	for _, e := range evs {
		if e.NumDests() == 0 {
			continue
		}
		id, ok := r.onlyGroup(e)
		if !ok || id == 0 || sets[id] != 0 {
			continue
		}
		set, err := r.opt.Groups.Intern(id)
		if err != nil {
			r.opt.Log.Error("an event for one group is kept as one for all groups of its sender", slog.Any("err", err))
			continue
		}
		if sets == nil {
			sets = map[hostapi.GroupID]hostapi.SetID{}
		}
		sets[id] = set
	}
	return sets
}

// narrow makes an event that is for one group belong to that group alone, or to
// none if its sender may not send there (spec/tak-streaming.md 10): the
// sender's other groups are not to find it in the archive. r.mu is held for
// reading.
func (r *Router) narrow(s *Session, e *hostapi.Event, single map[hostapi.GroupID]hostapi.SetID) {
	id, ok := r.onlyGroup(e)
	switch {
	case !ok:
	case id == 0 || !r.opt.Groups.Contains(s.who.In, id):
		e.Groups = 0
	case single[id] != 0:
		e.Groups = single[id]
	}
}

// directed delivers e to the union of its destinations, as far as groups
// allow. r.mu is held for reading.
func (r *Router) directed(s *Session, e *hostapi.Event) (n, lagging int) {
	to, returnable := r.targets(s, e)
	one := []*hostapi.Event{e}
	for _, q := range to {
		if q == s || !r.opt.Groups.Intersects(s.who.In, q.who.Out) {
			continue
		}
		if q.rcv.Offer(one) {
			lagging++
		}
		n++
		q.delivered.Add(1)
	}
	r.met.delivered.Add(uint64(n))
	if n == 0 {
		r.met.undelivered.Add(1)
		if returnable {
			r.returnChat(s, e)
		}
	}
	return n, lagging
}

// targets gives the sessions that e's destinations name, each once, whatever
// their groups. A chat message that reaches nobody goes back to its sender,
// unless it was for a topic, which may well be empty.
func (r *Router) targets(s *Session, e *hostapi.Event) (to []*Session, returnable bool) {
	returnable = e.Type == "b-t-f"
	for i := range e.NumDests() {
		switch d := e.Dest(i); d.Kind {
		case cot.DestCallsign:
			to = appendNewest(to, r.byCallsign[d.Value])
		case cot.DestUID:
			to = appendNewest(to, r.byUID[d.Value])
		case cot.DestMission, cot.DestMissionGUID:
			for _, id := range r.topicIDs(d.Value, d.Kind == cot.DestMissionGUID) {
				var ok bool
				if to, ok = r.topicTargets(to, s, id); ok {
					returnable = false
				}
			}
		case cot.DestGroup:
			to = r.groupTargets(to, s, d.Value)
		case cot.DestPublish: // not supported by the official server either: names nobody
		}
	}
	slices.SortFunc(to, func(a, b *Session) int { return cmp.Compare(a.who.Conn, b.who.Conn) })
	return slices.Compact(to), returnable
}

// groupTargets appends everybody who may see group name, if s may send to it.
func (r *Router) groupTargets(to []*Session, s *Session, name string) []*Session {
	id, ok := r.opt.Groups.Named(name)
	if !ok || !r.opt.Groups.Contains(s.who.In, id) {
		return to
	}
	for _, q := range r.sessions {
		if r.opt.Groups.Contains(q.who.Out, id) {
			to = append(to, q)
		}
	}
	return to
}

// returnChat gives an undeliverable chat message back to its sender, as the
// official server does: the same event of type b-t-f-s.
func (r *Router) returnChat(s *Session, e *hostapi.Event) {
	back, err := r.newEvent(cot.Retype(e.XML, &e.Header, "b-t-f-s"))
	if err != nil {
		r.opt.Log.Error("cannot return an undeliverable chat message", slog.String("uid", e.UID), slog.Any("err", err))
		return
	}
	s.rcv.Offer([]*hostapi.Event{back})
}
