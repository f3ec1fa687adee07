package takclient

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Inbox is what one client received, in order. A Client has one, and so may
// any other driver whose events a test wants to look at in the same way
// (tests/pytak).
type Inbox struct {
	name  string
	noLog bool

	mu      sync.Mutex // guards what follows
	changed chan struct{}
	log     []*Received
	taken   []bool // by place in log: an Expect has had it
	byUID   map[string]int
	counts  Counts
	raw     []byte // all bytes of a raw client
	tail    int    // bytes that have come of an unfinished event
	ended   bool
	err     error
}

// Counts are the sums of an inbox. They are kept without a log too.
type Counts struct {
	Events int   // well-formed events, control messages included
	Bytes  int64 // of those events on the wire
	UIDs   int   // distinct event uids
	Pongs  int   // answers to pings
	Bad    int   // events that did not scan or convert
}

// NewInbox gives an empty inbox; name is for failure texts.
func NewInbox(name string) *Inbox {
	return &Inbox{name: name, byUID: make(map[string]int)}
}

// AddXML logs one event element that arrived at that time; text before the
// element is kept in Raw only.
func (b *Inbox) AddXML(raw string, at time.Time) {
	b.add(newReceived(raw[max(0, strings.Index(raw, "<event")):], raw, at))
}

func (b *Inbox) add(r *Received) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.Err != nil {
		b.counts.Bad++
	} else {
		b.counts.Events++
		b.counts.Bytes += int64(len(r.Raw))
		if r.Header.Type == typePong {
			b.counts.Pongs++
		}
		if n, known := b.byUID[r.Header.UID]; known {
			b.byUID[r.Header.UID] = n + 1
		} else {
			// Cloned, or one uid would keep its whole event in memory.
			b.byUID[strings.Clone(r.Header.UID)] = 1
		}
	}
	if !b.noLog {
		r.Seq = len(b.log)
		b.log = append(b.log, r)
		b.taken = append(b.taken, false)
	}
	b.wake()
}

// End says that nothing more can arrive, and why. Waits that are not served by
// then fail at once.
func (b *Inbox) End(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended {
		b.ended, b.err = true, err
		b.wake()
	}
}

// wake is called with mu held.
func (b *Inbox) wake() {
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// wait calls check, with mu held, at each change until it says true.
func (b *Inbox) wait(ctx context.Context, check func() bool) error {
	for {
		b.mu.Lock()
		if check() {
			b.mu.Unlock()
			return nil
		}
		ended, err := b.ended, b.err
		if b.changed == nil {
			b.changed = make(chan struct{})
		}
		changed := b.changed
		b.mu.Unlock()
		if ended {
			return fmt.Errorf("%s: connection ended: %w", b.name, err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", b.name, ctx.Err())
		}
	}
}

var errNoLog = errors.New("the client keeps no log (WithoutLog), so events cannot be expected")

// Wait takes the first event that matches and that nobody has taken before,
// waiting for it until ctx ends or the connection does.
func (b *Inbox) Wait(ctx context.Context, m Match) (*Received, error) {
	if b.noLog {
		return nil, errNoLog
	}
	var found *Received
	next := 0
	err := b.wait(ctx, func() bool {
		for ; next < len(b.log); next++ {
			if r := b.log[next]; !b.taken[next] && m.matches(r) {
				b.taken[next] = true
				found = r
				return true
			}
		}
		return false
	})
	if err != nil {
		return nil, fmt.Errorf("wait for %s: %w", m, err)
	}
	return found, nil
}

// WaitCounts waits until enough says true of the counts. It works without a
// log too.
func (b *Inbox) WaitCounts(ctx context.Context, enough func(Counts) bool) error {
	return b.wait(ctx, func() bool { return enough(b.sums()) })
}

// sums is called with mu held.
func (b *Inbox) sums() Counts {
	c := b.counts
	c.UIDs = len(b.byUID)
	return c
}

// Counts gives the sums so far.
func (b *Inbox) Counts() Counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sums()
}

// CountUID says how many events of that uid have come.
func (b *Inbox) CountUID(uid string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.byUID[uid]
}

// All gives everything logged so far, taken or not.
func (b *Inbox) All() []*Received {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]*Received(nil), b.log...)
}

// Count says how many logged events match, taken or not.
func (b *Inbox) Count(m Match) int {
	n := 0
	for _, r := range b.All() {
		if m.matches(r) {
			n++
		}
	}
	return n
}
