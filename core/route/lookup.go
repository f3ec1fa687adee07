package route

import "github.com/takhost/takhost/hostapi"

// Latest gives the latest positions of the connected clients with that uid. There
// may be several, as a uid that another user claims is another client. A client
// that is hidden is not among them. The events are shared and read-only.
func (r *Router) Latest(uid string) (list []*hostapi.Event) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, c := range r.byUID[uid] {
		if e := c.latest.Load(); e != nil && !c.newest().incognito.Load() {
			list = append(list, e)
		}
	}
	return list
}

// CallsignOf gives the callsign of a connected client, "" when it has none.
func (r *Router) CallsignOf(user, uid string) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if c := r.clients[clientKey{user, uid}]; c != nil {
		return c.callsign
	}
	return ""
}

// SetIncognito hides what a connection sends from others, or shows it again, and
// says whether there is such a connection.
func (r *Router) SetIncognito(conn uint64, on bool) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, s := range r.sessions {
		if s.who.Conn == conn {
			s.incognito.Store(on)
			return true
		}
	}
	return false
}
