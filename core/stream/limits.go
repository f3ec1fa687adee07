package stream

import (
	"net"
	"time"

	"golang.org/x/time/rate"

	"github.com/takhost/takhost/hostapi/cot"
)

// Limits bound what clients can use up. SetLimits puts others in their place
// while the server runs; a value is never changed once it is in force.
type Limits struct {
	Scan           cot.Limits    // of one event's markup
	MaxEvent       int           // bytes of one event
	QueueEvents    int           // events that one client may be behind
	QueueBytes     int           // and bytes of XML
	Unfinished     int           // bytes of unfinished events, all connections together
	UnfinishedWait time.Duration // how long an event may stay unfinished
	Handshake      time.Duration // how long a client may take until it has said who it is: PROXY header, TLS, <auth>
	Gather         time.Duration // longest wait for events to share a write
	Stall          time.Duration // how long a client may take nothing
	Shutdown       time.Duration // how long a stop may take to write what is queued
	Connections    int           // all together
	PerAddress     int           // from one address
	SenderRate     int           // events a second of one client; more are read later. 0: any number
}

// SetLimits puts limits in force, for connections that are there too: none of
// them is closed for it. Those that are more than Connections or PerAddress now
// stay, a queue that fills more than half of a smaller bound keeps the old one
// until it does not, and a wait that has begun ends by the limit with which it
// began. It must not be called twice at once.
func (s *Server) SetLimits(l Limits) {
	before := s.limits.Swap(&l)
	if l.Gather != before.Gather {
		s.hub.setWindow(l.Gather)
	}
	if l.Stall == before.Stall {
		return
	}
	s.mu.Lock()
	list := make([]net.Conn, 0, len(s.open))
	for _, c := range s.open {
		list = append(list, c.sock)
	}
	s.mu.Unlock()
	for _, nc := range list {
		if tcp := tcpOf(nc); tcp != nil {
			_ = setUserTimeout(tcp, l.Stall+userTimeoutMore) // it may be closed by now
		}
	}
}

// tcpOf gives the connection of the kernel that is below a socket's layers, nil
// where there is none of ours.
func tcpOf(nc net.Conn) *net.TCPConn {
	for {
		if tcp, ok := nc.(*net.TCPConn); ok {
			return tcp
		}
		layer, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		nc = layer.NetConn()
	}
}

// rated gives the limiter for a sender's rate in force: the one before, unless
// the rate is another one now. A new one begins with two seconds of events.
func rated(before *rate.Limiter, perSecond int) *rate.Limiter {
	switch {
	case perSecond == 0:
		return nil
	case before != nil && before.Limit() == rate.Limit(perSecond):
		return before
	}
	return rate.NewLimiter(rate.Limit(perSecond), 2*perSecond)
}
