package run

import (
	"sync"
	"sync/atomic"
)

// Waits knows which call waits for which plugin. Two plugins whose calls want
// an action of one another at the same time would else wait until a deadline
// kills both. One Waits serves all actors of a server; safe for concurrent use.
type Waits struct {
	mu sync.Mutex // guards the field to of all lanes; taken alone
}

// lane is what runs calls one after the other: an actor's goroutine, or one of
// a request.
type lane struct {
	to *lane // whose actor is to run an action for this one

	// lost says that the call at hand was refused an action because the other
	// plugin waits for this one. It is discarded and made again once the other
	// has had its turn.
	lost atomic.Bool
}

// enter says that from waits for to. It is refused when to waits for from,
// directly or through others.
func (w *Waits) enter(from, to *lane) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for l := to; l != nil; l = l.to {
		if l == from {
			return false
		}
	}
	from.to = to
	return true
}

func (w *Waits) leave(from *lane) {
	w.mu.Lock()
	from.to = nil
	w.mu.Unlock()
}
