package process

import (
	"context"
	"io"
	"log"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// shim is go-plugin's logger. What go-plugin says are the steps of a start and an
// end, so all of it is debug, whatever it calls it: what matters comes as an error
// of the start or as a Crash.
type shim struct {
	log  *slog.Logger
	gate *gate
	name string
	args []any
}

var _ hclog.Logger = (*shim)(nil)

func (s *shim) Log(level hclog.Level, msg string, args ...any) {
	if !s.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	if len(args)%2 != 0 {
		args = append(args, "")
	}
	s.gate.pass(func() {
		s.log.Debug("go-plugin", append([]any{"step", msg, "level", level.String()}, args...)...)
	})
}

func (s *shim) Trace(msg string, args ...any) { s.Log(hclog.Trace, msg, args...) }
func (s *shim) Debug(msg string, args ...any) { s.Log(hclog.Debug, msg, args...) }
func (s *shim) Info(msg string, args ...any)  { s.Log(hclog.Info, msg, args...) }
func (s *shim) Warn(msg string, args ...any)  { s.Log(hclog.Warn, msg, args...) }
func (s *shim) Error(msg string, args ...any) { s.Log(hclog.Error, msg, args...) }

func (s *shim) enabled() bool { return s.log.Enabled(context.Background(), slog.LevelDebug) }

func (s *shim) IsTrace() bool { return false }
func (s *shim) IsDebug() bool { return s.enabled() }
func (s *shim) IsInfo() bool  { return s.enabled() }
func (s *shim) IsWarn() bool  { return s.enabled() }
func (s *shim) IsError() bool { return s.enabled() }

func (s *shim) ImpliedArgs() []any { return s.args }

func (s *shim) With(args ...any) hclog.Logger {
	return &shim{log: s.log.With(args...), gate: s.gate, name: s.name, args: append(s.args[:len(s.args):len(s.args)], args...)}
}

func (s *shim) Name() string { return s.name }

func (s *shim) Named(name string) hclog.Logger {
	if s.name != "" {
		name = s.name + "." + name
	}
	return s.ResetNamed(name)
}

func (s *shim) ResetNamed(name string) hclog.Logger {
	return &shim{log: s.log, gate: s.gate, name: name, args: s.args}
}

// SetLevel does nothing: the slog handler decides.
func (s *shim) SetLevel(hclog.Level) {}

func (s *shim) GetLevel() hclog.Level {
	if s.enabled() {
		return hclog.Debug
	}
	return hclog.Off
}

func (s *shim) StandardLogger(*hclog.StandardLoggerOptions) *log.Logger {
	return log.New(s.StandardWriter(nil), "", 0)
}

func (s *shim) StandardWriter(*hclog.StandardLoggerOptions) io.Writer { return io.Discard }
