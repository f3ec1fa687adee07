//go:build !race

package tests

import (
	"testing"

	"github.com/takhost/takhost/tests/guests"
)

// Whatever a plugin does, in both runtimes, the p99 of the clients stays within
// twice of what it was.
func TestMisdeeds(t *testing.T) {
	for _, runtime := range []string{"wasm", "process"} {
		t.Run(runtime, func(t *testing.T) {
			c := newCrowd(t, guests.Of(t, "rogue", runtime))
			for _, m := range misdeeds[runtime] {
				t.Run(m.does, func(t *testing.T) { c.commits(t, m) })
			}
		})
	}
	t.Run("garbage", func(t *testing.T) {
		c := newCrowd(t, guests.WASM(t, "garbage"))
		for _, how := range []string{"pointer", "length", "nothing", "status", "message", "results", "input", "room", "take"} {
			t.Run(how, func(t *testing.T) { c.answers(t, how) })
		}
		c.noticesNothing(t, func(p99 func(do func(step int))) {
			p99(func(step int) {
				if step%8 == 0 {
					c.send("b-x-garbage", "pointer", "")
				}
			})
		})
	})
}
