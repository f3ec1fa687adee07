package route

import (
	"log/slog"
	"time"

	"github.com/takhost/takhost/hostapi"
)

// A client that reconnects in a loop (a broken app, a bad radio link, two
// devices with one uid) would tell everybody of its coming and going each
// time. Its connections are made to wait before they count, longer the more of
// them come, and when a newer one has come meanwhile the older is closed.
const (
	joinWindow  = 10 * time.Second
	freeJoins   = 20 // joins in a window that nobody minds
	longestWait = 5 * time.Second
	maxSessions = 4 // connections of one client at a time
	maxJoinKeys = 4096
)

// joinCount counts the joins of one client. Under Router.mu.
type joinCount struct {
	began  time.Time
	n      int
	newest *Session
}

// damp holds s back if its client joins too often, and says whether s may go
// on.
func (r *Router) damp(s *Session, e *hostapi.Event) bool {
	key := clientKey{s.who.User, e.UID}
	r.mu.Lock()
	j := r.joins[key]
	now := r.opt.Now()
	if j == nil {
		if len(r.joins) >= maxJoinKeys && now.Sub(r.joinsSwept) > joinWindow {
			r.joinsSwept = now
			for k, old := range r.joins {
				if now.Sub(old.began) > joinWindow {
					delete(r.joins, k)
				}
			}
		}
		j = &joinCount{began: now}
		r.joins[key] = j
	}
	if now.Sub(j.began) > joinWindow {
		j.began, j.n = now, 0
	}
	j.n++
	j.newest = s
	n := j.n
	r.mu.Unlock()
	if n <= freeJoins {
		return true
	}
	wait := min(time.Duration(n-freeJoins)*500*time.Millisecond, longestWait)
	r.met.damped.Add(1)
	r.opt.Log.Warn("client reconnects too often, its newest connection has to wait",
		slog.String("uid", e.UID), slog.String("addr", s.who.Addr), slog.Int("joins", n), slog.Duration("wait", wait))
	select {
	case <-time.After(wait):
	case <-r.done:
		return true // the last events before a stop still count
	}
	r.mu.RLock()
	newest := j.newest == s
	r.mu.RUnlock()
	if !newest {
		s.rcv.Close("a newer connection of the same client has come")
	}
	return newest
}
