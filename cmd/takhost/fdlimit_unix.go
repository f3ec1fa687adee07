//go:build unix

package main

import "syscall"

// openFiles gives how many files and sockets the process may have open; ok is
// false when that is not known. Go has raised the soft limit to the hard one
// at the start.
func openFiles() (n uint64, ok bool) {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return 0, false
	}
	return uint64(lim.Cur), true
}
