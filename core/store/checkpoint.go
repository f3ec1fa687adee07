package store

import (
	"context"
	"database/sql"
	"fmt"
)

const (
	// From checkpointPages on (4 KiB each), what stands in the log is copied into
	// the file. An index page changed by many batches is then copied once.
	checkpointPages = 8000

	// checkpointTail is small enough for the writer to copy between two batches;
	// checkpointTries is how often it is tried to get there.
	checkpointTail  = 500
	checkpointTries = 8
)

// checkpointer copies the log of the SQLite archive into its file. The writer
// would do that at the end of a commit and keep events waiting meanwhile, for
// seconds on a memory card. So the keeper does, on a connection of its own and
// beside the writer. The log begins anew only when nothing is left in it, which
// never happens under constant load: the last few pages are the writer's.
type checkpointer struct {
	db *sql.DB
}

func newCheckpointer(path string) (*checkpointer, error) {
	f := archiveFile(nil)
	db, err := sql.Open("sqlite", f.dsn(path))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	return &checkpointer{db: db}, nil
}

// run copies when there is enough to copy. done says that the writer should
// copy the rest.
func (c *checkpointer) run(ctx context.Context) (done bool, err error) {
	left, err := checkpoint(ctx, c.db, "NOOP")
	if err != nil || left < checkpointPages {
		return false, err
	}
	for range checkpointTries {
		if left, err = checkpoint(ctx, c.db, "PASSIVE"); err != nil {
			return false, err
		}
		if left < checkpointTail {
			break
		}
	}
	return true, nil
}

// checkpoint runs one checkpoint in a mode of SQLite's and tells how many pages
// are left in the log.
func checkpoint(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, mode string) (left int, err error) {
	var busy, log, copied int
	if err := db.QueryRowContext(ctx, "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &log, &copied); err != nil {
		return 0, fmt.Errorf("checkpoint of the archive: %w", err)
	}
	return log - copied, nil
}
