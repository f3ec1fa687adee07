package wasm

import (
	"sync/atomic"

	"github.com/tetratelabs/wazero/experimental"
)

// pageSize is that of WebAssembly, in bytes.
const pageSize = 64 << 10

// linear is the linear memory of one instance. Where the system can, it is a
// mapping of its own outside of Go's heap: it grows without a copy, what the
// guest never touched takes nothing, and it is back the moment the instance
// ends. Only the goroutine of the instance's call uses it, but for size.
type linear struct {
	limit   uint64 // bytes
	whole   []byte // the mapping; nil: the memory is on Go's heap
	buf     []byte
	size    atomic.Int64
	refused bool // the guest asked for more than the limit, in this call
}

var _ experimental.MemoryAllocator = (*linear)(nil)

// Allocate is called once, when the instance is made. most is what the module
// itself allows.
func (l *linear) Allocate(_, most uint64) experimental.LinearMemory {
	l.whole = reserve(min(most, l.limit))
	return l
}

// Reallocate gives the memory with n bytes, or nil when that is too much.
func (l *linear) Reallocate(n uint64) []byte {
	switch {
	case n > l.limit:
		l.refused = true
		return nil
	case l.whole != nil:
		if n > uint64(len(l.whole)) {
			return nil
		}
		l.buf = l.whole[:n]
	case n > uint64(cap(l.buf)):
		grown := make([]byte, n)
		copy(grown, l.buf)
		l.buf = grown
	default:
		l.buf = l.buf[:n]
	}
	l.size.Store(int64(n))
	return l.buf
}

// Free gives the memory back. Nothing may read it afterwards: that would be a
// fault that ends the server.
func (l *linear) Free() {
	release(l.whole)
	l.whole, l.buf = nil, nil
	l.size.Store(0)
}
