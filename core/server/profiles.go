package server

import (
	"context"
	"fmt"
	"time"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/marti"
	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

var (
	_ marti.Profiles      = (*admin.Profiles)(nil)
	_ marti.ProfileKeeper = (*admin.Profiles)(nil)
)

// openProfiles opens the device profiles. They belong to the core, as phones have
// to get on when every plugin is off.
func (s *Server) openProfiles(ctx context.Context) (err error) {
	s.profiles, err = admin.OpenProfiles(ctx, admin.ProfileOptions{
		Records: s.store, Files: s.store.Blobs(), MaxFile: func() int64 { return int64(s.limits.Load().Upload) }, Now: time.Now, Log: s.opt.Log,
	})
	if err != nil {
		return fmt.Errorf("open device profiles: %w", err)
	}
	return nil
}

// BaseURL implements marti.Core.
func (m martiCore) BaseURL(listener string) string {
	bound := m.s.Addr(listener)
	if bound == nil {
		return ""
	}
	return m.s.reach.base(listener, bound.String(), encrypted(listener, m.s.cfg))
}

// Emit implements marti.Core.
func (m martiCore) Emit(xml string, groups hostapi.SetID, uids []string) error {
	e := &hostapi.Event{XML: xml, Origin: hostapi.FromServer}
	if err := cot.Scan(xml, &e.Header); err != nil {
		return fmt.Errorf("read an event of the server: %w", err)
	}
	m.s.router.Emit([]*hostapi.Event{e}, route.Audience{Groups: groups, UIDs: uids})
	return nil
}
