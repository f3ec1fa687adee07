package route

import (
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Receiver is where the events of one session go. Its methods are called from
// many goroutines at once, some under the router's lock: they must not block
// and must not call the router.
type Receiver interface {
	// Offer hands over events in the order in which they are to arrive. The
	// slice is the caller's, the events are shared and read-only. It tells
	// whether the receiver lags: it takes events, but slower than they come.
	Offer(evs []*hostapi.Event) (lagging bool)

	// Replay hands a newcomer the latest position of everybody it may see,
	// before the first Offer. There may be more of them than a queue holds. When
	// groups change it is called again, perhaps several times in a row: then
	// the events come behind all that was handed over before. The slice is shared
	// and read-only.
	Replay(evs []*hostapi.Event)

	// Close ends the connection behind the receiver and says why in the log.
	Close(reason string)
}

// Tap is shown every event that was routed, after its delivery and in batches.
// It must not block; the rules of Offer hold for the slice and the events.
type Tap interface {
	Routed(evs []*hostapi.Event)
}

// Filter decides on events before they are routed, on the goroutine that
// publishes them: it may leave some out or put others in their place, each with
// the id and the time of coming of the one it replaces. It gets, and may use
// again, the slice; what it gives is routed. It must not block for long nor
// change who.
type Filter interface {
	Filter(who *Who, evs []*hostapi.Event) []*hostapi.Event
}

// Watcher is told who comes and goes, in that order, under the router's lock:
// it must not block and must not call the router.
type Watcher interface {
	Changed(c wire.ClientChange)
}

// Options say what a Router works with.
type Options struct {
	IDs     *IDs
	Groups  *Groups
	Taps    []Tap
	Filter  Filter  // may be nil
	Watcher Watcher // may be nil
	Flush   func()  // called after each batch, outside all locks; may be nil
	Now     func() time.Time
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Router holds who is connected and passes events on.
type Router struct {
	opt Options
	met *metrics

	// mu guards everything below, and the fields of sessions and clients that
	// say so. Publishing holds it for reading during a whole batch, which makes
	// a batch and a change of membership exclude one another. Receivers' own
	// locks are taken under it, never the other way round.
	mu         sync.RWMutex
	sessions   []*Session
	clients    map[clientKey]*client
	byUID      map[string][]*client
	byCallsign map[string][]*client
	byUser     map[string][]*Session
	topics     map[string]*Topic
	aliases    map[string][]string
	joins      map[clientKey]*joinCount
	joinsSwept time.Time
	closed     bool

	regrouping sync.Mutex // held during Regroup; taken before mu

	done chan struct{} // closed by Close: nobody waits any longer
}

// New gives an empty router.
func New(opt Options) *Router {
	r := &Router{
		opt:        opt,
		clients:    map[clientKey]*client{},
		byUID:      map[string][]*client{},
		byCallsign: map[string][]*client{},
		byUser:     map[string][]*Session{},
		topics:     map[string]*Topic{},
		aliases:    map[string][]string{},
		joins:      map[clientKey]*joinCount{},
		done:       make(chan struct{}),
	}
	r.met = newMetrics(r, opt.Metrics)
	return r
}

// Groups gives the router's table of group sets.
func (r *Router) Groups() *Groups { return r.opt.Groups }

// Close ends the time of notices: sessions that leave from now on do so
// silently, as a server that stops is no news about each of its clients.
func (r *Router) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed = true
		close(r.done)
	}
}

func (r *Router) flush() {
	if r.opt.Flush != nil {
		r.opt.Flush()
	}
}

func (r *Router) tap(evs []*hostapi.Event) {
	if len(evs) == 0 {
		return
	}
	for _, t := range r.opt.Taps {
		t.Routed(evs)
	}
}

// fanout offers evs, all of the same audience, to every session whose groups
// may see them but from. r.mu is held for reading or writing.
func (r *Router) fanout(evs []*hostapi.Event, in hostapi.SetID, from *Session) (n, lagging int) {
	if in == 0 {
		return 0, 0 // who may send to no group reaches nobody
	}
	var last hostapi.SetID
	var ok bool
	for _, s := range r.sessions {
		if s == from {
			continue
		}
		if s.who.Out != last {
			last = s.who.Out
			ok = r.opt.Groups.Intersects(in, last)
		}
		if !ok {
			continue
		}
		wanted := evs
		if f := s.filter.Load(); f != nil {
			if wanted = f.pass(evs); len(wanted) == 0 {
				continue
			}
		}
		if s.rcv.Offer(wanted) {
			lagging++
		}
		n++
		s.delivered.Add(uint64(len(wanted)))
		r.met.delivered.Add(uint64(len(wanted)))
	}
	return n, lagging
}
