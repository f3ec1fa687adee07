//go:build unix

package store

import (
	"errors"

	"golang.org/x/sys/unix"
)

// freeDisk counts as df does: what root alone may use is neither free nor part
// of the total.
func freeDisk(dir string) (free, total uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	block := uint64(st.Bsize)
	free = uint64(st.Bavail) * block
	return free, (uint64(st.Blocks)-uint64(st.Bfree))*block + free, nil
}

// isDiskFull says whether a file could not be written for want of room.
func isDiskFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
