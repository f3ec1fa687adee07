package stream

import (
	"slices"
	"time"
)

// Info describes one connection, for lists.
type Info struct {
	Conn       uint64    `json:"conn"`
	Addr       string    `json:"addr"`
	Listener   string    `json:"listener"`
	Since      time.Time `json:"since"`
	Protocol   string    `json:"protocol"` // xml or tak1
	BytesIn    uint64    `json:"bytes_in"`
	BytesOut   uint64    `json:"bytes_out"`
	EventsIn   uint64    `json:"events_in"`
	Queued     int       `json:"queued"`     // events that wait for it
	Superseded uint64    `json:"superseded"` // positions left out because it was behind
}

// Count tells how many connections there are.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// Connections lists who is connected, by connection number.
func (s *Server) Connections() []Info {
	s.mu.Lock()
	list := make([]*conn, 0, len(s.open))
	for _, c := range s.open {
		list = append(list, c)
	}
	s.mu.Unlock()
	infos := make([]Info, len(list))
	for i, c := range list {
		infos[i] = c.info()
	}
	slices.SortFunc(infos, func(a, b Info) int { return int(int64(a.Conn) - int64(b.Conn)) })
	return infos
}

func (c *conn) info() Info {
	i := Info{
		Conn: c.id, Addr: c.addr, Listener: c.on, Since: c.since, Protocol: "xml",
		BytesIn: c.inBytes.Load(), BytesOut: c.outBytes.Load(), EventsIn: c.inEvents.Load(), Superseded: c.superseded.Load(),
	}
	if c.proto.Load() {
		i.Protocol = "tak1"
	}
	c.mu.Lock()
	i.Queued = c.queue.waiting()
	c.mu.Unlock()
	return i
}

// Malformed counts the events that were dropped because they could not be
// read.
func (s *Server) Malformed() uint64 { return s.met.malformed.Load() }
