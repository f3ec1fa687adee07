package server

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/store"
)

// Reload reads the configuration again and applies what can change while the
// server runs: plugins, listeners, public names and the log level. A
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

// waiting gives the keys that differ and do not change while the server runs.
func waiting(now, next *config.Config) (keys []string) {
	before := map[string]string{}
	for _, v := range config.Values(now) {
		before[v.Key] = v.Text()
	}
	for _, v := range config.Values(next) {
		switch {
		case v.Text() == before[v.Key], v.Key == "log.level", v.Key == "public", v.Key == "exposure", strings.HasPrefix(v.Key, "listen."):
		default:
			keys = append(keys, v.Key)
		}
	}
	return keys
}
