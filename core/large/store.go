package large

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/takhost/takhost/hostapi"
)

// Options say how much a Store holds.
type Options struct {
	Bytes   int64         // all events together; a larger one is not kept
	Keep    time.Duration // how long each is kept, from its coming
	Now     func() time.Time
	Metrics prometheus.Registerer // nil: none
}

// loadsAtOnce is how many events are read out of the archive at a time, as each
// may have megabytes.
const loadsAtOnce = 4

// Store holds events for some time. When it is full, of whoever takes the most
// room the event that was not asked for the longest goes: a flood by one sender
// costs the others nothing.
type Store struct {
	opt   Options
	met   *metrics
	loads chan struct{} // holds one for each load at work

	mu     sync.Mutex // guards what is below; taken alone
	events map[hostapi.ID]*Event
	bytes  int64
	shares map[string]int64 // bytes by holder
}

// NewStore gives an empty store.
func NewStore(opt Options) *Store {
	s := &Store{opt: opt, loads: make(chan struct{}, loadsAtOnce), events: map[hostapi.ID]*Event{}, shares: map[string]int64{}}
	s.met = newMetrics(s, opt.Metrics)
	return s
}

// Keep keeps e, and says whether there is room for it at all.
func (s *Store) Keep(e *Event) bool {
	now := s.opt.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.size > s.opt.Bytes {
		s.met.refused.Add(1)
		return false
	}
	if old := s.events[e.ID]; old != nil {
		s.drop(old)
	}
	e.put, e.used = now, now
	s.events[e.ID] = e
	s.bytes += e.size
	s.shares[e.holder] += e.size
	for s.bytes > s.opt.Bytes {
		s.drop(s.victim())
		s.met.evicted.Add(1)
	}
	return true
}

// victim is what goes first. There is at least one event, and never many: each
// has more than 64 KiB. s.mu is held.
func (s *Store) victim() (v *Event) {
	for _, e := range s.events {
		switch {
		case v == nil, s.shares[e.holder] > s.shares[v.holder],
			s.shares[e.holder] == s.shares[v.holder] && e.used.Before(v.used):
			v = e
		}
	}
	return v
}

// drop forgets e. s.mu is held.
func (s *Store) drop(e *Event) {
	delete(s.events, e.ID)
	s.bytes -= e.size
	if s.shares[e.holder] -= e.size; s.shares[e.holder] == 0 {
		delete(s.shares, e.holder)
	}
}

// Get gives a kept event to whoever fetches it.
func (s *Store) Get(id hostapi.ID) (*Event, bool) {
	e, ok := s.get(id)
	if ok {
		s.met.memory.Add(1)
	}
	return e, ok
}

func (s *Store) get(id hostapi.ID) (*Event, bool) {
	now := s.opt.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.events[id]
	if e == nil || now.Sub(e.put) > s.opt.Keep {
		return nil, false
	}
	e.used = now
	return e, true
}

// Load gives an event that is no longer kept: load reads it, and gives nil when
// there is none. It is kept then, as the next who asks for it is not far. Few are
// read at a time; an error of ctx says that its turn did not come.
func (s *Store) Load(ctx context.Context, id hostapi.ID, load func(context.Context) (*Event, error)) (*Event, error) {
	select {
	case s.loads <- struct{}{}:
		defer func() { <-s.loads }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if e, ok := s.Get(id); ok {
		return e, nil // somebody else has loaded it meanwhile
	}
	e, err := load(ctx)
	switch {
	case err != nil:
		return nil, err
	case e == nil:
		s.met.missing.Add(1)
		return nil, nil
	}
	s.met.archive.Add(1)
	s.Keep(e)
	return e, nil
}

// Sweep forgets what was kept long enough. It is to be called now and then.
func (s *Store) Sweep() {
	now := s.opt.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if now.Sub(e.put) > s.opt.Keep {
			s.drop(e)
		}
	}
}

// Held tells how many events and bytes are kept.
func (s *Store) Held() (events int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.events), s.bytes
}
