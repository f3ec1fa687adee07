//go:build linux || darwin

package main

import (
	"errors"
	"syscall"
)

// freeSpace asks for what users who are not root may still write.
func freeSpace(folder string) (percent float64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return 0, err
	}
	if s.Blocks == 0 {
		return 0, errors.New("it has no size")
	}
	return 100 * float64(s.Bavail) / float64(s.Blocks), nil
}
