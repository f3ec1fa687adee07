package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime/metrics"
	"time"

	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/stream"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

var _ web.Core = (*Server)(nil)

// Status implements web.Core.
func (s *Server) Status(ctx context.Context) (web.Status, error) {
	totals, archive := s.router.Totals(), s.store.Archive().Stats()
	st := web.Status{
		Version: s.opt.Version, PID: os.Getpid(), Node: s.cfg.Node,
		Started: s.started.UTC(), Uptime: int64(time.Since(s.started).Seconds()),
		Listeners: s.listeners.List(ctx), Connections: len(s.stream.Connections()), Clients: totals.Clients,
		Events: web.EventCounts{Received: totals.Published, Delivered: totals.Delivered, Malformed: s.stream.Malformed()},
		Archive: web.ArchiveStatus{
			State: archive.State, Events: archive.Events, Bytes: archive.Bytes, Queued: archive.Queued, Dropped: archive.Dropped,
		},
		Data: absolute(s.cfg.Data), Database: s.cfg.Database.String(), Memory: memory(),
	}
	if !archive.Oldest.IsZero() {
		st.Archive.Oldest = &archive.Oldest
	}
	return st, nil
}

// absolute makes a path independent of the working directory, which is another
// one for whoever asks.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// memory asks the runtime without stopping it.
func memory() web.Memory {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return web.Memory{Heap: samples[0].Value.Uint64(), Total: samples[1].Value.Uint64() - samples[2].Value.Uint64()}
}

// connection is one client's, as streams and router know it.
type connection struct {
	web  web.Client
	info route.Info
}

// connected lists all connections of clients by rising number.
func (s *Server) connected() []connection {
	sessions := map[uint64]route.Info{}
	for _, i := range s.router.Sessions() {
		sessions[i.Conn] = i
	}
	conns := s.stream.Connections()
	list := make([]connection, len(conns))
	for n, c := range conns {
		i := sessions[c.Conn]
		w := web.Client{
			Conn: c.Conn, Addr: c.Addr, Listener: c.Listener, Since: c.Since.UTC(), Protocol: c.Protocol,
			BytesIn: c.BytesIn, BytesOut: c.BytesOut, EventsIn: c.EventsIn, Queued: c.Queued, Superseded: c.Superseded,
			User: i.User, EventsOut: i.Delivered, UID: i.UID, Callsign: i.Callsign, Stats: i.Stats,
		}
		if p := i.Latest; p != nil {
			at := p.At.UTC()
			w.Team, w.Role, w.Type, w.Device, w.Platform, w.Version = p.Team, p.Role, p.Type, p.Device, p.Platform, p.Version
			w.Lat, w.Lon, w.LastSeen = &p.Lat, &p.Lon, &at
		}
		list[n] = connection{w, i}
	}
	return list
}

// Clients implements web.Core.
func (s *Server) Clients(context.Context) []web.Client {
	list := s.connected()
	out := make([]web.Client, len(list))
	for i := range list {
		out[i] = list[i].web
	}
	return out
}

// Query implements web.Core.
func (s *Server) Query(ctx context.Context, q store.Query) (store.Page, error) {
	return s.store.Archive().Query(ctx, q)
}

// Sets implements web.Core.
func (s *Server) Sets(_ context.Context, group string) ([]hostapi.SetID, error) {
	id, ok := s.router.Groups().Named(group)
	if !ok {
		return nil, &store.Error{Code: store.NotFound, Msg: fmt.Sprintf("there is no group %q", group)}
	}
	return s.router.Groups().With(id), nil
}

// Stream implements web.Core.
func (s *Server) Stream(nc net.Conn) {
	s.stream.ServeClient(nc, stream.Peer{Listener: viaAdmin}, false)
}

// StreamAs implements web.Core.
func (s *Server) StreamAs(nc net.Conn, caller *wire.Caller, addr, listener string) {
	s.stream.ServeClient(nc, stream.Peer{Listener: listener, Addr: addr, Caller: caller}, true)
}

// Ready implements web.Core.
func (s *Server) Ready(context.Context) error {
	if !s.ready.Load() {
		return errors.New("not all listeners are open")
	}
	return nil
}
