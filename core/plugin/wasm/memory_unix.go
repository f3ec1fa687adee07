//go:build unix

package wasm

import (
	"math"
	"syscall"
)

// reserve maps n bytes of address space, of which the system gives memory as
// pages are written. Without them the memory comes from Go's heap.
func reserve(n uint64) []byte {
	if n == 0 || n > math.MaxInt {
		return nil
	}
	b, err := syscall.Mmap(-1, 0, int(n), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return nil
	}
	return b
}

func release(b []byte) {
	if b != nil {
		// The only error is that of an address that was never mapped.
		_ = syscall.Munmap(b)
	}
}
