package run

import (
	"testing"
	"time"

	"github.com/takhost/takhost/core/store"
)

// A call that sets its timer anew, for the very time at which it was due, has set
// a timer.
func TestTimerSetAnewForTheSameTime(t *testing.T) {
	at := time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC)
	one := timer{Timer: store.Timer{Name: "t", Due: at}}
	for name, c := range map[string]struct{ anew, left bool }{"set anew": {true, true}, "left alone": {false, false}} {
		t.Run(name, func(t *testing.T) {
			s := newSchedule()
			s.set(one)
			due, ok := s.due(at)
			if !ok {
				t.Fatal("not due")
			}
			if c.anew {
				s.set(one)
			}
			s.fired(due, time.Time{}, false)
			if _, left := s.next(); left != c.left {
				t.Errorf("there is a timer afterwards: %v, want %v", left, c.left)
			}
		})
	}
}
