package run

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/takhost/takhost/hostapi"
)

func TestDrainHandlesWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		var handled atomic.Int64
		v, _ := b.version(events(func(_ *fakeGuest, _ hostapi.Batch, _ int, _ hostapi.View) {
			time.Sleep(time.Millisecond)
			handled.Add(1)
		}))
		b.start(v)
		for range 200 {
			b.offer("a")
		}
		b.a.Drain(t.Context())
		if n := handled.Load(); n != 200 {
			t.Errorf("%d events handled, want 200", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		for range 1000 {
			b.offer("a")
		}
		began := time.Now()
		b.a.Drain(ctx)
		if took := time.Since(began); took > 500*time.Millisecond {
			t.Errorf("took %v after its time was over", took)
		}
		if err := b.a.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
