package marti

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

const (
	// maxSeen bounds how many clients are remembered.
	maxSeen = 20_000

	// recallSpan is how far back the archive is read at the start, and
	// recallPages how much of it.
	recallSpan  = 24 * time.Hour
	recallPages = 5
)

// Roster remembers the clients that were here, as clientEndPoints lists those
// who left too (3). It is told of changes by Changed and knows of the time
// before the start by Recall; the newest 20,000 clients are kept.
type Roster struct {
	mu   sync.Mutex
	seen map[seenKey]seen
}

// seenKey is what makes two connections the same client.
type seenKey struct{ user, uid string }

type seen struct {
	callsign, team, role string
	in                   hostapi.SetID
	at                   time.Time // of its last event, or when it left
}

// NewRoster gives one that knows nobody.
func NewRoster() *Roster { return &Roster{seen: map[seenKey]seen{}} }

// Changed takes what happened to a client.
func (r *Roster) Changed(c wire.ClientChange) {
	if c.Client == nil || c.Client.UID == "" {
		return
	}
	at := c.At
	if at == 0 {
		at = c.Client.Seen
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(seenKey{c.Client.User, c.Client.UID}, seen{
		callsign: c.Client.Callsign, team: c.Client.Team, role: c.Client.Role,
		in: hostapi.SetID(c.Client.InSet), at: time.UnixMicro(at).UTC(),
	})
}

// Recall learns from the archive who was here during the last day. It reads a
// few thousand positions at most: who sent none among them is forgotten.
func (r *Roster) Recall(ctx context.Context, query func(context.Context, store.Query) (store.Page, error), now time.Time) error {
	q := store.Query{Types: []string{"a-f-*"}, From: now.Add(-recallSpan), Limit: 1000}
	for range recallPages {
		p, err := query(ctx, q)
		if err != nil {
			return fmt.Errorf("recall clients from the archive: %w", err)
		}
		r.recall(p.Events)
		if q.After = p.Next; p.Next == "" {
			return nil
		}
	}
	return nil
}

func (r *Roster) recall(events []store.Stored) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range events {
		e := &events[i]
		key := seenKey{e.User, e.UID}
		if e.UID == "" || e.UID != e.Client || e.Callsign == "" {
			continue // of something else, not of the client itself
		}
		if old, known := r.seen[key]; !known || old.at.Before(e.Recv.Time()) {
			r.note(key, seen{callsign: e.Callsign, team: e.Team, role: e.Role, in: e.Groups, at: e.Recv.Time()})
		}
	}
}

// note keeps s, at the cost of the oldest tenth when there are too many. r.mu
// is held.
func (r *Roster) note(key seenKey, s seen) {
	if _, known := r.seen[key]; !known && len(r.seen) >= maxSeen {
		times := make([]time.Time, 0, len(r.seen))
		for _, old := range r.seen {
			times = append(times, old.at)
		}
		slices.SortFunc(times, time.Time.Compare)
		limit := times[len(times)/10]
		for k, old := range r.seen {
			if !old.at.After(limit) {
				delete(r.seen, k)
			}
		}
	}
	r.seen[key] = s
}

// all gives who was seen. A nil Roster has seen nobody.
func (r *Roster) all() map[seenKey]seen {
	out := map[seenKey]seen{}
	if r == nil {
		return out
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, s := range r.seen {
		out[k] = s
	}
	return out
}

// Len counts who is remembered.
func (r *Roster) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen)
}
