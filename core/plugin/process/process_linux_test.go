package process

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
)

func TestCall(t *testing.T) {
	i := start(t, code(t, "serve"), echo)
	t.Run("answers", func(t *testing.T) {
		for _, text := range []string{"a", strings.Repeat("b", 1<<20)} {
			if got := ask(t, i, "echo "+text); got != text {
				t.Errorf("got %d bytes, want %d", len(got), len(text))
			}
		}
	})
	t.Run("appends", func(t *testing.T) {
		out, s, err := i.Call(t.Context(), hostapi.OpHTTP, []byte("echo x"), []byte("before "))
		if string(out) != "before x" || s != hostapi.OK || err != nil {
			t.Errorf("got %q, %s, %v", out, s, err)
		}
	})
	t.Run("gives the status", func(t *testing.T) {
		for n, want := range map[int]hostapi.Status{0: hostapi.OK, 1: hostapi.Retry, 9: hostapi.Gone, 10: hostapi.Failed, 255: hostapi.Failed} {
			out, s, err := i.Call(t.Context(), hostapi.OpHTTP, fmt.Appendf(nil, "status %d", n), nil)
			if string(out) != "text" || s != want || err != nil {
				t.Errorf("status %d: got %q, %s, %v, want %s", n, out, s, err, want)
			}
		}
	})
	t.Run("too much for one message", func(t *testing.T) {
		_, s, err := i.Call(t.Context(), hostapi.OpHTTP, make([]byte, maxFrame), nil)
		if s != hostapi.Limit || err != nil {
			t.Errorf("got %s, %v, want limit", s, err)
		}
	})
	t.Run("from many goroutines", func(t *testing.T) {
		done := make(chan string)
		for n := range 20 {
			go func() {
				out, _, _ := i.Call(context.Background(), hostapi.OpHTTP, fmt.Appendf(nil, "echo %d", n), nil)
				done <- fmt.Sprint(string(out) == fmt.Sprint(n))
			}()
		}
		for range 20 {
			if got := <-done; got != "true" {
				t.Error("a call got another one's answer")
			}
		}
	})
	if m := i.Memory(); m < 1<<20 || m > 1<<30 {
		t.Errorf("memory: got %d bytes", m)
	}
}

