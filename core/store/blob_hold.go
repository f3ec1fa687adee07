package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// graceTime is how long a file stays, however short room is, after whoever wrote it
// was done: for an answer that is about to be made of it, for what is entered about
// it in another transaction.
const graceTime = time.Minute

// Hold keeps files from going while a request or a call of a plugin that writes them
// has not ended: nobody can have said yet that he keeps them. It ends with End or
// Drop, of which only the first has an effect. It is in memory alone. Safe for
// concurrent use.
type Hold struct {
	b *Blobs

	mu     sync.Mutex
	hashes []string // one may be there twice
	ended  bool
}

// Hold begins one; BlobSpec.Hold says that it holds a file.
func (b *Blobs) Hold() *Hold { return &Hold{b: b} }

// add holds a file. It goes before the file is entered.
func (h *Hold) add(hash string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.b.plugins.holds.take(hash)
	if h.ended { // somebody forgot the order: as without a Hold
		h.b.plugins.holds.giveUp(hash)
		return
	}
	h.hashes = append(h.hashes, hash)
}

func (h *Hold) take() (hashes []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	hashes, h.hashes, h.ended = h.hashes, nil, true
	return hashes
}

// End is for a call that succeeded: what nobody keeps stays for BlobTTL, or when
// room is short for a minute.
func (h *Hold) End() {
	for _, hash := range h.take() {
		h.b.plugins.holds.giveUp(hash)
	}
}

// Drop is for a call that failed: what was new with it, and nobody else keeps,
// holds or reads, is removed before it returns.
func (h *Hold) Drop(ctx context.Context) error {
	var gone []string
	for _, hash := range h.take() {
		if h.b.plugins.holds.drop(hash) {
			gone = append(gone, hash)
		}
	}
	var errs []error
	for part := range slices.Chunk(gone, blobSweepFiles) {
		_, err := h.b.remove(ctx, part, h.b.isLoose)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove what a call wrote that failed: %w", err)
	}
	return nil
}

// holds knows why files are not to go though nobody keeps them.
type holds struct {
	now func() time.Duration // a clock that nobody sets

	mu    sync.Mutex
	of    map[string]*held
	ended []heldUntil // in the order of time
}

type held struct {
	holders int           // Holds
	readers int           // open BlobReaders
	fresh   bool          // nobody was promised yet that it stays: it is new with its holders
	kept    bool          // it got an owner meanwhile: no need of a grace
	until   time.Duration // end of its grace; 0: it has none
}

type heldUntil struct {
	hash string
	at   time.Duration
}

func newHolds(now func() time.Duration) *holds { return &holds{now: now, of: map[string]*held{}} }

func (m *holds) get(hash string) *held {
	h := m.of[hash]
	if h == nil {
		h = &held{}
		m.of[hash] = h
	}
	return h
}

// tidy forgets a file of which there is nothing to know, and others whose grace has
// ended.
func (m *holds) tidy(hash string) {
	if h := m.of[hash]; h != nil && h.holders+h.readers == 0 && h.until == 0 {
		delete(m.of, hash)
	}
	now, n := m.now(), 0
	for n < len(m.ended) && m.ended[n].at <= now {
		if h := m.of[m.ended[n].hash]; h != nil && h.until != 0 && h.until <= now {
			if h.until = 0; h.holders+h.readers == 0 {
				delete(m.of, m.ended[n].hash)
			}
		}
		n++
	}
	m.ended = slices.Delete(m.ended, 0, n)
}

func (m *holds) take(hash string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.get(hash).holders++
}

// giveUp ends one hold, after which a file that nobody has kept has its grace.
func (m *holds) giveUp(hash string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.get(hash)
	h.holders--
	h.fresh = false
	if !h.kept {
		h.until = m.now() + graceTime
		m.ended = append(m.ended, heldUntil{hash, h.until})
	}
	m.tidy(hash)
}

// drop ends one hold and says whether the file was new with the holds of which it was
// the last.
func (m *holds) drop(hash string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.get(hash)
	h.holders--
	gone := h.fresh && h.holders == 0
	m.tidy(hash)
	return gone
}

// entered says that a file was not there before.
func (m *holds) entered(hash string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h := m.of[hash]; h != nil {
		h.fresh, h.kept, h.until = true, false, 0
	}
}

// kept says that a file has an owner from now on, so that it goes when that gives
// it up.
func (m *holds) kept(hash string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h := m.of[hash]; h != nil {
		h.kept, h.until = true, 0
		m.tidy(hash)
	}
}

func (m *holds) read(hash string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.get(hash).readers++
}

func (m *holds) unread(hash string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.get(hash).readers--
	m.tidy(hash)
}

// isHeld says whether a call holds a file.
func (m *holds) isHeld(hash string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.of[hash]
	return h != nil && h.holders > 0
}

// isLoose says whether a file that nobody keeps can go when room is short.
func (m *holds) isLoose(hash string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.of[hash]
	return h == nil || h.holders+h.readers == 0 && h.until <= m.now()
}
