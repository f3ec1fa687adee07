package stream

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/takproto"
)

// Large says what a client of the TAK protocol gets in place of an event that is
// too long for a frame (spec/tak-streaming.md 3): a notice by which it fetches
// the event. Its methods are called from many goroutines, outside all locks.
type Large interface {
	// Keep makes an event ready to be fetched, which may take a millisecond for
	// each of its megabytes. It is called once for an event, and only if a client
	// is to be told of it.
	Keep(e *hostapi.Event) (Notice, error)
}

// Notice writes what clients are told of one event.
type Notice interface {
	// For gives the event, as XML, that tells clients of one place where to
	// fetch it. An error says why they cannot be told.
	For(at Place) (xml string, err error)
}

// Place is how a client reaches the server. Clients of one place get the same
// notice.
type Place struct {
	Listener string // it came by
	Host     string // address of ours that it connected to; empty when that says nothing
	BaseURL  string // of a WebSocket: what it asked for, without the path; empty elsewhere
}

func placeOf(c *conn, p Peer) Place {
	at := Place{Listener: c.on}
	if p.Caller != nil {
		at.BaseURL = p.Caller.BaseURL
	} else if addr, ok := c.sock.LocalAddr().(*net.TCPAddr); ok && !addr.IP.IsLinkLocalUnicast() {
		at.Host = addr.IP.String()
	}
	return at
}

// noticeSize is what an event that stands for a longer one counts in a queue, in
// bytes: about what a notice has.
const noticeSize = 1 << 10

// turnsAtOnce is how many long events are made ready at a time: work that a
// flood of them makes must leave cores for the others.
func turnsAtOnce() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// A standIn takes the place of one event, too long for a frame, in the queues of
// all clients that speak the TAK protocol. They hold it and not the event, so
// that a client which is behind keeps no megabytes.
//
// Whether the event is too long indeed, and the hash in the notice, take a look
// at all of it. That happens once, as soon as the first such client is to get
// it, on a goroutine of its own; the sender is read on when it is done (await),
// so whoever sends much of this waits for it himself. A client that reaches the
// stand-in in its queue before is listed for writing again when it is ready, and
// the round goes on to the next.
//
// It is an error so that the event's cache of its TAK protocol form can hold it:
// one for all receivers, and gone with the event.
type standIn struct {
	s      *Server
	size   int // bytes of the event
	wanted atomic.Bool
	ready  chan struct{} // closed when what is below is set

	whole  []byte // frame of the event, which is not too long after all
	notice Notice
	err    error // why there is neither

	mu    sync.Mutex               // guards what is below; taken alone, or under a conn.mu
	event *hostapi.Event           // nil when it is ready
	at    map[Place]*hostapi.Event // what stands in the queues
	waits []*conn                  // to be listed when it is ready
}

func (*standIn) Error() string { return "something stands in for the event" }

// longestKey is the longest uid or type that is copied out of an event: the
// archive's bound.
const longestKey = 1024

// standInOf gives what stands in for e; nil when e has a frame of its own, made
// by its sender.
func (s *Server) standInOf(e *hostapi.Event) *standIn {
	_, err := e.Frame(func(e *hostapi.Event) ([]byte, error) {
		return nil, &standIn{s: s, size: len(e.XML), ready: make(chan struct{}), event: e, at: map[Place]*hostapi.Event{}}
	})
	st := (*standIn)(nil)
	errors.As(err, &st)
	return st
}

// standIns puts stand-ins in the place of long events; c.mu is held. The slice
// it gets stays as it is.
func (c *conn) standIns(evs []*hostapi.Event) []*hostapi.Event {
	copied := false
	for i, e := range evs {
		// A message is never longer than the XML that it is made of.
		if len(e.XML) <= takproto.MaxFrame {
			continue
		}
		st := c.s.standInOf(e)
		if st == nil {
			continue
		}
		if !copied {
			evs, copied = slices.Clone(evs), true
		}
		evs[i] = st.standing(e, c.place)
		if st.wanted.CompareAndSwap(false, true) {
			c.s.conns.Go(st.make) // c is open and so counted: nobody waits for conns alone yet
		}
	}
	return evs
}

// stood is one stand-in at a place; like standIn it is an error to be kept where
// its event keeps its frame.
type stood struct {
	*standIn
	place Place
	once  sync.Once
	bytes []byte
	err   error
}

