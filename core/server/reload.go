package server

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/stream"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/hostapi/cot"
)

// Reload reads the configuration again and applies what can change while the
// server runs: plugins, listeners, public names, the log level and the limits. A
// configuration that is wrong changes nothing; an address that cannot be had
// leaves that listener where it was. Keys of which the new value has to wait for
// a restart are named in the log.
func (s *Server) Reload(ctx context.Context) error {
	if s.opt.Load == nil {
		return errors.New("this server was started without a configuration that can be read again")
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	next, err := s.opt.Load()
	if err != nil {
		return &store.Error{Code: store.Invalid, Err: err}
	}
	layers, err := pluginLayers(next.Plugins)
	if err != nil {
		return &store.Error{Code: store.Invalid, Err: err}
	}
	if err := s.host.Apply(ctx, layers); err != nil {
		return err
	}
	if err := SetLogLevel(s.opt.Log, next.Log.Level); err != nil {
		return err // cannot be: the level was checked
	}
	for _, w := range next.Warnings {
		s.opt.Log.Warn("configuration", slog.String("warning", w))
	}
	s.applyLimits(&next.Limits)
	before := s.current
	s.current = &next.Config
	s.reach.set(next.Public)
	if err := s.pki.Refresh(); err != nil { // the server's certificate is for those names
		s.opt.Log.Error("certificates were not looked after", slog.Any("err", err))
	}
	if err := s.listeners.apply(ctx, &before.Listen, &next.Listen); err != nil {
		return err
	}
	if keys := waiting(s.cfg, &next.Config); len(keys) > 0 {
		s.opt.Log.Warn("these keys of the configuration take effect at the next start", slog.String("keys", strings.Join(keys, ", ")))
	}
	s.opt.Log.Info("configuration read again", slog.String("file", next.File))
	return nil
}

// applyLimits puts limits in force. What has begun, such as an upload or a
// handshake, ends by the limit with which it began; connections, files and events
// that are there stay if they are too many now.
func (s *Server) applyLimits(next *config.Limits) {
	s.limits.Store(next)
	s.stream.SetLimits(streamLimits(next))
	s.web.SetLimits(webLimits(next))
	s.store.Archive().SetQueue(next.ArchiveQueueEvents, int64(next.ArchiveQueueBytes))
	s.store.Blobs().SetQuota(int64(next.Files))
	s.host.SetIdle(idleAfter(next))
}

// streamLimits are the limits of connections of CoT clients.
func streamLimits(l *config.Limits) stream.Limits {
	scan := cot.DefaultLimits
	scan.Size = int(l.Event)
	return stream.Limits{
		Scan: scan, MaxEvent: int(l.Event), QueueEvents: l.QueueEvents, QueueBytes: int(l.QueueBytes),
		Unfinished: int(l.Unfinished), UnfinishedWait: l.UnfinishedWait.Std(), Handshake: l.Handshake.Std(),
		Gather: l.Gather.Std(), Stall: l.Stall.Std(), Shutdown: l.Shutdown.Std(),
		Connections: l.Connections, PerAddress: l.ConnectionsPerAddress, SenderRate: l.SenderRate,
	}
}

// webLimits are the limits of HTTP listeners.
func webLimits(l *config.Limits) web.Limits {
	return web.Limits{Handshake: l.Handshake.Std(), Connections: l.Connections, PerAddress: l.ConnectionsPerAddress}
}

// maxUpload is how many bytes an upload may have.
func (s *Server) maxUpload() int64 { return int64(s.limits.Load().Upload) }

// waiting gives the keys that differ and do not change while the server runs.
func waiting(now, next *config.Config) (keys []string) {
	before := map[string]string{}
	for _, v := range config.Values(now) {
		before[v.Key] = v.Text()
	}
	for _, v := range config.Values(next) {
		switch {
		case v.Text() == before[v.Key], v.Key == "log.level", v.Key == "public", v.Key == "exposure", strings.HasPrefix(v.Key, "listen."), strings.HasPrefix(v.Key, "limits."):
		default:
			keys = append(keys, v.Key)
		}
	}
	return keys
}
