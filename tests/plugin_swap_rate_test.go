//go:build !race

package tests

import (
	"slices"
	"testing"
	"time"

	"github.com/takhost/takhost/tests/taktest"
)

// The numbers to hold: nothing lost and nothing twice, pause of 50 ms in the
// middle and 500 ms at most.
func TestSwapsAtFullRate(t *testing.T) {
	const usual, most = 50 * time.Millisecond, 500 * time.Millisecond
	for _, s := range []swapping{
		{runtime: "wasm", keep: "memory", rate: 20000, swaps: 20, fresh: 5},
		{runtime: "process", keep: "memory", rate: 20000, swaps: 10},
		{runtime: "wasm", keep: "store", rate: 4000, swaps: 20, fresh: 5},
	} {
		t.Run(s.runtime+" "+s.keep, func(t *testing.T) {
			archive := "[a-*]" // so that it is the plugin that limits, and not the disk
			if s.keep == "store" {
				archive = `["*"]`
			}
			srv := taktest.Run(t, "--set", "archive.types="+archive)
			p := s.run(t, srv, srv.Admin)
			host := pausesOf(t, srv.Admin, "tally")
			all := host[len(host)-1]
			if upTo50 := host[slices.Index(pauseBuckets, "0.05")]; upTo50 < all/2 {
				t.Errorf("pauses: %v; want a median of at most %v", host, usual)
			}
			if upTo500 := host[slices.Index(pauseBuckets, "0.5")]; upTo500 < all || int(all) != s.swaps {
				t.Errorf("pauses: %v; want %d of at most %v", host, s.swaps, most)
			}
			// Also where the newcomer did not come to an end in the pause. The queue that
			// grew meanwhile is on top.
			if longest := micros(p.Longest); longest > most+100*time.Millisecond {
				t.Errorf("an event waited for %v", longest)
			}
			if s.keep == "memory" && (len(p.Pauses) < s.swaps || median(p.Pauses) > usual || micros(last(p.Pauses)) > most) {
				t.Errorf("pauses as events saw them: %v; want a median of at most %v, and %v ever", p.Pauses, usual, most)
			}
		})
	}
}
