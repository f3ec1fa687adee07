package run

import (
	"container/heap"
	"slices"
	"sync"
	"time"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi/manifest"
)

// timer is a timer of a plugin: one it set, which is a row of the store, or one
// of its manifest, which is not.
type timer struct {
	store.Timer
	fixed bool   // of the manifest
	at    int    // in the heap
	nth   uint64 // number of the setting, so that one with the same values shows
}

// timerKey keeps the names of the manifest apart from those that the plugin
// chooses while it runs.
type timerKey struct {
	name  string
	fixed bool
}

// schedule has the timers of one plugin by the time at which they are due. Safe
// for concurrent use.
type schedule struct {
	mu    sync.Mutex
	heap  timerHeap
	byKey map[timerKey]*timer
	count uint64            // of settings
	drops map[string]uint64 // revision in which a row last went, by name
	gone  []drop            // of drops, oldest first
}

// drop is that a row is no more.
type drop struct {
	name     string
	revision uint64
}

// maxDrops bounds what is remembered of rows that are no more: long enough for
// word of a commit that is still on its way.
const maxDrops = 4096

func newSchedule() *schedule {
	return &schedule{byKey: map[timerKey]*timer{}, drops: map[string]uint64{}}
}

// set puts a timer in place of the one of its name. Word of two commits may come
// in another order than the database took them: a row older than what is known
// of it changes nothing.
func (s *schedule) set(t timer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !t.fixed && s.newer(t.Name, t.Revision) {
		return
	}
	s.remove(timerKey{t.Name, t.fixed})
	s.count++
	t.nth = s.count
	s.byKey[timerKey{t.Name, t.fixed}] = &t
	heap.Push(&s.heap, &t)
}

// drop takes out the row that went in this revision, unless it is back.
func (s *schedule) drop(name string, revision uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newer(name, revision) {
		return
	}
	s.remove(timerKey{name, false})
	s.drops[name] = revision
	if s.gone = append(s.gone, drop{name, revision}); len(s.gone) < maxDrops {
		return
	}
	for _, d := range s.gone[:maxDrops/2] {
		if s.drops[d.name] == d.revision {
			delete(s.drops, d.name)
		}
	}
	s.gone = slices.Clone(s.gone[maxDrops/2:])
}

// newer says whether a later state of the row than that of the revision is known.
func (s *schedule) newer(name string, revision uint64) bool {
	have := s.byKey[timerKey{name, false}]
	return have != nil && have.Revision > revision || s.drops[name] > revision
}

func (s *schedule) remove(key timerKey) {
	if old := s.byKey[key]; old != nil {
		heap.Remove(&s.heap, old.at)
		delete(s.byKey, key)
	}
}

// setFixed makes the manifest's timers these. One that was there before with
// the same span keeps its time.
func (s *schedule) setFixed(timers []manifest.Timer, now time.Time) {
	want := map[string]time.Duration{}
	for _, t := range timers {
		want[t.Name] = time.Duration(t.Every)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, t := range s.byKey {
		if !key.fixed {
			continue
		}
		if want[key.name] == t.Every {
			delete(want, key.name)
		} else {
			s.remove(key)
		}
	}
	for name, every := range want {
		s.count++
		t := &timer{Timer: store.Timer{Name: name, Due: now.Add(every), Every: every}, fixed: true, nth: s.count}
		s.byKey[timerKey{name, true}] = t
		heap.Push(&s.heap, t)
	}
}

// next gives the time at which the first timer is due.
func (s *schedule) next() (due time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.heap) == 0 {
		return time.Time{}, false
	}
	return s.heap[0].Due, true
}

// due gives the first timer if its time has come.
func (s *schedule) due(now time.Time) (timer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.heap) == 0 || s.heap[0].Due.After(now) {
		return timer{}, false
	}
	return *s.heap[0], true
}

// fired moves a timer on to its next time, or takes it out, unless it was set
// anew or dropped meanwhile.
func (s *schedule) fired(t timer, next time.Time, again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := timerKey{t.Name, t.fixed}
	if have := s.byKey[key]; have == nil || have.nth != t.nth {
		return
	}
	s.remove(key)
	if again {
		t.Due = next
		s.byKey[key] = &t
		heap.Push(&s.heap, &t)
	}
}

// rewind is for a clock that was set back: what was due within its span by the
// time before is so by the time now. Else a timer would stand still for as long
// as the clock has to go again.
func (s *schedule) rewind(before, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.byKey {
		if next := now.Add(t.Every); t.Every > 0 && t.Due.After(next) && !t.Due.After(before.Add(t.Every)) {
			t.Due = next
		}
	}
	heap.Init(&s.heap)
}

// clockLook is how long a clock that was set is not noticed, at most, while there
// are timers.
const clockLook = 10 * time.Second

// clock notices when the wall clock was set.
type clock struct{ mono, wall time.Time }

// look is given both clocks. back says that the wall clock was set back since the
// last look, by more than its usual corrections; before is what it would show.
func (c *clock) look(mono, wall time.Time) (before, now time.Time, back bool) {
	wall = wall.Round(0) // without its monotonic part
	before = wall
	if !c.mono.IsZero() {
		before = c.wall.Add(mono.Sub(c.mono))
	}
	c.mono, c.wall = mono, wall
	return before, wall, before.Sub(wall) > time.Second
}

// after gives when the timer is due next once it has fired: the first of its
// times that lies ahead, and how many it skips. A timer that fires late for its
// first time has skipped none. It is not ok when there is no next time.
func (t *timer) after(now time.Time) (next time.Time, missed uint32, ok bool) {
	if t.Every <= 0 {
		return time.Time{}, 0, false
	}
	skipped := max(0, now.Sub(t.Due)/t.Every)
	return t.Due.Add((skipped + 1) * t.Every), uint32(min(skipped, 1<<32-1)), true
}

type timerHeap []*timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].Due.Before(h[j].Due) }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

func (h *timerHeap) Push(x any) {
	t := x.(*timer)
	t.at = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return t
}
