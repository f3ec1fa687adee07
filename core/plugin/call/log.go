package call

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// maxAttributes bounds those of one line; what is over is left out.
const maxAttributes = 32

var levels = map[wire.Level]slog.Level{
	wire.LevelDebug: slog.LevelDebug, wire.LevelInfo: slog.LevelInfo, wire.LevelWarn: slog.LevelWarn, wire.LevelError: slog.LevelError,
}

// logLine writes a line of the guest. Lines of a level that is not logged do not
// count.
func (c *Call) logLine(ctx context.Context, in []byte) error {
	var m wire.Log
	if err := decode(hostapi.HostLog, in, &m); err != nil {
		return err
	}
	level, ok := levels[m.Level]
	if !ok {
		level = slog.LevelInfo // one of a later minor version
	}
	log := c.p.log
	if !log.Enabled(ctx, level) || !c.p.acct.lines.take(c.p.env.now(), c.p.acct.log) {
		return nil
	}
	room := hostapi.MaxLogLine
	cut := func(s string) string {
		s = clip(s, room)
		room -= min(room, len(s))
		return s
	}
	msg := cut(m.Message)
	attrs := make([]slog.Attr, 0, min(len(m.Attributes), maxAttributes)+1)
	if c.opt.Trial {
		attrs = append(attrs, slog.Bool("trial", true))
	}
	for i := 0; i < len(m.Attributes) && i < maxAttributes && room > 0; i++ {
		a := m.Attributes[i]
		attrs = append(attrs, slog.String(attrName(cut(a.Name)), cut(a.Value)))
	}
	log.LogAttrs(ctx, level, msg, attrs...)
	return nil
}

// attrName keeps a guest's attributes apart from those that the host sets, and
// their names to one word.
func attrName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r == '=' || r == '"' || r == 0x7f {
			return '_'
		}
		return r
	}, s)
	switch s {
	case "", "plugin", "version", "trial", "suppressed", slog.TimeKey, slog.LevelKey, slog.MessageKey, slog.SourceKey:
		return s + "_"
	}
	return s
}

func (c *Call) clock(dst []byte) []byte {
	now := c.p.env.now()
	m := wire.Clock{Now: now.UnixMicro(), Monotonic: int64(now.Sub(c.p.start))}
	return m.Append(dst)
}

func (c *Call) random(in, dst []byte) ([]byte, error) {
	var m wire.RandomRequest
	if err := decode(hostapi.HostRandom, in, &m); err != nil {
		return dst, err
	}
	if m.N > hostapi.MaxRandom {
		return dst, beyond(hostapi.HostRandom, "%d bytes asked for, at most %d are given at once", m.N, hostapi.MaxRandom)
	}
	n := len(dst)
	dst = append(dst, make([]byte, m.N)...)
	_, err := rand.Read(dst[n:])
	return dst, err
}
