package route

import (
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/wire"
)

// Regroup changes what sessions may send to and see. match is asked for each
// session, with the uid of its client or "": ok says that the session has the
// given sets from now on. It is called outside the router's lock, one Regroup
// after the other, so what it reads must be changed before Regroup is called. A
// session whose sets stay as they are is left alone. It tells how many changed.
//
// When it returns, every event that is published later goes by the new sets,
// and everybody was sent what makes their map right: the latest positions that
// they can see now and could not before, and a t-x-d-d for those that they
// could see and no longer can. What is queued for a session and came from groups
// that it lost is taken back, as far as the Receiver is a Forgetter.
//
// With notice the sessions that changed are told by a t-x-g-c, at which ATAK
// throws away all it has of this server, and then get all positions that they
// can see (spec/tak-streaming.md 10).
func (r *Router) Regroup(match func(who Who, uid string) (in, out hostapi.SetID, ok bool), notice bool) int {
	return r.RegroupFor("", match, notice)
}

// RegroupFor is Regroup for a change that a device asked for: the notice tells
// its client uid, by which the device knows its own change.
func (r *Router) RegroupFor(device string, match func(who Who, uid string) (in, out hostapi.SetID, ok bool), notice bool) int {
	r.regrouping.Lock()
	defer r.regrouping.Unlock()
	wanted := r.wanted(match)
	if len(wanted) == 0 {
		return 0
	}
	r.mu.Lock()
	n := r.regroup(wanted, r.groupNotice(device, notice))
	r.mu.Unlock()
	r.flush()
	return n
}

// regrouping is one session and its sets.
type regrouping struct {
	s       *Session
	in, out hostapi.SetID
}

// wanted asks match for each session.
func (r *Router) wanted(match func(Who, string) (in, out hostapi.SetID, ok bool)) (list []regrouping) {
	type asked struct {
		s   *Session
		who Who
		uid string
	}
	r.mu.RLock()
	all := make([]asked, 0, len(r.sessions))
	for _, s := range r.sessions {
		a := asked{s: s, who: s.who}
		if s.client != nil {
			a.uid = s.client.uid
		}
		all = append(all, a)
	}
	r.mu.RUnlock()
	for _, a := range all {
		if in, out, ok := match(a.who, a.uid); ok && (in != a.who.In || out != a.who.Out) {
			list = append(list, regrouping{a.s, in, out})
		}
	}
	return list
}

// regroup puts the sets in force and hands out what follows from it. notice is
// nil or goes to those who changed. r.mu is held for writing.
func (r *Router) regroup(wanted []regrouping, notice []*hostapi.Event) (n int) {
	before := map[*Session]hostapi.SetID{} // OUT sets of those who changed
	moved := map[*client]struct{}{}
	for _, w := range wanted {
		s := w.s
		if s.index >= len(r.sessions) || r.sessions[s.index] != s {
			continue // it has left meanwhile
		}
		before[s] = s.who.Out
		s.setGroups(w.in, w.out)
		if s.client != nil {
			moved[s.client] = struct{}{}
		}
	}
	v := views{r: r, now: r.opt.Now().UnixMicro(), before: map[*client]hostapi.SetID{}, gone: map[*client]*hostapi.Event{}, by: map[viewKey]*view{}}
	for c := range moved {
		if e := c.latest.Load(); e != nil {
			v.before[c] = e.Groups
			if in := c.sender(e).who.In; in != e.Groups {
				e = withGroups(e, in)
				c.latest.Store(e)
			}
		}
		r.tellOf(c)
	}
	for _, s := range r.sessions {
		was, changed := before[s]
		key := viewKey{s.who.Out, s.who.Out, changed && notice != nil}
		if changed {
			key.was = was
		}
		if changed && was != s.who.Out {
			s.forget()
		}
		w := v.of(key)
		s.replay(w.gone, w.goneOf)
		if key.all {
			s.rcv.Replay(notice)
		}
		s.replay(w.seen, w.seenOf)
	}
	return len(before)
}

// setGroups changes the sets. r.mu is held for writing.
func (s *Session) setGroups(in, out hostapi.SetID) {
	s.who.In, s.who.Out = in, out
	shown := s.who
	s.shown = &shown
}

// Forgetter is a Receiver that can take back what it has not passed on yet. The
// rules of Receiver hold.
type Forgetter interface {
	Forget(gone func(*hostapi.Event) bool)
}

// forget takes back what is queued from groups that s no longer sees. What the
// server says is kept: that a client has left is true all the same.
func (s *Session) forget() {
	f, ok := s.rcv.(Forgetter)
	if !ok {
		return
	}
	groups, out := s.r.opt.Groups, s.who.Out
	f.Forget(func(e *hostapi.Event) bool {
		return e.Groups != 0 && e.Origin != hostapi.FromServer && !groups.Intersects(e.Groups, out)
	})
}

// sender gives the session of c that sent e, or that would send it now.
func (c *client) sender(e *hostapi.Event) *Session {
	for _, s := range c.sessions {
		if s.who.Conn == e.Conn {
			return s
		}
	}
	return c.newest()
}

// tellOf passes on that the groups of c changed. r.mu is held for writing.
func (r *Router) tellOf(c *client) {
	r.tell(wire.ClientChangeKindChanged, c.newest(), c.latest.Load())
}

// withGroups gives e as if it had been sent to other groups. What was shared
// is never changed.
func withGroups(e *hostapi.Event, in hostapi.SetID) *hostapi.Event {
	return &hostapi.Event{
		Header: e.Header, XML: e.XML, ID: e.ID, Recv: e.Recv, Conn: e.Conn, User: e.User, Client: e.Client,
		Groups: in, Origin: e.Origin, Via: e.Via, Hops: e.Hops, Fleeting: e.Fleeting,
	}
}

// groupNotice makes the t-x-g-c, if one is wanted. Its uid ends in that of the
// device which made the change (spec/tak-marti.md 4).
func (r *Router) groupNotice(device string, wanted bool) []*hostapi.Event {
	if !wanted {
		return nil
	}
	uid := uuid.NewString()
	if device != "" {
		uid += "." + device
	}
	b := cot.NewEvent(uid, "t-x-g-c", "h-g-i-g-o", r.opt.Now(), 20*time.Second)
	b.Point(0, 0, 0, cot.Unknown, cot.Unknown)
	b.Start("detail").Start("link").Attr("relation", "p-p").End()
	e, err := r.serverEvent(b)
	if err != nil {
		r.opt.Log.Error("cannot make the notice of changed groups", slog.Any("err", err))
		return nil
	}
	return []*hostapi.Event{e}
}
