package run

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store"
)

// Word of commits comes in another order than the database took them: what was
// committed last counts.
func TestTimerNoticesInAnyOrder(t *testing.T) {
	at := func(revision uint64, seconds int64) store.Timer {
		return store.Timer{Name: "t", Revision: revision, Due: time.Unix(seconds, 0)}
	}
	gone := func(revision uint64) store.Timer { return store.Timer{Name: "t", Revision: revision, Cancelled: true} }
	for _, tt := range []struct {
		name    string
		notices []store.Timer // as the database took them
		want    string
	}{
		{"set twice", []store.Timer{at(1, 10), at(2, 20)}, "20"},
		{"set and cancelled", []store.Timer{at(1, 10), gone(2)}, ""},
		{"cancelled and set", []store.Timer{gone(1), at(2, 20)}, "20"},
		{"set, cancelled, set", []store.Timer{at(1, 10), gone(2), at(3, 30)}, "30"},
		{"cancelled, set, cancelled", []store.Timer{gone(1), at(2, 20), gone(3)}, ""},
		{"cancelled twice, set", []store.Timer{gone(1), gone(2), at(3, 30)}, "30"},
	} {
		for _, order := range orders(len(tt.notices)) {
			t.Run(fmt.Sprint(tt.name, order), func(t *testing.T) {
				s := newSchedule()
				for _, i := range order {
					if n := tt.notices[i]; n.Cancelled {
						s.drop(n.Name, n.Revision)
					} else {
						s.set(timer{Timer: n})
					}
				}
				got := ""
				if due, ok := s.next(); ok {
					got = fmt.Sprint(due.Unix())
				}
				if got != tt.want {
					t.Errorf("the timer is due at %q, want %q", got, tt.want)
				}
			})
		}
	}
}

// orders gives all orders of n things.
func orders(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var all [][]int
	for _, o := range orders(n - 1) {
		for i := range n {
			next := append([]int{}, o[:i]...)
			all = append(all, append(append(next, n-1), o[i:]...))
		}
	}
	return all
}

// What is remembered of timers that are no more is bounded, and the latest are.
func TestDropsAreBounded(t *testing.T) {
	s := newSchedule()
	revision := uint64(0)
	for i := range 3 * maxDrops {
		revision++
		s.drop(fmt.Sprint("t", i), revision)
	}
	for range 3 * maxDrops { // of one name many times
		revision++
		s.drop("same", revision)
	}
	if len(s.drops) > maxDrops || len(s.gone) > maxDrops {
		t.Errorf("%d names and %d drops are remembered, want at most %d", len(s.drops), len(s.gone), maxDrops)
	}
	s.set(timer{Timer: store.Timer{Name: "same", Revision: revision - 1}})
	if _, ok := s.next(); ok {
		t.Error("a timer that was cancelled is back")
	}
}

// The later commit's word comes first: the plugin is called when the later one
// said, and only then.
func TestActorTakesTheNewestTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		start := time.Now()
		var got []string
		v, _ := b.version(ticks(&got, nil))
		b.start(v)
		b.a.TimersChanged([]store.Timer{{Name: "moved", Revision: 8, Due: start.Add(20 * time.Second)}, {Name: "gone", Revision: 8, Cancelled: true}})
		b.a.TimersChanged([]store.Timer{{Name: "moved", Revision: 7, Due: start.Add(time.Hour)}, {Name: "gone", Revision: 7, Due: start.Add(5 * time.Second)}})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		b.stop()
		if diff := cmp.Diff([]string{"moved due 20s missed 0 at 20s"}, got); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}
