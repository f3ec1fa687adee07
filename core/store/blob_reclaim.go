package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	reclaimWait  = 10 * time.Second // an upload waits so long at most while others' files are removed
	reclaimFiles = 10_000           // that are looked at for it
)

// makeRoom promises n bytes more, of which ahead are not on the disk yet. When room
// is short, files that nobody keeps, and that no call or reader has, go at once, the
// oldest first; but none, if all of them would not do.
func (b *Blobs) makeRoom(n, ahead int64) error {
	var short *shortage
	err := b.plugins.room.promise(n, ahead, b.diskRoom)
	if !errors.As(err, &short) || short.hopeless {
		return err
	}
	b.reclaims.Lock()
	defer b.reclaims.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), reclaimWait)
	defer cancel()
	for {
		err := b.plugins.room.promise(n, ahead, b.diskRoom)
		if !errors.As(err, &short) || short.hopeless {
			return err
		}
		removed, rerr := b.reclaim(ctx, short.missing)
		if rerr != nil {
			return errors.Join(err, fmt.Errorf("make room: %w", rerr))
		}
		if removed == 0 {
			return err
		}
		b.log.Info("files that nobody keeps removed, as room for others was short", "files", removed)
	}
}

// reclaim removes files that have so many bytes together, or none if there are not
// as many.
func (b *Blobs) reclaim(ctx context.Context, missing int64) (files int, err error) {
	var hashes []string
	var bytes int64
	err = b.plugins.list(ctx, func() { hashes, bytes = nil, 0 }, "SELECT hash, size FROM blobs WHERE refs = 0 ORDER BY touched, hash LIMIT ?",
		[]any{reclaimFiles}, func(rows *sql.Rows) error {
			var hash string
			var size int64
			err := rows.Scan(&hash, &size)
			if err == nil && bytes < missing && b.plugins.holds.isLoose(hash) {
				hashes = append(hashes, hash)
				bytes += size
			}
			return err
		})
	if err != nil || bytes < missing {
		return 0, err
	}
	for part := range slices.Chunk(hashes, blobSweepFiles) {
		n, err := b.remove(ctx, part, b.isLoose)
		files += n
		if err != nil {
			return files, err
		}
	}
	return files, nil
}
