package server

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/marti"
	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/plugin/process"
	"github.com/takhost/takhost/core/plugin/wasm"
	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// hooks stand between the router and the plugin host, which need one another.
// host is set before the first session joins.
type hooks struct {
	host   *plugin.Host
	roster *marti.Roster
}

var (
	_ route.Tap     = (*hooks)(nil)
	_ route.Filter  = (*hooks)(nil)
	_ route.Watcher = (*hooks)(nil)
)

func (h *hooks) Routed(evs []*hostapi.Event) { h.host.Routed(sentToSomebody(evs)) }

// sentToSomebody leaves out what comes from clients that may send to no group. A
// plugin that answers for others, or passes a message on later, would else carry
// it to people whom its sender may not reach.
func sentToSomebody(evs []*hostapi.Event) []*hostapi.Event {
	toNobody := func(e *hostapi.Event) bool { return e.Groups == 0 && e.Origin == hostapi.FromClient }
	if !slices.ContainsFunc(evs, toNobody) {
		return evs
	}
	kept := make([]*hostapi.Event, 0, len(evs)) // the slice is the router's
	for _, e := range evs {
		if !toNobody(e) {
			kept = append(kept, e)
		}
	}
	return kept
}
func (h *hooks) Changed(c wire.ClientChange) {
	h.roster.Changed(c)
	h.host.Changed(c)
}

func (h *hooks) Filter(who *route.Who, evs []*hostapi.Event) []*hostapi.Event {
	return h.host.Filter(who, evs)
}

// audiences is what live updates ask about their readers.
type audiences struct {
	*route.Groups
	*route.Router
}

var _ web.Audiences = audiences{}

// openPlugins makes the plugin host and its runtimes.
func (s *Server) openPlugins(ctx context.Context) error {
	node, err := s.nodeID(ctx)
	if err != nil {
		return err
	}
	if s.wasm, err = wasm.New(wasm.Options{CacheDir: filepath.Join(s.cfg.Data, "cache", "wasm"), Log: s.opt.Log}); err != nil {
		return fmt.Errorf("prepare WASM plugins: %w", err)
	}
	if s.process, err = process.New(process.Options{Dir: s.processDir(), Log: s.opt.Log}); err != nil {
		return fmt.Errorf("prepare process plugins: %w", err)
	}
	s.updates = web.NewUpdates(audiences{s.groups, s.router}, s.opt.Log)
	env := &call.Env{
		Store: s.store.Plugins(), Blobs: s.store.Blobs(), Archive: s.store.Archive(), Router: s.router, Groups: s.groups, Live: s.updates,
		All: s.allGroups, Identity: s.identity, Now: time.Now, Log: s.opt.Log, Metrics: s.reg, Version: s.opt.Version,
	}
	s.host, err = plugin.New(plugin.Options{
		Store: s.store, Calls: env, WASM: s.wasm, Process: s.process, Archive: s.store.Archive(),
		Shipped: s.opt.Shipped, Dir: s.cfg.Data, Idle: idleAfter(&s.cfg.Limits), Node: int32(s.cfg.Node), NodeID: node, BaseURLs: s.baseURLs(true),
		Generation: func(sets []plugin.Routes) (func(), error) { return s.web.Generation(sets) },
		Log:        s.opt.Log, Metrics: s.reg,
	})
	if err != nil {
		return err
	}
	s.hooks.host = s.host
	return nil
}

// idleAfter is when plugins without work give their memory back; never comes as
// a time that none lives to see.
func idleAfter(l *config.Limits) time.Duration {
	if d := l.PluginIdle.Std(); d > 0 {
		return d
	}
	return 100 * 365 * 24 * time.Hour
}

// processDir is where process plugins have their private folders: in the data
// folder, or in a temporary one if that has too long a path.
func (s *Server) processDir() string {
	if dir := filepath.Join(s.cfg.Data, "run"); process.Fits(dir) {
		return dir
	}
	return ""
}

// allGroups is what plugins mean by "all" and administrators see: every group
// there is.
func (s *Server) allGroups() hostapi.SetID {
	names := s.groups.Names()
	ids := make([]hostapi.GroupID, 0, len(names))
	for _, id := range names {
		ids = append(ids, id)
	}
	set, err := s.groups.Intern(ids...)
	if err != nil {
		s.opt.Log.Error("the set of all groups cannot be stored", slog.Any("err", err))
		return hostapi.AnonSet
	}
	return set
}

// startPlugins puts what files and database say of plugins in force. Plugins
// that are on start in the background.
func (s *Server) startPlugins(ctx context.Context) error {
	layers, err := pluginLayers(s.opt.Plugins)
	if err != nil {
		return err
	}
	if err := s.host.Start(ctx, layers); err != nil {
		return fmt.Errorf("start plugins: %w", err)
	}
	return nil
}

// stopPlugins ends plugins and runtimes.
func (s *Server) stopPlugins(ctx context.Context) (errs []error) {
	if s.host != nil {
		errs = append(errs, s.host.Close(ctx))
	}
	// Plugins may have used up the time.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastAnswers)
	defer cancel()
	if s.wasm != nil {
		if err := s.wasm.Close(ctx); err != nil {
			s.opt.Log.Warn("stopped while a plugin was being compiled", slog.Any("err", err))
		}
	}
	if s.process != nil {
		errs = append(errs, s.process.Close(ctx))
	}
	return errs
}
