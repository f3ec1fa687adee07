package store

import (
	"hash"
	"sync"
)

const (
	copyBuffer = 128 << 10

	// Hashing takes as long as reading and writing together. Of what is larger than
	// this it is done beside them, with so many buffers in turn.
	besideFrom  = 1 << 20
	besideCount = 3
)

type copyBytes = [copyBuffer]byte

var copyBuffers = sync.Pool{New: func() any { return new(copyBytes) }}

// besideHash gives the buffers of one copy, and hashes what was in them. It belongs to
// one goroutine; the hash is as it should be when end has returned.
type besideHash struct {
	hash  hash.Hash
	taken int64
	all   []*copyBytes    // that it has out of the pool
	free  chan *copyBytes // that may be filled
	full  chan []byte     // that are to be hashed; nil while it is done at once
	ended sync.WaitGroup
}

func newBesideHash(h hash.Hash) *besideHash {
	return &besideHash{hash: h, free: make(chan *copyBytes, besideCount)}
}

// buffer gives one to fill. It is the caller's until he asks for the next one or
// takes it.
func (b *besideHash) buffer() *copyBytes {
	select {
	case buf := <-b.free:
		return buf
	default:
	}
	if len(b.all) == besideCount {
		return <-b.free
	}
	buf := copyBuffers.Get().(*copyBytes)
	b.all = append(b.all, buf)
	return buf
}

// take hashes the first n bytes of a buffer, and has it free afterwards.
func (b *besideHash) take(buf *copyBytes, n int) {
	if b.taken += int64(n); b.taken < besideFrom {
		b.hash.Write(buf[:n])
		b.free <- buf
		return
	}
	if b.full == nil {
		b.full = make(chan []byte, besideCount)
		b.ended.Go(func() {
			for p := range b.full {
				b.hash.Write(p)
				b.free <- (*copyBytes)(p[:copyBuffer])
			}
		})
	}
	b.full <- buf[:n]
}

// end waits for the hash, and gives the buffers back.
func (b *besideHash) end() {
	if b.full != nil {
		close(b.full)
	}
	b.ended.Wait()
	for _, buf := range b.all {
		copyBuffers.Put(buf)
	}
}
