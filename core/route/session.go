package route

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/takhost/takhost/hostapi"
)

// Who says what the core knows of a connection before it says anything.
type Who struct {
	Conn uint64 // number of the connection, unique for the life of the process
	User string // user name; empty for an anonymous one
	In   hostapi.SetID
	Out  hostapi.SetID
	Addr string // remote address, for lists and logs

	Listener string // name of the listener it came by

	Certificate string    // serial number of its certificate, in hex; empty without one
	Device      string    // under what its choice of channels is kept
	Until       time.Time // when its certificate ends; zero without one
	Channels    bool      // it has such a choice
	Roles       []string  // of the user; not changed any more

	// Feed marks a connection whose events are other people's, as in a replay:
	// no event of it makes it a client with a position of its own.
	Feed bool
}

// Session is one connection as the router sees it.
type Session struct {
	r     *Router
	rcv   Receiver
	who   Who // In and Out change under r.mu
	since time.Time
	index int  // in r.sessions; under r.mu
	cut   bool // it may not send any more; under r.mu
	shown *Who // who as filters get it: never changed, but replaced under r.mu

	client *client // set once under r.mu, by the publishing goroutine; nil before the first position

	filter    atomic.Pointer[boxFilter]
	stats     atomic.Pointer[map[string]string]
	incognito atomic.Bool
	delivered atomic.Uint64
	published atomic.Uint64
}

// Join makes a session that receives from now on. The latest positions of the
// others have been handed to rcv when it returns.
func (r *Router) Join(rcv Receiver, who Who) *Session {
	s, _ := r.JoinIf(rcv, who, func(*Who) error { return nil }) // it has no other error
	return s
}

// JoinIf is Join after a last look: check may change In, Out and Roles of who,
// and its error means that nobody joins. It is called under the router's lock,
// so what Regroup and Cut put in force is either known to check or finds the
// session. It should not block and must not call the router.
func (r *Router) JoinIf(rcv Receiver, who Who, check func(*Who) error) (*Session, error) {
	s := &Session{r: r, rcv: rcv, since: r.opt.Now()}
	r.mu.Lock()
	if err := check(&who); err != nil {
		r.mu.Unlock()
		return nil, err
	}
	s.who, s.shown = who, &who
	rcv.Replay(r.visiblePresence(s))
	s.index = len(r.sessions)
	r.sessions = append(r.sessions, s)
	r.byUser[who.User] = append(r.byUser[who.User], s)
	r.mu.Unlock()
	r.flush()
	return s, nil
}

// Leave takes the session out. When it was the last one of its client, those
// who could see that client are told (t-x-d-d, spec/tak-streaming.md 10).
func (s *Session) Leave() {
	r := s.r
	r.mu.Lock()
	last := len(r.sessions) - 1
	r.sessions[s.index] = r.sessions[last]
	r.sessions[s.index].index = s.index
	r.sessions[last] = nil
	r.sessions = r.sessions[:last]
	drop(r.byUser, s.who.User, s)
	gone := r.unbind(s)
	if gone != nil {
		r.fanout(gone, gone[0].Groups, s)
	}
	r.mu.Unlock()
	if gone != nil {
		r.tap(gone)
		r.flush()
	}
}

// sign writes on the events who sent them, as far as that is known before they
// are routed: a filter goes by it, and by what sign gives.
func (s *Session) sign(evs []*hostapi.Event) *Who {
	s.r.mu.RLock()
	who, in, uid := s.shown, s.who.In, ""
	if s.client != nil {
		uid = s.client.uid
	}
	s.r.mu.RUnlock()
	for _, e := range evs {
		e.Conn, e.User, e.Client, e.Groups = s.who.Conn, s.who.User, uid, in
	}
	return who
}

// Publish routes events that the session sent, in their order. The events are
// the router's from now on; the slice may be used again when it returns. It tells how many of the receivers
// lag and how many there were, so that a sender faster than everybody can be
// slowed down instead of being thrown away.
func (s *Session) Publish(evs []*hostapi.Event) (lagging, receivers int) {
	r := s.r
	s.published.Add(uint64(len(evs)))
	r.met.published.Add(uint64(len(evs)))
	if f := r.opt.Filter; f != nil {
		evs = f.Filter(s.sign(evs), evs)
	}
	single := r.single(evs)

	kept := evs[:0] // what others get to see; the rest is for the server alone
	defer func() {
		r.tap(kept)
		r.flush()
	}()
	start := 0 // of the broadcast run in kept that is not delivered yet
	r.mu.RLock()
	locked := true
	defer func() {
		if locked {
			r.mu.RUnlock()
		}
	}()
	if s.cut {
		return 0, 0
	}
	deliver := func() {
		if run := kept[start:]; len(run) > 0 {
			n, lag := r.fanout(run, s.who.In, s)
			receivers, lagging = receivers+n, lagging+lag
		}
		start = len(kept)
	}
	for _, e := range evs {
		if s.control(e) {
			continue
		}
		if s.needsBind(e) {
			deliver()
			r.mu.RUnlock()
			locked = false
			if !s.bind(e) {
				return lagging, receivers
			}
			r.mu.RLock()
			locked = true
			if s.cut {
				return lagging, receivers
			}
		}
		e.Conn, e.User, e.Groups = s.who.Conn, s.who.User, s.who.In
		if s.client != nil {
			e.Client = s.client.uid
		}
		explicit := isExplicit(e)
		if s.incognito.Load() && !hasCallsignDest(e) {
			r.met.incognito.Add(1)
			continue
		}
		if !explicit {
			kept = append(kept, e)
			s.present(e)
			continue
		}
		deliver()
		r.narrow(s, e, single)
		n, lag := r.directed(s, e)
		receivers, lagging = receivers+n, lagging+lag
		kept = append(kept, e)
		start = len(kept)
	}
	deliver()
	return lagging, receivers
}

func drop[K comparable, V comparable](m map[K][]V, key K, v V) {
	list := m[key]
	if i := slices.Index(list, v); i >= 0 {
		list = slices.Delete(list, i, i+1)
	}
	if len(list) == 0 {
		delete(m, key)
	} else {
		m[key] = list
	}
}
