package takclient

import (
	"bytes"
	"context"
	"testing"
)

// Bytes gives all that a raw client has received (WithRaw).
func (b *Inbox) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.raw)
}

// ExpectBytes waits, at most DefaultWait, until want is among the bytes that a
// raw client has received, and returns the place behind it.
func (b *Inbox) ExpectBytes(t testing.TB, want string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), DefaultWait)
	defer cancel()
	end := 0
	err := b.wait(ctx, func() bool {
		i := bytes.Index(b.raw, []byte(want))
		end = i + len(want)
		return i >= 0
	})
	if err != nil {
		t.Fatalf("wait for the bytes %s: %v\n%s", clip(want, 200), err, b.Report())
	}
	return end
}
