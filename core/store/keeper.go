package store

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	checkEvery  = 200 * time.Millisecond // between two looks at the length of the log
	syncTicks   = 5                      // of checkEvery: what a power cut may cost
	reportEvery = 10 * time.Second       // between two lines about dropped events
	reportFirst = 100 * time.Millisecond

	// Below lowPercent of free disk archiving stops; above okPercent it goes on.
	lowPercent = 5
	okPercent  = 6
)

// keeper does what must not hold the writer up: syncing the log of the SQLite
// file and copying it into the file, watching the free disk space, reporting
// dropped events. The last is not done where events are dropped, as a log may
// block.
type keeper struct {
	a        *Archive
	freeDisk func(dir string) (free, total uint64, err error)
	every    time.Duration

	check *checkpointer // nil with PostgreSQL
	dirty chan struct{} // capacity 1; something was written for the first time since a sync
	wrote atomic.Bool   // something was written since the last sync
	pages atomic.Int64  // by how much the log has grown since it was looked at, about
	quit  chan struct{}

	reported   [dropReasons]uint64
	diskFailed bool
}

func newKeeper(a *Archive, opt Options) (k *keeper, err error) {
	k = &keeper{a: a, freeDisk: opt.FreeDisk, every: opt.test.diskEvery, dirty: make(chan struct{}, 1), quit: make(chan struct{})}
	if a.db.sqlite {
		k.check, err = newCheckpointer(a.db.path)
	}
	return k, err
}

// close ends the connection of its own.
func (k *keeper) close() {
	if k.check != nil {
		_ = k.check.db.Close() // nothing is under way there
	}
}

// written is called after each commit of so many bytes of events. It wakes the
// keeper once between two syncs only.
func (k *keeper) written(bytes int64) {
	if !k.a.db.sqlite {
		return
	}
	k.pages.Add(10 + bytes/2048) // index pages of a small batch; twice the bytes of a large one
	if k.wrote.CompareAndSwap(false, true) {
		poke(k.dirty)
	}
}

// run works until quit is closed.
func (k *keeper) run() {
	var disk, tick, report <-chan time.Time
	if k.a.db.sqlite {
		t := time.NewTicker(k.every)
		defer t.Stop()
		disk = t.C
	}
	check := time.NewTicker(time.Hour) // ticks while there is something to sync
	check.Stop()
	ticks := 0
	var lastReport time.Time
	for {
		select {
		case <-k.dirty:
			if tick == nil {
				check.Reset(checkEvery)
				tick, ticks = check.C, 0
			}
		case <-tick:
			if k.pages.Load() >= checkpointPages/4 {
				k.pages.Store(0)
				k.copyLog()
			}
			if ticks++; ticks < syncTicks {
				continue
			}
			ticks = 0
			if k.wrote.Swap(false) {
				k.sync()
			} else {
				check.Stop()
				tick = nil
			}
		case <-disk:
			k.checkDisk()
		case <-k.a.q.dropped:
			if report == nil {
				report = time.After(max(reportFirst, reportEvery-time.Since(lastReport)))
			}
		case <-report:
			report, lastReport = nil, time.Now()
			k.report()
		case <-k.quit:
			check.Stop()
			if k.a.db.sqlite {
				k.sync()
			}
			k.close()
			k.report()
			return
		}
	}
}

// sync makes the log durable. SQLite does so itself only when it copies the log
// into the file (synchronous=NORMAL). Opening the log anew each time is right:
// no lock hangs on this file, and SQLite may have replaced it.
func (k *keeper) sync() {
	if err := syncFile(k.a.db.path + "-wal"); err != nil {
		k.a.log.Warn("archive log not synced to disk", "error", err)
	}
}

// copyLog copies the log into the file when it has grown long, but for its end.
func (k *keeper) copyLog() {
	done, err := k.check.run(context.Background())
	if err != nil {
		k.a.log.Warn("archive log not copied into its file, tried again later", "error", err)
	}
	if done {
		k.a.finish.Store(true)
		poke(k.a.q.wake)
	}
}

// report says how many events were dropped since the last time.
func (k *keeper) report() {
	drops := k.a.q.stats().drops
	for why, n := range drops {
		if lost := n - k.reported[why]; lost > 0 {
			k.a.log.Warn("events not archived", "reason", dropNames[why], "events", lost, "since start", n)
		}
	}
	k.reported = drops
}

// checkDisk stops archiving while the disk is nearly full. Retention goes on,
// as it makes room.
func (k *keeper) checkDisk() {
	if !k.a.db.sqlite {
		return
	}
	free, total, err := k.freeDisk(k.a.dir)
	if err != nil || total == 0 {
		if !k.diskFailed {
			k.a.log.Warn("free disk space unknown", "folder", k.a.dir, "error", err)
		}
		k.diskFailed = true
		return
	}
	k.diskFailed = false
	percent := float64(free) / float64(total) * 100
	var now bool
	before := k.a.setState(func(c *condition) {
		c.low = percent < lowPercent || c.low && percent <= okPercent
		now = c.low
	})
	if now == before.low {
		return
	}
	k.a.q.pause(now)
	if now {
		k.a.log.Error("disk nearly full, archiving stopped: free space on it, or lower archive.max or archive.keep; archiving goes on above 6 % free",
			"folder", k.a.dir, "free", free, "total", total)
		return
	}
	k.a.log.Info("disk has room again, archiving goes on", "folder", k.a.dir, "free", free, "total", total)
}
