package call

import (
	"testing"

	"github.com/takhost/takhost/core/store"
)

// Word of commits comes in any order, and may come while the rows are being counted:
// no timer that is there is left out.
func TestTimerCount(t *testing.T) {
	set := func(name string, revision uint64) store.Timer { return store.Timer{Name: name, Revision: revision} }
	gone := func(name string, revision uint64) store.Timer {
		return store.Timer{Name: name, Revision: revision, Cancelled: true}
	}
	tests := []struct {
		name string
		do   func(c *timerCount)
		want bool // whether there is room for a second timer
	}{
		{"not counted yet", func(c *timerCount) { c.committed([]store.Timer{set("a", 1)}) }, false},
		{"one", func(c *timerCount) { c.recount([]store.Timer{set("a", 1)}, 0) }, true},
		{"full", func(c *timerCount) { c.recount([]store.Timer{set("a", 1), set("b", 2)}, 0) }, false},
		{"cancelled", func(c *timerCount) {
			c.recount([]store.Timer{set("a", 1), set("b", 2)}, 0)
			c.committed([]store.Timer{gone("b", 3)})
		}, true},
		{"cancelled and set again, told the other way round", func(c *timerCount) {
			c.recount([]store.Timer{set("a", 1), set("b", 2)}, 0)
			c.committed([]store.Timer{set("b", 4)})
			c.committed([]store.Timer{gone("b", 3)})
		}, false},
		{"set while the rows were read", func(c *timerCount) {
			since := c.heard()
			c.committed([]store.Timer{set("b", 2)})
			c.recount([]store.Timer{set("a", 1)}, since)
		}, false},
		{"set before the rows were read, and cancelled by a commit that is told later", func(c *timerCount) {
			c.committed([]store.Timer{set("b", 2)})
			since := c.heard()
			c.recount([]store.Timer{set("a", 1)}, since)
			c.committed([]store.Timer{gone("b", 3)})
		}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c timerCount
			tt.do(&c)
			if got := c.room("new", 2); got != tt.want {
				t.Errorf("room for another timer: got %v, want %v", got, tt.want)
			}
		})
	}
}
