package run

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/takhost/takhost/hostapi/manifest"
)

// While versions take over from one another, a fail-closed filter drops nothing
// that it would let pass, and lets nothing pass that it would drop.
func TestFilterThroughSwaps(t *testing.T) {
	b := newBed(t)
	version := func(change ...func(*manifest.Manifest)) *Version {
		v, _ := b.version(filtering, append(change, filterOf("closed"))...)
		v.Limits.Filter = time.Minute
		return v
	}
	first := version()
	b.start(first)
	found := b.a.filters.Load()
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for range 4 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				uid := []string{"pass", "drop"}[n%2]
				out, reason := b.a.Filter("tls", event(t, uid))
				if (out != nil) != (uid == "pass") || uid == "drop" && reason != "not wanted" {
					t.Errorf("%s: got %v %q", uid, out, reason)
					return
				}
			}
		})
	}
	for range 20 {
		if err := b.a.Swap(t.Context(), Plan{Next: version(), NoProbation: true}); err != nil {
			t.Error(err)
		}
	}
	cancel()
	wg.Wait()
	// Who found the first one's filters in force and comes to ask them only now.
	for ended := false; !ended; runtime.Gosched() {
		i := <-found.free
		found.free <- i
		ended = i == nil
	}
	if out, reason := b.a.filterFrom(found, first, "tls", event(t, "pass")); out == nil {
		t.Errorf("dropped: %s", reason)
	}
	if out, reason := b.a.filterFrom(found, first, "tls", event(t, "drop")); out != nil || reason != "not wanted" {
		t.Errorf("passed: %q", reason)
	}
	b.stop()
}
