package store

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// Archive keeps events and finds them again. Its writer is at most 50 ms behind
// the router as long as the database answers; what is queued is not found yet.
type Archive struct {
	db  *database
	dir string
	opt ArchiveOptions
	log *slog.Logger
	now func() time.Time
	off bool // no type is archived

	q       *queue
	sweeper *sweeper
	keeper  *keeper
	met     *metrics
	search  time.Duration // the time that one page may take

	writer writer      // used by the goroutine of run alone
	finish atomic.Bool // the writer is to copy the rest of the log into the file

	// abort ends waiting for a database that does not answer; stopped is closed
	// when both goroutines have ended.
	abort   chan struct{}
	stopped chan struct{}
	once    sync.Once

	mu    sync.Mutex // guards what follows; taken alone
	cond  condition
	hours totals
	told  map[chan struct{}]struct{} // by Committed
}

// Stats is the state of the archive for people and monitors.
type Stats struct {
	Events      int64     `json:"events"`          // stored
	Bytes       int64     `json:"bytes"`           // their bytes, as ArchiveOptions.Max counts them
	Oldest      time.Time `json:"oldest,omitzero"` // hour of the oldest stored event; zero when there is none
	Queued      int       `json:"queued"`          // waiting for the database
	QueuedBytes int64     `json:"queuedBytes"`     //
	Dropped     uint64    `json:"dropped"`         // since the start, for all reasons

	DroppedFull    uint64 `json:"droppedFull"`    // the queue was full
	DroppedDisk    uint64 `json:"droppedDisk"`    // the disk was nearly full
	DroppedRefused uint64 `json:"droppedRefused"` // the database refused the event

	State string    `json:"state"` // "ok", "off", "low disk", "disk full", "database away", "closed"
	Since time.Time `json:"since"` // when that began
}

// newArchive makes the archive of an open database; start sets it going.
func newArchive(ctx context.Context, db *database, opt Options) (*Archive, error) {
	types, err := cot.ParseTypeSet(opt.Archive.Types)
	if err != nil {
		return nil, fmt.Errorf("archive types: %w", err)
	}
	a := &Archive{
		db: db, dir: opt.Dir, opt: opt.Archive, log: opt.Log, now: opt.Now, off: types.Empty(),
		q:       newQueue(types, opt.Archive.QueueEvents, opt.Archive.QueueBytes),
		search:  opt.test.searchTime,
		abort:   make(chan struct{}),
		stopped: make(chan struct{}),
	}
	a.writer.a = a
	a.cond.since = opt.Now()
	if err := a.loadTotals(ctx); err != nil {
		return nil, err
	}
	if a.sweeper, err = newSweeper(ctx, a, opt); err != nil {
		return nil, err
	}
	if a.keeper, err = newKeeper(a, opt); err != nil {
		return nil, err
	}
	if a.met, err = newMetrics(a, opt.Metrics); err != nil {
		a.keeper.close()
		return nil, fmt.Errorf("archive metrics: %w", err)
	}
	return a, nil
}

// start runs the goroutines, which end after Close.
func (a *Archive) start() {
	a.keeper.checkDisk()
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		a.keeper.run()
	}()
	go func() {
		defer close(a.stopped)
		a.run()
		close(a.keeper.quit)
		<-kept
	}()
}

// Routed queues what is to be archived of evs: the kinds that the options name,
// without those whose sender asked not to (<marti archive="false">). It never
// waits; what finds the queue full is counted and reported. The slice is the
// caller's; the events must not change any more.
func (a *Archive) Routed(evs []*hostapi.Event) {
	if !a.off {
		a.q.put(evs)
	}
}

// SetQueue changes how many events and bytes may wait for the database. What waits
// already is stored, also if it is more.
func (a *Archive) SetQueue(events int, bytes int64) { a.q.bound(events, bytes) }

// Flush waits until everything queued before the call is committed, or given up
// as Stats tells.
func (a *Archive) Flush(ctx context.Context) error {
	if err := a.q.flush(ctx); err != nil {
		return fmt.Errorf("flush the archive: %w", err)
	}
	return nil
}

// Close stores what is queued and ends the goroutines. When ctx ends first, the
// rest is given up and the error tells how much that was. Events that come
// later are dropped; queries still work.
func (a *Archive) Close(ctx context.Context) error {
	a.q.close()
	select {
	case <-a.stopped:
	case <-ctx.Done():
		a.once.Do(func() {
			close(a.abort)
			a.db.abort()
		})
		<-a.stopped
	}
	a.met.unregister()
	a.setState(func(c *condition) { c.closed = true })
	if lost := a.q.stats().drops[dropClosed]; lost > 0 && ctx.Err() != nil {
		return &Error{Code: Unavailable, Msg: fmt.Sprintf("close the archive: %d events could not be stored in time", lost), Err: ctx.Err()}
	}
	return nil
}

// Stats tells how the archive fares. It does not ask the database.
func (a *Archive) Stats() Stats {
	q := a.q.stats()
	s := Stats{
		Queued: q.events, QueuedBytes: q.bytes,
		DroppedFull: q.drops[dropFull], DroppedDisk: q.drops[dropDisk], DroppedRefused: q.drops[dropRefused],
	}
	for _, n := range q.drops {
		s.Dropped += n
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s.Events, s.Bytes, s.Oldest = a.hours.events, a.hours.bytes, a.hours.oldest
	s.State, s.Since = a.cond.name(), a.cond.since
	if a.off && s.State == stateOK {
		s.State = stateOff
	}
	return s
}
