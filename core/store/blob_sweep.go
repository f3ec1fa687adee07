package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

const (
	blobSweepEvery = 5 * time.Minute
	blobSweepFiles = 16 // removed in one transaction: taking away large ones takes a while
)

func (b *Blobs) start(every time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	b.stop = cancel
	b.wait.Go(func() {
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			if _, err := b.Sweep(ctx); err != nil && ctx.Err() == nil {
				b.log.Warn("files that nobody keeps not removed, tried again later", "error", err)
			}
		}
	})
}

func (b *Blobs) close() {
	b.stop()
	b.wait.Wait()
	b.metrics.unregister()
}

// Sweep removes the files that nobody has kept for an hour, and tells how many.
// The store does so by itself every few minutes. When the clock has jumped, it
// removes nothing, as the clock could say of all that they are old.
func (b *Blobs) Sweep(ctx context.Context) (files int, err error) {
	right, changed := b.clock.check()
	if changed && !right {
		b.log.Warn("the clock of this machine jumped, files that nobody keeps are no longer removed: restart takhost when the clock is right",
			"jump", b.clock.skew().Round(time.Second))
	}
	for right && b.files.dir != "" {
		var hashes []string
		err := b.plugins.list(ctx, func() { hashes = nil }, "SELECT hash FROM blobs WHERE refs = 0 AND touched < ? ORDER BY touched, hash LIMIT ?",
			[]any{b.oldest(), blobSweepFiles}, func(rows *sql.Rows) error {
				var hash string
				err := rows.Scan(&hash)
				hashes = append(hashes, hash)
				return err
			})
		if err != nil || len(hashes) == 0 {
			return files, err
		}
		n, err := b.remove(ctx, hashes, b.isOld)
		files += n
		if err != nil || n == 0 {
			return files, err
		}
	}
	return files, nil
}

// oldest is before when a file that nobody keeps must have been touched to go.
func (b *Blobs) oldest() int64 { return b.clock.now().Add(-BlobTTL).UnixMicro() }

// remove removes those of the files that nobody keeps and that may go. They are set
// aside while the transaction holds everybody else up, and only removed when it is
// committed. Whoever writes one of them holds it before he enters it, which waits
// for the transaction: so either may sees the hold, or the writer enters it anew.
func (b *Blobs) remove(ctx context.Context, hashes []string, may func(*blobRow) bool) (files int, err error) {
	b.removes.Lock()
	defer b.removes.Unlock()
	var gone []string
	var bytes int64
	err = b.plugins.change(ctx, "remove files", func(t *stateTx) error {
		gone, bytes = nil, 0
		var rows []blobRow
		err := t.find(&selectBlobs, len(hashes), nameArgs(hashes), func(r *sql.Rows) error {
			row, err := scanBlob(r)
			if err == nil && row.refs == 0 && may(&row) {
				rows = append(rows, row)
			}
			return err
		})
		if err != nil {
			return err
		}
		for i := range rows {
			if err := b.files.setAside(rows[i].Hash); err != nil {
				return err
			}
			gone = append(gone, rows[i].Hash)
			bytes += rows[i].Size
		}
		return t.exec(&deleteBlobs, len(gone), nameArgs(gone))
	})
	if err != nil {
		for _, hash := range gone {
			err = errors.Join(err, b.files.putBack(hash))
		}
		return 0, err
	}
	b.metrics.swept.Add(float64(len(gone)))
	for _, hash := range gone {
		err = errors.Join(err, b.files.removeAside(hash))
	}
	b.plugins.room.change(-int64(len(gone)), -bytes, 0)
	return len(gone), err
}

// isOld says whether a file that nobody keeps may go in any case.
func (b *Blobs) isOld(r *blobRow) bool {
	return r.touched < b.oldest() && !b.plugins.holds.isHeld(r.Hash)
}

// isLoose says whether it may go when room is short.
func (b *Blobs) isLoose(r *blobRow) bool { return b.plugins.holds.isLoose(r.Hash) }
