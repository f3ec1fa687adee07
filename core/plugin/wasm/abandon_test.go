package wasm

import (
	"context"
	"errors"
	"testing"

	"github.com/takhost/takhost/core/plugin/guest"
)

// Whoever waits for a compile may give up; the compile goes on, and its module is
// closed.
func TestLoadGivesUp(t *testing.T) {
	r, err := New(Options{CacheDir: cacheDir})
	if err != nil {
		t.Fatal(err)
	}
	r.compile <- struct{}{} // somebody else compiles
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Load(ctx, guest.Code{Name: "x", Module: goGuest}); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for its turn: %v", err)
	}
	<-r.compile
	if m, err := r.Load(ctx, guest.Code{Name: "x", Module: goGuest}); err == nil {
		m.Close(t.Context()) // its turn came, and it was quick
	} else if !errors.Is(err, context.Canceled) {
		t.Errorf("while it compiles: %v", err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
}
