package wasm

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
)

func TestStart(t *testing.T) {
	tests := []struct {
		name     string
		module   tinyModule
		deadline time.Duration
		want     guest.Reason // empty: it starts
		err      string
	}{
		{"tiny", tinyModule{}, 0, "", ""},
		{"minor version later", tinyModule{abi: "\x41\x81\x80\x04"}, 0, "", ""},
		{"major version later", tinyModule{abi: "\x41\x80\x80\x08"}, 0, guest.Broken, "built for version 2.0 of the plugin contract: this server speaks tak/1"},
		{"no version", tinyModule{abi: "\x41\x00"}, 0, guest.Broken, "version 0.0"},
		{"trap in start", tinyModule{start: bodyTrap}, 0, guest.Trapped, "unreachable"},
		{"trap in tak_abi", tinyModule{abi: bodyTrap}, 0, guest.Trapped, "unreachable"},
		{"endless start", tinyModule{start: bodyLoop}, 50 * time.Millisecond, guest.Deadline, "deadline"},
		{"buffer not aligned", tinyModule{buf: "\x41\x04"}, 0, guest.Broken, "not at a multiple of 8"},
		{"buffer outside", tinyModule{buf: "\x41\x80\x80\x08"}, 0, guest.Broken, "its input buffer of 65536 bytes at 131072 is outside"},
		{"buffer at the end", tinyModule{buf: "\x41\x80\x80\x04"}, 0, "", ""},
		{"buffer beyond the end", tinyModule{buf: "\x41\x88\x80\x04"}, 0, guest.Broken, "its input buffer"},
		{"negative buffer", tinyModule{buf: "\x41\x78"}, 0, guest.Broken, "its input buffer of 65536 bytes at 4294967288"},
	}
	r := newRuntime(t, Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := r.Load(t.Context(), guest.Code{Module: tt.module.bytes()})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close(context.Background())
			ctx := t.Context()
			if tt.deadline > 0 {
				ctx = within(t, tt.deadline)
			}
			i, err := m.New(ctx, echo)
			if got := guest.ReasonOf(err); got != tt.want || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %q (%v), want %q, %q", got, err, tt.want, tt.err)
			}
			if err == nil {
				if got := call(t, i, 1, "in"); got != "" {
					t.Errorf("got the answer %q, want none", got)
				}
				_ = i.Close(t.Context())
			}
			if got := len(m.(*module).instances); got != 0 {
				t.Errorf("%d instances are left", got)
			}
		})
	}
}

func TestTablesAreBounded(t *testing.T) {
	// table.grow by a million null references, and the answer is at the result.
	grow := "\xd0\x70\x41\xc0\x84\x3d\xfc\x0f\x00\xac" // ref.null func, i32.const 1000000, table.grow 0, i64.extend_i32_s
	for _, table := range []string{"\x70\x00\x01", "\x70\x01\x01\xff\xff\xff\x7f"} {
		r := newRuntime(t, Options{})
		m, err := r.Load(t.Context(), guest.Code{Module: tinyModule{tables: []string{table}, call: grow}.bytes()})
		if err != nil {
			t.Fatal(err)
		}
		// -1 is an answer outside of the memory.
		if _, _, err := newInstance(t, m, echo).Call(t.Context(), 1, nil, nil); guest.ReasonOf(err) != guest.Broken {
			t.Errorf("got %v, want that the table does not grow", err)
		}
		_ = m.Close(t.Context())
	}
	module := tinyModule{tables: []string{"\x70\x01\x01\x02"}}.bytes()
	l, err := parse(module)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(l.boundTables(module), module) {
		t.Error("a module whose table has a small maximum was changed")
	}
}

func TestMemoryLimit(t *testing.T) {
	for _, pages := range []int64{2, 3, 100} {
		r := newRuntime(t, Options{})
		// It grows by as many pages as the input's byte says, and answers with 1, or
		// all ones if it cannot: i32.const 8, i32.load8_u, memory.grow,
		// i64.extend_i32_s, i64.const 31, i64.shr_s, i64.const 1, i64.or.
		m, err := r.Load(t.Context(), guest.Code{Memory: pages * pageSize, Module: tinyModule{
			call: "\x41\x08\x2d\x00\x00\x40\x00\xac\x42\x1f\x87\x42\x01\x84",
		}.bytes()})
		if err != nil {
			t.Fatal(err)
		}
		i := newInstance(t, m, echo)
		if pages > 2 {
			call(t, i, 1, string(rune(pages-2)))
		}
		if got := i.Memory(); got != pages*pageSize {
			t.Errorf("limit of %d pages: got %d bytes, want %d", pages, got, pages*pageSize)
		}
		if _, _, err := i.Call(t.Context(), 1, []byte{1}, nil); guest.ReasonOf(err) != guest.Broken {
			t.Errorf("limit of %d pages: got %v for one more, want that it does not grow", pages, err)
		}
		_ = m.Close(t.Context())
	}
}

func TestFuelIsTheCheck(t *testing.T) {
	var log bytes.Buffer
	r := newRuntime(t, Options{CacheDir: cacheDir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	m, err := r.Load(t.Context(), guest.Code{Name: "test", Module: goGuest, Termination: "fuel"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(context.Background())
	if !strings.Contains(log.String(), "fuel is not built in") {
		t.Errorf("got the log %q, want that it says so", log.String())
	}
	i := newInstance(t, m, echo)
	if _, _, err := i.Call(within(t, 50*time.Millisecond), opLoop, nil, nil); guest.ReasonOf(err) != guest.Deadline {
		t.Errorf("got %v, want that it ends at its deadline", err)
	}
}

func TestWhatAGuestPrints(t *testing.T) {
	var log bytes.Buffer
	m := load(t, guest.Code{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))})
	i := newInstance(t, m, echo)
	call(t, i, opPrint, "")
	want := `level=INFO msg="plugin printed" stream=stdout line="to stdout"` + "\n" +
		`level=WARN msg="plugin printed" stream=stderr line="to stderr"` + "\n"
	if got := log.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	log.Reset()
	if _, _, err := i.Call(t.Context(), opPanic, nil, nil); !strings.HasPrefix(outputOf(err), "panic: an author's mistake") {
		t.Errorf("got the output\n%s\nwant that of this call", outputOf(err))
	}
	if got, want := log.String(), `stream=stderr line="unfinishedpanic: an author's mistake`; !strings.Contains(got, want) {
		t.Errorf("got the log\n%s\nwant %s in it", got, want)
	}
	log.Reset()
	i = newInstance(t, m, echo)
	if _, _, err := i.Call(within(t, time.Second), 212, nil, nil); guest.ReasonOf(err) != guest.Deadline {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != callLines+1 || !strings.Contains(lines[callLines], "left_out=") {
		t.Errorf("got %d lines, want %d and one that counts the others:\n%s", len(lines), callLines, lines[len(lines)-1])
	}
	for _, l := range lines {
		if len(l) > hostapi.MaxLogLine+100 {
			t.Errorf("got a line of %d bytes, want %d at most", len(l), hostapi.MaxLogLine)
		}
	}
}