func TestHostCalls(t *testing.T) {
	busy := make(chan struct{}, 1)
	h := hostFunc(func(ctx context.Context, op hostapi.HostOp, in []byte) (string, hostapi.Status) {
		select {
		case busy <- struct{}{}:
			defer func() { <-busy }()
		default:
			return "two at once", hostapi.Failed
		}
		if op != hostapi.HostClock {
			return op.String(), hostapi.Invalid
		}
		return string(in), hostapi.OK
	})
	i := start(t, code(t, "serve"), h)
	for _, tt := range []struct{ name, ask, want string }{
		{"one after the other", "calls 100", "100 calls"},
		{"at once", "crowd 500", "500 right answers"},
		{"after the answer", "late", ""},
		{"after the answer: refused", "result", "gone clock: the call that this belongs to has been answered"},
		{"during another call", "linger", ""},
		{"during another call: refused", "release", "gone"},
		{"still serving", "calls 1", "1 calls"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := ask(t, i, tt.ask); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// What a host operation does ends with the call, and with the process.
// An operation of the host has the deadline of the call that it belongs to. The
// guest may still have an answer at that moment, or be too late for one.
func TestHostCallContext(t *testing.T) {
	ended := make(chan error, 1)
	i := start(t, code(t, "serve"), hostFunc(func(ctx context.Context, _ hostapi.HostOp, _ []byte) (string, hostapi.Status) {
		<-ctx.Done()
		ended <- ctx.Err()
		return "", hostapi.Retry
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, _, err := i.Call(ctx, hostapi.OpTimer, []byte("calls 1"), nil)
	if got := guest.ReasonOf(err); err != nil && got != guest.Deadline {
		t.Errorf("got %v, want a deadline or an answer", err)
	}
	if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the operation of the host ended by %v, want the deadline", err)
	}
}

func TestCrash(t *testing.T) {
	tests := []struct {
		name, way, ask string
		timeout        time.Duration
		memory         int64
		reason         guest.Reason
		says           string // in the error
		printed        string // in the output
	}{
		{name: "exits", ask: "exit 3", reason: guest.Exited, says: "http: exit: exit status 3"},
		{name: "exits as if all were well", ask: "exit 0", reason: guest.Exited, says: "http: exit: exit status 0"},
		{name: "panics in a goroutine", ask: "panic", reason: guest.Exited, says: "exit status 2", printed: "panic: boom in a goroutine"},
		{name: "hangs", ask: "hang", timeout: 300 * time.Millisecond, reason: guest.Deadline, says: "http: deadline: context deadline exceeded"},
		{name: "is stopped", ask: "stop", timeout: 300 * time.Millisecond, reason: guest.Deadline},
		{name: "eats memory", ask: "eat", memory: 384 << 20, reason: guest.Memory, says: "384 MiB are allowed"},
		{name: "starts too many processes", ask: "children 70", reason: guest.Memory, says: "has started more than 64 processes"},
		{name: "answers garbage", way: "garbage", reason: guest.Broken, says: "sent something that is no frame"},
		{name: "answers what nobody asked", way: "unasked", reason: guest.Broken, says: "answered call 12, which is not under way"},
		{name: "answers an impossible status", way: "status", reason: guest.Broken, says: "answered with status 4711"},
		{name: "ends the stream", way: "ends", reason: guest.Broken, says: "ended the stream"},
		{name: "serves something else", way: "other service", reason: guest.Broken, says: "does not serve /tak.plugin.v1.Plugin/Session"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.way == "" {
				tt.way = "serve"
			}
			if tt.timeout == 0 {
				tt.timeout = 20 * time.Second
			}
			c := code(t, tt.way)
			c.Memory = tt.memory
			i := start(t, c, echo)
			ctx, cancel := context.WithTimeout(t.Context(), tt.timeout)
			defer cancel()
			_, _, err := i.Call(ctx, hostapi.OpHTTP, []byte(tt.ask), nil)
			for err == nil && tt.reason == guest.Memory && ctx.Err() == nil {
				_, _, err = i.Call(ctx, hostapi.OpHTTP, []byte("echo"), nil) // until the watch has looked
			}
			var crash *guest.Crash
			if !errors.As(err, &crash) {
				t.Fatalf("got %v, want a crash", err)
			}
			if crash.Op != hostapi.OpHTTP || crash.Reason != tt.reason || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %q (%s), want %s: %s", err, crash.Reason, tt.reason, tt.says)
			}
			if !strings.Contains(crash.Output, tt.printed) {
				t.Errorf("output: got %q, want %q in it", crash.Output, tt.printed)
			}
			_, _, again := i.Call(t.Context(), hostapi.OpHealth, nil, nil)
			if guest.ReasonOf(again) != tt.reason {
				t.Errorf("afterwards: got %v, want the same reason", again)
			}
			if m := i.Memory(); m != 0 {
				t.Errorf("afterwards: got %d bytes of memory", m)
			}
		})
	}
}

func TestCloseDuringCall(t *testing.T) {
	began := make(chan struct{})
	i := start(t, code(t, "serve"), hostFunc(func(ctx context.Context, _ hostapi.HostOp, _ []byte) (string, hostapi.Status) {
		close(began)
		<-ctx.Done()
		return "", hostapi.Retry
	}))
	result := make(chan error)
	go func() {
		_, _, err := i.Call(context.Background(), hostapi.OpHTTP, []byte("calls 1"), nil)
		result <- err
	}()
	<-began
	if err := i.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-result; guest.ReasonOf(err) != guest.Closed {
		t.Errorf("got %v, want closed", err)
	}
	if _, _, err := i.Call(t.Context(), hostapi.OpHTTP, nil, nil); guest.ReasonOf(err) != guest.Closed {
		t.Errorf("afterwards: got %v, want closed", err)
	}
}

func TestCancelledCall(t *testing.T) {
	i := start(t, code(t, "serve"), echo)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := i.Call(ctx, hostapi.OpHTTP, []byte("hang"), nil); guest.ReasonOf(err) != guest.Closed {
		t.Errorf("got %v, want closed", err)
	}
}

// Both SDKs end a process whose stream breaks, also where the system would not.
func TestStreamBreaks(t *testing.T) {
	for _, sdk := range []string{"go", "python"} {
		t.Run(sdk, func(t *testing.T) {
			c := code(t, "serve")
			if sdk == "python" {
				c = pack(t, "testdata/sample.py")
			}
			i := start(t, c, echo)
			i.cancel()
			_, _, err := i.Call(t.Context(), hostapi.OpHealth, nil, nil)
			if guest.ReasonOf(err) != guest.Exited || !strings.Contains(err.Error(), "exit status 0") {
				t.Errorf("got %v, want the process to end by itself", err)
			}
		})
	}
}
