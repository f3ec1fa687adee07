package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNewLogRefuses(t *testing.T) {
	tests := []struct{ level, format, want string }{
		{"loud", "text", `log level "loud" is not one of`},
		{"", "text", `log level "" is not one of`},
		{"info", "xml", `log format "xml" is not one of`},
		{"info", "", `log format "" is not one of`},
	}
	for _, tt := range tests {
		t.Run(tt.level+" "+tt.format, func(t *testing.T) {
			if _, err := NewLog(io.Discard, tt.level, tt.format); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want text with %q", err, tt.want)
			}
		})
	}
}

func TestLogForms(t *testing.T) {
	say := func(log *slog.Logger) {
		log.Debug("unseen")
		log.With("conn", 7).WithGroup("peer").Warn("client closed", "why", "too slow", "name", "a\nb")
	}
	t.Run("text", func(t *testing.T) {
		var b bytes.Buffer
		log, err := NewLog(&b, "info", "text")
		if err != nil {
			t.Fatal(err)
		}
		say(log)
		want := `^time=\S+ level=WARN msg="client closed" conn=7 peer\.why="too slow" peer\.name="a\\nb"\n$`
		if !regexp.MustCompile(want).MatchString(b.String()) {
			t.Errorf("got %q, want %s", b.String(), want)
		}
	})
	t.Run("json", func(t *testing.T) {
		var b bytes.Buffer
		log, err := NewLog(&b, "info", "json")
		if err != nil {
			t.Fatal(err)
		}
		say(log)
		var got map[string]any
		if err := json.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatalf("%v in %q", err, b.String())
		}
		delete(got, "time")
		want := map[string]any{
			"level": "WARN", "msg": "client closed", "conn": 7.0,
			"peer": map[string]any{"why": "too slow", "name": "a\nb"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("record (-want +got):\n%s", diff)
		}
	})
}

