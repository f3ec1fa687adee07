package route

import (
	"net"
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/wire"
)

// Clients lists the clients that are connected and have told who they are, as
// plugins get them: each once, by its newest connection, ordered by uid. keep
// chooses by the groups that a client may send to; nil keeps all.
func (r *Router) Clients(keep func(in hostapi.SetID) bool) []wire.Client {
	r.mu.RLock()
	defer r.mu.RUnlock()
	list := make([]wire.Client, 0, len(r.clients))
	for _, c := range r.clients {
		if s := c.newest(); keep == nil || keep(s.who.In) {
			list = append(list, c.describe(s, c.latest.Load()))
		}
	}
	slices.SortFunc(list, func(a, b wire.Client) int {
		if n := strings.Compare(a.UID, b.UID); n != 0 {
			return n
		}
		return strings.Compare(a.User, b.User)
	})
	return list
}

// describe tells of c by its session s and its event e, which may be nil.
func (c *client) describe(s *Session, e *hostapi.Event) wire.Client {
	w := wire.Client{
		UID: c.uid, Callsign: c.callsign, User: c.user, InSet: int32(s.who.In), OutSet: int32(s.who.Out),
		Connection: s.who.Conn, Listener: s.who.Listener, Address: host(s.who.Addr), Connected: s.since.UnixMicro(),
	}
	if e != nil {
		p := positionOf(e)
		w.Team, w.Role, w.Device, w.Platform, w.Version, w.Seen = p.Team, p.Role, p.Device, p.Platform, p.Version, e.Recv
		w.Lat, w.Lon, w.Located = p.Lat, p.Lon, e.Flags.Has(cot.HasPoint) && (p.Lat != 0 || p.Lon != 0) // without a fix clients report 0, 0
	}
	return w
}

// tell passes on what happened to the client of s; e is its event, or nil. r.mu
// is held for writing.
func (r *Router) tell(kind wire.ClientChangeKind, s *Session, e *hostapi.Event) {
	if r.opt.Watcher == nil {
		return
	}
	c := s.client.describe(s, e)
	r.opt.Watcher.Changed(wire.ClientChange{Kind: kind, Client: &c, At: r.opt.Now().UnixMicro()})
}

// host cuts the port off.
func host(addr string) string {
	if h, _, err := net.SplitHostPort(addr); err == nil {
		return h
	}
	return addr
}

// Holds says whether the client of that uid has one of the callsigns, or is a
// member of one of the topics.
func (r *Router) Holds(uid string, callsigns, topics []string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, c := range r.byUID[uid] {
		if slices.Contains(callsigns, c.callsign) {
			return true
		}
		for _, id := range topics {
			if t := r.topics[id]; t != nil && slices.ContainsFunc(t.Members, func(m Member) bool { return m.User == c.user && m.UID == uid }) {
				return true
			}
		}
	}
	return false
}
