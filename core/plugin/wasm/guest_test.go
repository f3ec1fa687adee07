package wasm

import (
	"context"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
)

// Operations of testdata/guest.
const (
	opEcho    hostapi.GuestOp = 100
	opStatus  hostapi.GuestOp = 101
	opViews   hostapi.GuestOp = 102
	opNothing hostapi.GuestOp = 103
	opLong    hostapi.GuestOp = 104
	opAsk     hostapi.GuestOp = 110
	opTakes   hostapi.GuestOp = 111
	opAskMany hostapi.GuestOp = 112

	opLoop  hostapi.GuestOp = 200
	opPanic hostapi.GuestOp = 201
	opWait  hostapi.GuestOp = 213
	opPrint hostapi.GuestOp = 305
)

func TestWhatAGuestDoesWrong(t *testing.T) {
	m := load(t, guest.Code{Memory: 32 << 20})
	tests := []struct {
		name     string
		op       hostapi.GuestOp
		deadline time.Duration // 0: none
		want     guest.Reason
		err      string // part of the error
		output   string // part of what it printed
	}{
		{"endless loop", opLoop, 100 * time.Millisecond, guest.Deadline, "deadline", ""},
		{"panic", opPanic, 0, guest.Trapped, "", "an author's mistake"},
		{"nil pointer", 202, 0, guest.Trapped, "", "nil pointer dereference"},
		{"allocates without end", 203, 0, guest.Memory, "may have 32768 KiB", "out of memory"},
		{"endless recursion", 204, 0, guest.Memory, "may have 32768 KiB", "stack"},
		{"answer outside of the memory", 205, 0, guest.Broken, "100 bytes at 4294967280", ""},
		{"answer longer than the memory", 206, 0, guest.Broken, "4294967295 bytes at 0", ""},
		{"no answer", 207, 0, guest.Broken, "answered nothing", ""},
		{"sleeps", 208, 100 * time.Millisecond, guest.Deadline, "deadline", ""},
		{"ends itself", 209, 0, guest.Exited, "exit code 3", ""},
		{"deadlock", 210, 0, guest.Trapped, "", "all goroutines are asleep"},
		{"yields without end", 211, 100 * time.Millisecond, guest.Deadline, "deadline", ""},
		{"prints without end", 212, time.Second, guest.Deadline, "deadline", "floodflood"},
		{"calls with input outside", 113, 0, guest.Broken, "call with input: 100 bytes at 4294967280", ""},
		{"calls with room outside", 114, 0, guest.Broken, "call with room for the answer: 100 bytes", ""},
		{"takes to outside", 115, 0, guest.Broken, "take: 100 bytes", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := newInstance(t, m, echo)
			ctx := t.Context()
			if tt.deadline > 0 {
				ctx = within(t, tt.deadline)
			}
			start := time.Now()
			_, _, err := i.Call(ctx, tt.op, nil, nil)
			if got := guest.ReasonOf(err); got != tt.want {
				t.Fatalf("got %q (%v), want %q", got, err, tt.want)
			}
			if !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got error %q, want %q in it", err, tt.err)
			}
			if got := outputOf(err); !strings.Contains(got, tt.output) || len(got) > keptOutput {
				t.Errorf("got %d bytes of output, want %q in it and at most %d:\n%s", len(got), tt.output, keptOutput, got)
			}
			if tt.deadline > 0 && time.Since(start) > tt.deadline+5*time.Second {
				t.Errorf("stopped after %v, want some milliseconds after %v", time.Since(start), tt.deadline)
			}
			if got := i.Memory(); got != 0 {
				t.Errorf("the dead instance has %d bytes of memory, want none", got)
			}
			if _, _, err := i.Call(t.Context(), opEcho, nil, nil); guest.ReasonOf(err) != tt.want || !errors.Is(err, errDead) {
				t.Errorf("the next call: got %v, want the reason %q again", err, tt.want)
			}
		})
	}
}

func TestWhatAGuestHas(t *testing.T) {
	m := load(t, guest.Code{})
	i := newInstance(t, m, echo)
	tests := []struct {
		name string
		op   hostapi.GuestOp
		want string
	}{
		{"no files", 300, "true true"},
		{"no network", 301, "true"},
		{"no environment and arguments", 302, "0 "},
		{"goroutines", 306, "7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := call(t, i, tt.op, ""); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("the host's clock", func(t *testing.T) {
		before := time.Now()
		now, slept, _ := strings.Cut(call(t, i, 303, ""), " ")
		if us, err := strconv.ParseInt(now, 10, 64); err != nil || us < before.UnixMicro() || us > time.Now().UnixMicro() {
			t.Errorf("got the time %s, want one of now, %d", now, before.UnixMicro())
		}
		if us, err := strconv.ParseInt(slept, 10, 64); err != nil || us < 20_000 || us > time.Since(before).Microseconds() {
			t.Errorf("a sleep of 20 ms took %s µs, want 20 ms to %v", slept, time.Since(before))
		}
	})
	t.Run("random bytes of its own", func(t *testing.T) {
		a, b := call(t, i, 304, ""), call(t, newInstance(t, m, echo), 304, "")
		if a == b || a == call(t, i, 304, "") {
			t.Errorf("got %s in two instances or calls, want different bytes", a)
		}
	})
}

