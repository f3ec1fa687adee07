package server

import (
	"runtime/debug"
	"time"
)

const (
	settleEvery = 4 * time.Second
	// settleAfter is how many more connections than at the last time make it worth
	// while.
	settleAfter = 100
)

// settle gives the memory back that many connections took to come: a handshake
// leaves some ten times as much behind as the connection keeps, and where nothing
// else happens it would stay. It waits until no more of them come.
func (s *Server) settle() {
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	var settled, before int
	for {
		select {
		case <-s.stopping:
			return
		case <-tick.C:
		}
		now := s.stream.Count()
		switch {
		case now < settled:
			settled = now
		case now-settled >= settleAfter && now-before < settleAfter/10:
			debug.FreeOSMemory()
			settled = now
		}
		before = now
	}
}
