//go:build !unix

package wasm

// reserve maps nothing here: the memory comes from Go's heap.
func reserve(uint64) []byte { return nil }

func release([]byte) {}
