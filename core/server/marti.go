package server

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/takhost/takhost/core/marti"
	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
)

// martiCore is the server as the Marti operations see it.
type martiCore struct{ s *Server }

var _ marti.Core = martiCore{}

// Clients implements marti.Core.
func (m martiCore) Clients(context.Context) []marti.Client {
	list := m.s.connected()
	out := make([]marti.Client, len(list))
	for i, c := range list {
		out[i] = marti.Client{Client: c.web, In: c.info.In, Out: c.info.Out, Serial: c.info.Certificate, Incognito: c.info.Incognito}
	}
	return out
}

// Query implements marti.Core.
func (m martiCore) Query(ctx context.Context, q store.Query) (store.Page, error) {
	return m.s.Query(ctx, q)
}

// Latest implements marti.Core.
func (m martiCore) Latest(uid string) []*hostapi.Event { return m.s.router.Latest(uid) }

// Disconnect implements marti.Core.
func (m martiCore) Disconnect(conn uint64, why string) bool {
	return m.s.router.Cut(func(w route.Who) bool { return w.Conn == conn }, why) > 0
}

// SetIncognito implements marti.Core.
func (m martiCore) SetIncognito(conn uint64, on bool) bool { return m.s.router.SetIncognito(conn, on) }

// Regroup implements marti.Core.
func (m martiCore) Regroup(user, device, clientUID string) {
	m.s.regroup(func(w route.Who, uid string) bool { return isDevice(w, uid, user, device) }, clientUID)
}

// Replay implements marti.Core.
func (m martiCore) Replay(user, device string) {
	m.s.router.Resend(func(w route.Who, uid string) bool { return isDevice(w, uid, user, device) })
}

// isDevice says whether a connection is one of the user's device; an empty
// device is all of them.
func isDevice(w route.Who, uid, user, device string) bool {
	return w.User == user && (device == "" || w.Device == device || uid == device)
}

// Reach implements marti.Core.
func (m martiCore) Reach() (onboard.Reach, error) { return m.s.reach.reach() }

// recall has the roster know who was here before the start.
func (s *Server) recall(ctx context.Context) {
	if err := s.roster.Recall(ctx, s.store.Archive().Query, time.Now()); err != nil {
		s.opt.Log.Warn("who was connected before the start is not known", slog.Any("err", err))
	}
}

// nodeKey is the setting with the id by which TAK clients tell servers apart.
const nodeKey = "node_id"

// nodeID gives that id, which is made once.
func (s *Server) nodeID(ctx context.Context) (string, error) {
	id, err := s.store.Setting(ctx, nodeKey)
	if store.CodeOf(err) != store.NotFound {
		return id, err
	}
	id = uuid.NewString()
	if err := s.store.SetSetting(ctx, nodeKey, id); err != nil {
		return "", fmt.Errorf("keep the id of this server: %w", err)
	}
	return id, nil
}
