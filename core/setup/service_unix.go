//go:build unix

package setup

import (
	"fmt"
	"os"
	"syscall"
)

func ownerOf(path string) (uid, gid int, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, 0, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, fmt.Errorf("%s: its owner is not known", path)
	}
	return int(st.Uid), int(st.Gid), nil
}
