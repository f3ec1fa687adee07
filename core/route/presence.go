package route

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/wire"
)

// clientKey is what makes two connections the same client. A uid claimed by
// another user is another client.
type clientKey struct{ user, uid string }

// client is one EUD, known by the uid of its first event that holds an
// endpoint (spec/tak-streaming.md 9). It may be connected more than once: then
// all its connections get broadcasts, and the newest one what is sent to it.
// Fields are under Router.mu unless atomic.
type client struct {
	clientKey
	callsign string
	sessions []*Session // oldest first, never empty while the client is listed
	latest   atomic.Pointer[hostapi.Event]
}

func (c *client) newest() *Session { return c.sessions[len(c.sessions)-1] }

// needsBind says whether e tells who the session is, or that it has a new
// callsign. The session's publishing goroutine asks.
func (s *Session) needsBind(e *hostapi.Event) bool {
	if e.Endpoint == "" || e.UID == "" || s.who.Feed {
		return false
	}
	if s.client == nil {
		return true
	}
	return e.UID == s.client.uid && e.Callsign != "" && e.Callsign != s.client.callsign
}

// bind notes what needsBind saw. It answers false when the session was closed
// instead: a client that reconnects over and over waits here, and only the
// newest of its connections goes on.
func (s *Session) bind(e *hostapi.Event) bool {
	r := s.r
	if s.client == nil && !r.damp(s, e) {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.cut {
		return false
	}
	news := wire.ClientChangeKindChanged
	defer func() { r.tell(news, s, e) }()
	c := s.client
	if c == nil {
		key := clientKey{s.who.User, e.UID}
		if c = r.clients[key]; c == nil {
			c = &client{clientKey: key}
			r.clients[key] = c
			e.First = true
			news = wire.ClientChangeKindConnected
			r.byUID[key.uid] = append(r.byUID[key.uid], c)
		}
		c.sessions = append(c.sessions, s)
		s.client = c
		if len(c.sessions) > maxSessions {
			c.sessions[0].rcv.Close("too many connections of the same client, the newest stay")
		}
	}
	if e.Callsign != "" && e.Callsign != c.callsign {
		if c.callsign != "" {
			drop(r.byCallsign, c.callsign, c)
		}
		c.callsign = e.Callsign
		r.byCallsign[c.callsign] = append(r.byCallsign[c.callsign], c)
	}
	return true
}

// present keeps e as the latest position of the session's client, if it is
// one. Positions sent to somebody in particular are nobody else's affair.
func (s *Session) present(e *hostapi.Event) {
	if s.client != nil && e.UID == s.client.uid && e.IsSA() {
		s.client.latest.Store(e)
	}
}

// unbind takes s from its client and gives the notice to send if that was the
// client's last session. r.mu is held for writing.
func (r *Router) unbind(s *Session) []*hostapi.Event {
	c := s.client
	if c == nil {
		return nil
	}
	for i, q := range c.sessions {
		if q == s {
			c.sessions = append(c.sessions[:i], c.sessions[i+1:]...)
			break
		}
	}
	if len(c.sessions) > 0 {
		return nil
	}
	delete(r.clients, c.clientKey)
	drop(r.byUID, c.uid, c)
	if c.callsign != "" {
		drop(r.byCallsign, c.callsign, c)
	}
	latest := c.latest.Load()
	r.tell(wire.ClientChangeKindDisconnected, s, latest)
	if latest == nil || r.closed {
		return nil // nobody ever saw it, or nobody is left to be told
	}
	gone, err := r.goneEvent(latest)
	if err != nil {
		r.opt.Log.Error("cannot make the notice of a client that left", slog.String("uid", c.uid), slog.Any("err", err))
		return nil
	}
	return []*hostapi.Event{gone}
}

// goneEvent makes the t-x-d-d for the client whose latest position is sa, with
// that client's own type.
func (r *Router) goneEvent(sa *hostapi.Event) (*hostapi.Event, error) {
	b := cot.NewEvent(uuid.NewString(), "t-x-d-d", "h-g-i-g-o", r.opt.Now(), 20*time.Second)
	b.Point(0, 0, 0, cot.Unknown, cot.Unknown)
	b.Start("detail").Start("link").Attr("relation", "p-p").Attr("uid", sa.UID).Attr("type", sa.Type).End()
	e, err := r.serverEvent(b)
	if err != nil {
		return nil, err
	}
	e.Groups = sa.Groups
	return e, nil
}

// serverEvent turns what b built into an event of the server itself.
func (r *Router) serverEvent(b *cot.Builder) (*hostapi.Event, error) {
	xml, err := b.String()
	if err != nil {
		return nil, err
	}
	return r.newEvent(xml)
}

func (r *Router) newEvent(xml string) (*hostapi.Event, error) {
	e := &hostapi.Event{XML: xml, Origin: hostapi.FromServer}
	if err := cot.Scan(xml, &e.Header); err != nil {
		return nil, err
	}
	id, at := r.opt.IDs.Next()
	e.ID, e.Recv = id, at.UnixMicro()
	return e, nil
}

// visiblePresence gives the latest positions that s may see, of everybody who
// is present and not hidden. r.mu is held for writing.
func (r *Router) visiblePresence(s *Session) []*hostapi.Event {
	if len(r.clients) == 0 {
		return nil
	}
	now := r.opt.Now().UnixMicro()
	evs := make([]*hostapi.Event, 0, len(r.clients))
	for _, c := range r.clients {
		e := c.latest.Load()
		if e != nil && r.opt.Groups.Intersects(e.Groups, s.who.Out) && c.shows(e, now) {
			evs = append(evs, e)
		}
	}
	return evs
}

// shows says whether e, the latest position of c, is for those who ask at now.
func (c *client) shows(e *hostapi.Event, now int64) bool {
	return !c.newest().incognito.Load() && !expired(e, now)
}

// shortestStay is how long a position counts at least. Some senders write a
// stale time that is not after their time; they are not unseen for that.
const shortestStay = int64(time.Minute / time.Microsecond)

// expired says whether e is past its time at now (µs). The sender's clock may
// be wrong, so what counts is how long it meant the event to hold, from our
// receiving it.
func expired(e *hostapi.Event, now int64) bool {
	return now > e.Recv+max(e.Stale-e.Time, shortestStay)
}
