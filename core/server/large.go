package server

import (
	"cmp"
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/takhost/takhost/core/large"
	"github.com/takhost/takhost/core/marti"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/stream"
	"github.com/takhost/takhost/hostapi"
)

// How much is kept of events that are too long for a frame, and how long: phones
// fetch them at once, or when they are back on their network.
const (
	largeBytes = 64 << 20
	largeKeep  = 10 * time.Minute
)

// noticer tells clients of the TAK protocol where to fetch events that are too
// long for a frame.
type noticer struct{ s *Server }

var _ stream.Large = noticer{}

// notice is what they are told of one event.
type notice struct {
	*large.Notice
	s    *Server
	from string
}

var _ stream.Notice = (*notice)(nil)

// Keep implements stream.Large.
func (n noticer) Keep(e *hostapi.Event) (stream.Notice, error) {
	if e.ID == 0 {
		return nil, errors.New("it has no id to be fetched by")
	}
	k := large.Of(e)
	told, err := k.Notice()
	if err != nil {
		return nil, err
	}
	// One that there is no room for is in the archive, most likely.
	n.s.large.Keep(k)
	from := ""
	if e.Client != "" {
		from = n.s.router.CallsignOf(e.User, e.Client)
	}
	return &notice{told, n.s, cmp.Or(from, e.User, e.Client, "takhost")}, nil
}

// For implements stream.Notice.
func (n *notice) For(at stream.Place) (string, error) {
	base, err := n.s.fetchBase(at)
	if err != nil {
		return "", err
	}
	return n.XML(base, n.from, time.Now())
}

var (
	errNoHTTPS = errors.New("listen.https is closed, by which it would be fetched")
	errNoHTTP  = errors.New("listen.http is closed, by which it would be fetched")
)

// fetchBase gives where clients of a place fetch by HTTP: those with TLS by
// https, where their certificate counts, others by http; those of a WebSocket
// where that is.
func (s *Server) fetchBase(at stream.Place) (string, error) {
	if at.BaseURL != "" {
		return at.BaseURL, nil
	}
	name, missing := "https", errNoHTTPS
	switch at.Listener {
	case "tcp", "http":
		name, missing = "http", errNoHTTP
	case "web":
		name = "web"
	}
	bound := s.Addr(name)
	if bound == nil {
		return "", missing
	}
	addr := bound.String()
	// Of a listener on all addresses, the one that the client knows is the best
	// guess where the configuration does not say.
	if tcp, ok := bound.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() && at.Host != "" {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			return "", missing
		}
		addr = net.JoinHostPort(at.Host, port)
	}
	base := s.reach.base(name, addr, encrypted(name, s.cfg))
	if base == "" {
		return "", missing
	}
	return strings.TrimSuffix(base, "/"), nil
}

func keptOf(e *large.Event) marti.Kept {
	return marti.Kept{UID: e.UID, Groups: e.Groups, Key: e.Key, Body: e.Body, Len: e.Body.Len()}
}

// Kept implements marti.Core.
func (m martiCore) Kept(id hostapi.ID) (marti.Kept, bool) {
	e, ok := m.s.large.Get(id)
	if !ok {
		return marti.Kept{}, false
	}
	return keptOf(e), true
}

// Archived implements marti.Core.
func (m martiCore) Archived(ctx context.Context, uid string, id hostapi.ID, sets []hostapi.SetID) (marti.Kept, bool, error) {
	e, err := m.s.large.Load(ctx, id, func(ctx context.Context) (*large.Event, error) {
		return m.s.readArchived(ctx, uid, id, sets)
	})
	if err != nil || e == nil {
		return marti.Kept{}, false, err
	}
	return keptOf(e), true, nil
}

// Ids tell the time of an event's coming but where the clock was set back: then
// they run ahead of it. What is further apart is not looked for.
const (
	idNear  = 5 * time.Millisecond
	idApart = 10 * time.Minute
	idPages = 3
)

// readArchived looks for one event of a uid; nil when there is none.
func (s *Server) readArchived(ctx context.Context, uid string, id hostapi.ID, sets []hostapi.SetID) (*large.Event, error) {
	at := id.Time()
	for _, q := range []store.Query{
		{From: at.Add(-idNear), To: at.Add(idNear)},
		{From: at.Add(-idApart), To: at.Add(idApart)},
	} {
		q.UID, q.Sets, q.Ascending = uid, sets, true
		e, err := s.findArchived(ctx, q, id)
		if e != nil || err != nil {
			return e, err
		}
	}
	return nil, nil
}

// findArchived looks for the event of an id in the first pages of a query.
func (s *Server) findArchived(ctx context.Context, q store.Query, id hostapi.ID) (*large.Event, error) {
	for range idPages {
		p, err := s.Query(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range p.Events {
			switch e := &p.Events[i]; {
			case e.ID == id:
				return large.Read(e.ID, e.UID, e.Groups, e.XML)
			case e.ID > id:
				return nil, nil
			}
		}
		if q.After = p.Next; p.Next == "" {
			return nil, nil
		}
	}
	return nil, nil
}
