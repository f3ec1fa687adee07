//go:build unix

package wasm

import (
	"fmt"
	"os"
	"syscall"
)

// mustBeOurs refuses a folder that others could put machine code into.
func mustBeOurs(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d: it must belong to the server's own, %d", dir, stat.Uid, os.Geteuid())
	}
	if info.Mode().Perm()&0o077 != 0 {
		return errShared(dir, info.Mode())
	}
	return nil
}
