package run

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi/manifest"
)

// A commit of which nobody knows whether it was made is not made again.
func TestOutcomeUnknown(t *testing.T) {
	tests := []struct {
		name    string
		durable bool
		made    bool // the commit was made before the answer was lost
		want    []string
		letters int
	}{
		{"live, made", false, true, []string{"a", "b", "c", "d"}, 3},
		{"live, not made", false, false, []string{"d"}, 3},
		{"durable, made", true, true, []string{"a", "b", "c", "d"}, 0}, // the cursor tells
		{"durable, not made", true, false, []string{"a", "b", "c", "d"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t)
				archive := newArchive()
				b.archive = archive
				var lost atomic.Bool
				fail := func() error {
					if lost.Swap(false) {
						return &store.Error{Code: store.Unavailable, Msg: "commit", Err: store.ErrOutcome}
					}
					return nil
				}
				if b.db.before = fail; tt.made {
					b.db.before, b.db.after = nil, fail
				}
				change := func(*manifest.Manifest) {}
				if tt.durable {
					change = durableSub
				}
				v, _ := b.version(events(emitUID), change)
				b.start(v)
				send := func(uids ...string) {
					if tt.durable {
						archive.add(t, uids...)
					} else {
						b.offer(uids...)
					}
					time.Sleep(time.Minute)
				}
				synctest.Wait()
				lost.Store(true)
				send("a", "b", "c")
				send("d")
				b.stop()
				if diff := cmp.Diff(tt.want, b.db.sent()); diff != "" {
					t.Errorf("events whose effects are there (-want +got):\n%s", diff)
				}
				if n := len(b.db.dead()); n != tt.letters {
					t.Errorf("%d dead letters, want %d", n, tt.letters)
				}
			})
		})
	}
}