func TestCall(t *testing.T) {
	m := load(t, guest.Code{})
	i := newInstance(t, m, echo)
	for _, n := range []int{0, 1, firstBuffer - 1, firstBuffer, firstBuffer + 1, 1 << 20, 3 << 20} {
		in := strings.Repeat("x", n)
		if got := call(t, i, opEcho, in); got != in {
			t.Errorf("echo of %d bytes: got %d bytes", n, len(got))
		}
	}
	t.Run("appends", func(t *testing.T) {
		out, _, err := i.Call(t.Context(), opEcho, []byte("def"), []byte("abc"))
		if err != nil || string(out) != "abcdef" {
			t.Errorf("got %q and error %v, want abcdef", out, err)
		}
	})
	t.Run("status", func(t *testing.T) {
		for s, want := range map[byte]hostapi.Status{0: hostapi.OK, 3: hostapi.Invalid, 9: hostapi.Gone, 10: hostapi.Failed, 255: hostapi.Failed} {
			out, got, err := i.Call(t.Context(), opStatus, []byte{s, 'w', 'h', 'y'}, nil)
			if err != nil || got != want || string(out) != "why" {
				t.Errorf("status %d: got %v, %q, error %v, want %v, why", s, got, out, err, want)
			}
		}
	})
	t.Run("a long answer", func(t *testing.T) {
		const n = 10_000_000
		got := call(t, i, opLong, string(binary.LittleEndian.AppendUint32(nil, n)))
		for at := range got {
			if got[at] != byte(at) {
				t.Fatalf("got %d at %d, want %d", got[at], at, byte(at))
			}
		}
		if len(got) != n {
			t.Errorf("got %d bytes, want %d", len(got), n)
		}
	})
	t.Run("views", func(t *testing.T) {
		want := uint32(3 * (len("ANDROID-5ca1ab1e0badcafe") + len("a-f-G-U-C")))
		if got := binary.LittleEndian.Uint32([]byte(call(t, i, opViews, string(batch(t, 3))))); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	})
	if got := i.Memory(); got < 1<<20 || got > hostapi.DefaultMemory {
		t.Errorf("got %d bytes of memory, want some MiB", got)
	}
}

func TestHostCall(t *testing.T) {
	type key struct{}
	var gotCtx context.Context
	m := load(t, guest.Code{})
	i := newInstance(t, m, serve(func(ctx context.Context, op hostapi.HostOp, in, dst []byte) ([]byte, hostapi.Status) {
		gotCtx = ctx
		if op == 9 {
			return append(dst, "why"...), hostapi.NotFound
		}
		return append(append(dst, in...), byte('0'+op)), hostapi.OK
	}))
	tests := []struct {
		name   string
		in     string // operation, room, input
		want   string
		status hostapi.Status
	}{
		{"fits", "\x02\x10abc", "abc2", hostapi.OK},
		{"fits exactly", "\x02\x04abc", "abc2", hostapi.OK},
		{"taken", "\x02\x03abc", "abc2", hostapi.OK},
		{"taken without any room", "\x02\x00abc", "abc2", hostapi.OK},
		{"long", "\x02\x03" + strings.Repeat("long", 100_000), strings.Repeat("long", 100_000) + "2", hostapi.OK},
		{"error", "\x09\x10", "why", hostapi.NotFound},
		{"error taken", "\x09\x00", "why", hostapi.NotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx := context.WithValue(t.Context(), key{}, tt.name)
			out, status, err := i.Call(ctx, opAsk, []byte(tt.in), nil)
			if err != nil || status != tt.status || string(out) != tt.want {
				t.Errorf("got %v, %d bytes, error %v, want %v, %d bytes", status, len(out), err, tt.status, len(tt.want))
			}
			if gotCtx.Value(key{}) != tt.name || !errors.Is(gotCtx.Err(), context.Canceled) {
				t.Errorf("got a context with %v and error %v, want that of the call, ended with it", gotCtx.Value(key{}), gotCtx.Err())
			}
		})
	}
	t.Run("take", func(t *testing.T) {
		// Too little room: nothing, and the answer stays. Taken twice: twice.
		if got, want := call(t, i, opTakes, "answer!"), "ok 8 -1 8answer!28-1"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestInstancesBesideOneAnother(t *testing.T) {
	m := load(t, guest.Code{})
	var wg sync.WaitGroup
	for n := range 4 {
		i := newInstance(t, m, serve(func(_ context.Context, _ hostapi.HostOp, in, dst []byte) ([]byte, hostapi.Status) {
			return append(append(dst, in...), byte('0'+n)), hostapi.OK
		}))
		wg.Go(func() {
			in, want := []byte("\x01\x00of "), "of "+strconv.Itoa(n)
			for range 200 {
				if out, _, err := i.Call(t.Context(), opAsk, in, nil); err != nil || string(out) != want {
					t.Errorf("instance %d: got %q, error %v, want %q", n, out, err, want)
					return
				}
			}
		})
	}
	wg.Wait()
}