// stoodFor gives what e stands for, nil for an event that is itself.
func stoodFor(e *hostapi.Event) *stood {
	if e.XML != "" {
		return nil
	}
	_, err := e.Frame(func(*hostapi.Event) ([]byte, error) { return nil, nil })
	in := (*stood)(nil)
	errors.As(err, &in)
	return in
}

// ready says whether e can be written without waiting for work on it.
func ready(e *hostapi.Event) bool {
	in := stoodFor(e)
	if in == nil {
		return true
	}
	select {
	case <-in.ready:
		return true
	default:
		return false
	}
}

// standing gives what a client of a place gets into its queue for e. A queue and
// the router look at what is in it, and it must not keep e in memory.
func (st *standIn) standing(e *hostapi.Event, at Place) *hostapi.Event {
	st.mu.Lock()
	defer st.mu.Unlock()
	if q := st.at[at]; q != nil {
		return q
	}
	q := &hostapi.Event{
		ID: e.ID, Recv: e.Recv, Conn: e.Conn, User: e.User, Client: e.Client, Groups: e.Groups, Origin: e.Origin, Via: e.Via, First: e.First,
		Header: cot.Header{UID: e.ID.String(), Type: "?", Time: e.Time, Start: e.Start, Stale: e.Stale},
	}
	if len(e.UID) <= longestKey && len(e.Type) <= longestKey {
		q.UID, q.Type = strings.Clone(e.UID), strings.Clone(e.Type)
	}
	_, _ = q.Frame(func(*hostapi.Event) ([]byte, error) { return nil, &stood{standIn: st, place: at} }) // sets it
	st.at[at] = q
	return q
}

// make makes it ready.
func (st *standIn) make() {
	s := st.s
	defer s.hub.flush()
	defer st.wake()
	defer func() {
		if p := recover(); p != nil {
			st.err = errors.New("fault in the server")
			s.met.panics.Add(1)
			s.opt.Log.Error("fault in the server, a long event is not passed on for it; please report this",
				slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		}
	}()
	s.turns <- struct{}{}
	defer func() { <-s.turns }()
	e := st.event // nobody else changes it
	st.whole, st.err = takproto.AppendFrame(nil, e.XML, &e.Header)
	if !errors.Is(st.err, takproto.ErrTooLong) || s.opt.Large == nil {
		return
	}
	notice, err := s.opt.Large.Keep(e)
	if err != nil {
		st.err = fmt.Errorf("%w: %w", takproto.ErrTooLong, err)
		return
	}
	st.notice, st.err = notice, nil
	s.opt.Log.Debug("event too large for TAK protocol clients, they are told where to fetch it",
		slog.String("id", e.ID.String()), slog.String("type", e.Type), slog.Int("bytes", len(e.XML)))
}

// wake lists the connections that wait, once the rest is set.
func (st *standIn) wake() {
	st.mu.Lock()
	st.event = nil
	waits := st.waits
	st.waits = nil
	close(st.ready)
	st.mu.Unlock()
	for _, c := range waits {
		c.mu.Lock()
		if c.state == waiting && !c.closed {
			c.state = listed
			c.due = c.s.hub.add(c, true)
		}
		c.mu.Unlock()
	}
}

// await waits until what stands in for e is ready, if anybody is to get it.
func (s *Server) await(e *hostapi.Event) {
	if st := s.standInOf(e); st != nil && st.wanted.Load() {
		<-st.ready
	}
}

// awaits says whether the first of left is not ready. Then the connection is no
// longer its caller's: it is listed again.
func (c *conn) awaits() bool {
	if !c.proto.Load() || ready(c.left[0]) {
		return false
	}
	st := stoodFor(c.left[0]).standIn
	c.mu.Lock()
	defer c.mu.Unlock()
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.event == nil {
		return false // now it is
	}
	c.state = waiting
	st.waits = append(st.waits, c)
	return true
}

// frame gives the bytes for clients of the place. It waits for what is not ready.
func (in *stood) frame() ([]byte, error) {
	<-in.ready
	in.once.Do(func() { in.bytes, in.err = in.write() })
	if in.err == nil && in.notice != nil {
		in.s.met.noticed.Add(1)
	}
	return in.bytes, in.err
}

func (in *stood) write() ([]byte, error) {
	if in.standIn.err != nil || in.notice == nil {
		return in.whole, in.standIn.err
	}
	xml, err := in.notice.For(in.place)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", takproto.ErrTooLong, err)
	}
	var h cot.Header
	if err := cot.Scan(xml, &h); err != nil {
		return nil, fmt.Errorf("notice of an event: %w", err)
	}
	return takproto.AppendFrame(nil, xml, &h)
}
