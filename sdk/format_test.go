package sdk

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestFormat(t *testing.T) {
	tests := []struct {
		format string
		args   []any
		want   string // empty: what fmt writes
	}{
		{"plain", nil, ""},
		{"%s %v %q", []any{"a", "b", "c\n"}, ""},
		{"%d %d %d %v", []any{1, int64(-2), uint8(3), uint64(1 << 63)}, ""},
		{"%d %x %v", []any{int32(-1), "hé", []byte("é")}, "-1 68c3a9 é"},
		{"%v %v %v", []any{true, 1.5, float32(0.1)}, ""},
		{"%.2f %f %.0f", []any{1.005, 2.5, 3.7}, "1.00 2.5 4"},
		{"%v %v", []any{errors.New("bad"), 90 * time.Second}, ""},
		{"%v", []any{[]string{"a", "b"}}, ""},
		{"%v", []any{nil}, "nil"},
		{"%v", []any{time.UnixMicro(1714564800000000)}, "2024-05-01T12:00:00.000Z"},
		{"100%%", nil, ""},
		{"%d", []any{"x"}, "%!d(x)"},
		{"%s", nil, "%!s(missing)"},
		{"x", []any{1}, "x%!(extra 1)"},
		{"%", nil, "%!(end)"},
		{"%.", nil, "%!(end)"},
		{"%z", []any{1}, "%!z(1)"},
		{"%v", []any{struct{}{}}, "(a value that Format does not know)"},
	}
	for _, tt := range tests {
		t.Run(tt.format, func(t *testing.T) {
			want := tt.want
			if want == "" {
				want = fmt.Sprintf(tt.format, tt.args...)
			}
			if got := Format(tt.format, tt.args...); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	cause := errors.New("cause")
	err := NotFoundf("no %s: %w", "dog", cause)
	wrapped := fmt.Errorf("look: %w", err)
	joined := errors.Join(cause, wrapped)
	for name, e := range map[string]error{"itself": err, "wrapped": wrapped, "joined": joined} {
		if !Is(e, NotFound) || !errors.Is(e, cause) {
			t.Errorf("%s: status %v, want not_found with its cause", name, StatusOf(e))
		}
	}
	if got := asError(wrapped); got.Message != "look: no dog: cause" {
		t.Errorf("message %q, want what was wrapped around it too", got.Message)
	}
	if StatusOf(nil) != OK || StatusOf(cause) != Failed || !Is(Conflictf("x"), Conflict) {
		t.Error("statuses of other errors are wrong")
	}
	if s := StatusOf(&Error{}); s != Failed {
		t.Errorf("an error whose status is OK counts as %v, want failed", s)
	}
}
