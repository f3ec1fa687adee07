package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/hostapi"
)

// Event ids must stay above all that were ever given, also of events that were
// not archived, after a crash and with the clock set back. So the server
// reserves them: the stored mark is always some seconds ahead of the last id.
const (
	reserveEvery = 5 * time.Second
	reserveAhead = 15 * time.Second
	// reserveOver is how far above the last id, where that is ahead of the clock:
	// after a restart it is the mark of the time before, and marks must not climb
	// with each restart. A second has room for more ids than can come in one turn.
	reserveOver = 2 * time.Second
)

// openIDs goes on above the highest id that may have been given before.
func (s *Server) openIDs(ctx context.Context) error {
	last, err := s.store.MaxID(ctx)
	if err != nil {
		return err
	}
	if ahead := time.Until(last.Time()); ahead > time.Minute {
		s.opt.Log.Warn("the clock is behind the newest stored event: event ids go on from there, times are the clock's",
			slog.Duration("behind", ahead.Round(time.Second)))
	}
	s.ids = route.NewIDs(s.cfg.Node, last, time.Now)
	return s.reserve(ctx)
}

// openGroups loads the sets of groups that stored events refer to.
func (s *Server) openGroups(ctx context.Context) error {
	sets, err := s.store.LoadSets(ctx)
	if err != nil {
		return err
	}
	s.groups = route.NewGroups(sets, func(id hostapi.SetID, members []hostapi.GroupID) error {
		return s.store.SaveSet(context.Background(), id, members)
	})
	return nil
}

// reserve stores a mark ahead of the ids to come.
func (s *Server) reserve(ctx context.Context) error {
	mark := s.ids.Last().Time().Add(reserveOver)
	if now := time.Now().Add(reserveAhead); now.After(mark) {
		mark = now
	}
	return s.store.SaveHighID(ctx, hostapi.NewID(mark, s.cfg.Node, 0))
}

// reserveIDs keeps the mark ahead until the server stops.
func (s *Server) reserveIDs() {
	tick := time.NewTicker(reserveEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stopping:
			return
		case <-tick.C:
			ctx, cancel := context.WithTimeout(context.Background(), reserveEvery)
			if err := s.reserve(ctx); err != nil {
				s.opt.Log.Error("cannot store the mark of event ids", slog.Any("err", err))
			}
			cancel()
		}
	}
}
