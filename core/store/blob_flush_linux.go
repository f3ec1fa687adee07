package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// beginFlush has the system begin to write a part of a file, without waiting. An
// error is left to the sync that follows.
func beginFlush(f *os.File, from, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), from, n, unix.SYNC_FILE_RANGE_WRITE)
}
