package acme

import (
	"context"
	"log/slog"
	"strings"

	"go.uber.org/zap/zapcore"
)

// event says in one line each what matters. The rest of what certmagic has to
// tell is for debugging.
func (m *Manager) event(_ context.Context, event string, data map[string]any) error {
	name, _ := data["identifier"].(string)
	renewal, _ := data["renewal"].(bool)
	log := m.log.With(slog.String("name", name), slog.Bool("renewal", renewal))
	switch event {
	case "cert_obtaining":
		log.Info("getting a certificate from the ACME authority", slog.String("authority", m.issuer.CA))
	case "cert_obtained":
		m.m.attempts.WithLabelValues("ok").Inc()
		log.Info("got a certificate from the ACME authority")
	case "cert_failed":
		m.m.attempts.WithLabelValues("failed").Inc()
		log.Warn("no certificate from the ACME authority, trying again later", slog.Any("err", data["error"]))
	}
	return nil
}

// bridge hands zap's lines to slog, two steps lower: what certmagic calls an error
// of an attempt is told by an event already, and only what nobody else tells, the
// errors of maintenance and storage, stays a warning.
type bridge struct {
	h    slog.Handler
	with []slog.Attr
}

var _ zapcore.Core = (*bridge)(nil)

func level(e zapcore.Entry) slog.Level {
	attempt := strings.Contains(e.LoggerName, "obtain") || strings.Contains(e.LoggerName, "renew") || strings.Contains(e.LoggerName, "acme_client")
	if e.Level >= zapcore.ErrorLevel && !attempt {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// Enabled lets errors through, as their level depends on who logs.
func (b *bridge) Enabled(l zapcore.Level) bool {
	least := slog.LevelDebug
	if l >= zapcore.ErrorLevel {
		least = slog.LevelWarn
	}
	return b.h.Enabled(context.Background(), least)
}

func (b *bridge) With(fields []zapcore.Field) zapcore.Core {
	return &bridge{h: b.h, with: append(b.with[:len(b.with):len(b.with)], attrs(fields)...)}
}

func (b *bridge) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if b.h.Enabled(context.Background(), level(e)) {
		return c.AddCore(e, b)
	}
	return c
}

func (b *bridge) Write(e zapcore.Entry, fields []zapcore.Field) error {
	r := slog.NewRecord(e.Time, level(e), "acme: "+e.Message, 0)
	if e.LoggerName != "" {
		r.AddAttrs(slog.String("part", e.LoggerName))
	}
	r.AddAttrs(b.with...)
	r.AddAttrs(attrs(fields)...)
	return b.h.Handle(context.Background(), r)
}

func (b *bridge) Sync() error { return nil }

func attrs(fields []zapcore.Field) []slog.Attr {
	enc := zapcore.NewMapObjectEncoder()
	out := make([]slog.Attr, 0, len(fields))
	for _, f := range fields {
		f.AddTo(enc)
	}
	for _, f := range fields {
		if v, ok := enc.Fields[f.Key]; ok {
			out = append(out, slog.Any(f.Key, v))
		}
	}
	return out
}