func TestTerminalForm(t *testing.T) {
	tests := []struct {
		name string
		say  func(*slog.Logger)
		want string
	}{
		{"plain", func(l *slog.Logger) { l.Info("listening", "addr", "127.0.0.1:8087") }, "INFO  listening addr=127.0.0.1:8087\n"},
		{"no attributes", func(l *slog.Logger) { l.Error("stopped") }, "ERROR stopped\n"},
		{"names of built-in keys", func(l *slog.Logger) { l.Info("event", "time", 1, "level", 2, "msg", 3) }, "INFO  event time=1 level=2 msg=3\n"},
		{"narrowed", func(l *slog.Logger) { l.With("conn", 7).WithGroup("g").Warn("slow", "n", "a b") }, "WARN  slow conn=7 g.n=\"a b\"\n"},
		{"line break", func(l *slog.Logger) { l.Info("a\nINFO b") }, "INFO  \"a\\nINFO b\"\n"},
		{"many attributes", func(l *slog.Logger) { l.Info("m", "a", 1, "b", 2, "c", 3, "d", 4, "e", 5, "f", 6, "g", 7) }, "INFO  m a=1 b=2 c=3 d=4 e=5 f=6 g=7\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			tt.say(slog.New(newTerminalHandler(&b, &slog.HandlerOptions{Level: slog.LevelInfo})))
			clock, got, _ := strings.Cut(b.String(), " ")
			if _, err := time.Parse(time.TimeOnly, clock); err != nil {
				t.Errorf("got %q, want the time of day first", b.String())
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// limited runs say with a fake clock and gives its lines without the times.
func limited(t *testing.T, level string, say func(t *testing.T, log *slog.Logger)) []string {
	t.Helper()
	var lines []string
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		log, err := NewLog(&b, level, "text")
		if err != nil {
			t.Fatal(err)
		}
		say(t, log)
		text := regexp.MustCompile(`(?m)^time=\S+ level=`).ReplaceAllString(b.String(), "")
		lines = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	})
	return lines
}

func TestLogLimit(t *testing.T) {
	flush := func(t *testing.T, log *slog.Logger) {
		t.Helper()
		if err := FlushLog(context.Background(), log); err != nil {
			t.Error(err)
		}
	}
	tests := []struct {
		name  string
		level string
		say   func(t *testing.T, log *slog.Logger)
		want  []string
	}{
		{
			name: "told with the next record of any message",
			say: func(t *testing.T, log *slog.Logger) {
				for i := range 8 {
					log.Info("bad event", "n", i)
				}
				time.Sleep(logWindow - 1)
				log.Info("within the window")
				time.Sleep(time.Nanosecond)
				log.Info("after it")
				log.Info("bad event", "n", 8)
			},
			want: []string{
				`INFO msg="bad event" n=0`, `INFO msg="bad event" n=1`, `INFO msg="bad event" n=2`, `INFO msg="bad event" n=3`, `INFO msg="bad event" n=4`,
				`INFO msg="within the window"`,
				`INFO msg="bad event" n=7 suppressed=3`,
				`INFO msg="after it"`,
				`INFO msg="bad event" n=8`,
			},
		},
		{
			name: "nothing to tell",
			say: func(t *testing.T, log *slog.Logger) {
				for i := range 5 {
					log.Warn("m", "n", i)
				}
				time.Sleep(logWindow)
				log.Warn("m", "n", 5)
				flush(t, log)
			},
			want: []string{`WARN msg=m n=0`, `WARN msg=m n=1`, `WARN msg=m n=2`, `WARN msg=m n=3`, `WARN msg=m n=4`, `WARN msg=m n=5`},
		},
		{
			name: "each level and message by itself, narrowed loggers together",
			say: func(t *testing.T, log *slog.Logger) {
				for i := range 4 {
					log.With("conn", i).Info("m")
				}
				log.Warn("m")
				log.Info("other")
				log.With("conn", 4).Info("m")
				log.With("conn", 5).WithGroup("g").Info("m", "k", 1)
				flush(t, log)
				log.Info("m")
			},
			want: []string{
				`INFO msg=m conn=0`, `INFO msg=m conn=1`, `INFO msg=m conn=2`, `INFO msg=m conn=3`, `WARN msg=m`, `INFO msg=other`, `INFO msg=m conn=4`,
				`INFO msg=m conn=5 g.k=1 g.suppressed=1`,
				`INFO msg=m`,
			},
		},
		{
			name:  "debug is not limited",
			level: "debug",
			say: func(t *testing.T, log *slog.Logger) {
				for i := range 7 {
					log.Debug("m", "n", i)
				}
				flush(t, log)
			},
			want: []string{`DEBUG msg=m n=0`, `DEBUG msg=m n=1`, `DEBUG msg=m n=2`, `DEBUG msg=m n=3`, `DEBUG msg=m n=4`, `DEBUG msg=m n=5`, `DEBUG msg=m n=6`},
		},
		{
			name: "attributes beyond those held in place",
			say: func(t *testing.T, log *slog.Logger) {
				for i := range 6 {
					log.Info("m", "a", i, "b", i, "c", i, "d", i, "e", i, "f", i, "g", i)
				}
				flush(t, log)
			},
			want: []string{
				`INFO msg=m a=0 b=0 c=0 d=0 e=0 f=0 g=0`, `INFO msg=m a=1 b=1 c=1 d=1 e=1 f=1 g=1`, `INFO msg=m a=2 b=2 c=2 d=2 e=2 f=2 g=2`,
				`INFO msg=m a=3 b=3 c=3 d=3 e=3 f=3 g=3`, `INFO msg=m a=4 b=4 c=4 d=4 e=4 f=4 g=4`,
				`INFO msg=m a=5 b=5 c=5 d=5 e=5 f=5 g=5 suppressed=1`,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.level == "" {
				tt.level = "info"
			}
			if diff := cmp.Diff(tt.want, limited(t, tt.level, tt.say)); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

// Messages that are not constant pass unlimited rather than fill the memory,
// and once the windows are over there is room again.
func TestLogLimitIsBounded(t *testing.T) {
	lines := limited(t, "info", func(t *testing.T, log *slog.Logger) {
		for i := range 2 * logMessages {
			log.Info(fmt.Sprintf("m%d", i))
		}
		limit := log.Handler().(*limitedHandler).limit
		if got := len(limit.said); got != logMessages {
			t.Errorf("messages kept: got %d, want %d", got, logMessages)
		}
		time.Sleep(logWindow)
		for range 9 {
			log.Info("again")
		}
		if got := len(limit.said); got != 1 {
			t.Errorf("messages kept after the window: got %d, want 1", got)
		}
	})
	if got, want := len(lines), 2*logMessages+logBurst; got != want {
		t.Errorf("lines: got %d, want %d", got, want)
	}
}

func TestLogLimitManyGoroutines(t *testing.T) {
	lines := limited(t, "info", func(t *testing.T, log *slog.Logger) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				log := log.With("conn", i)
				for range 1000 {
					log.Info("m")
				}
			})
		}
		wg.Wait()
		if err := FlushLog(context.Background(), log); err != nil {
			t.Error(err)
		}
	})
	if len(lines) != logBurst+1 || !strings.Contains(lines[logBurst], "suppressed=7995") {
		t.Errorf("got %d lines ending in %q, want %d and suppressed=7995", len(lines), lines[len(lines)-1], logBurst+1)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestLogReportsWriteErrors(t *testing.T) {
	log, err := NewLog(brokenWriter{}, "info", "json")
	if err != nil {
		t.Fatal(err)
	}
	for range logBurst + 1 {
		log.Info("m")
	}
	if err := FlushLog(context.Background(), log); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("FlushLog: got %v, want the writer's error", err)
	}
	if err := FlushLog(context.Background(), slog.New(slog.DiscardHandler)); err != nil {
		t.Errorf("FlushLog of another logger: got %v, want none", err)
	}
}

func BenchmarkLogSuppressed(b *testing.B) {
	log, err := NewLog(io.Discard, "info", "text")
	if err != nil {
		b.Fatal(err)
	}
	log = log.With("conn", 7)
	b.ReportAllocs()
	for b.Loop() {
		log.Info("bad event", "why", "no uid")
	}
}

func TestSetLogLevel(t *testing.T) {
	var out bytes.Buffer
	log, err := NewLog(&out, "warn", "text")
	if err != nil {
		t.Fatal(err)
	}
	sub := log.With("part", "x")
	sub.Info("before")
	if err := SetLogLevel(log, "info"); err != nil {
		t.Fatal(err)
	}
	sub.Info("after")
	if err := SetLogLevel(log, "loud"); err == nil {
		t.Error("a level that does not exist was taken")
	}
	if got := out.String(); strings.Contains(got, "before") || !strings.Contains(got, "after") {
		t.Errorf("logged %q, want only what came after the change", got)
	}
}
