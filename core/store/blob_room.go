package store

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// blobRoom is the account of the bytes of files. Those that are being written have
// their bytes promised before they come, so that no number of uploads at once goes
// beyond the quota; with the commit of its row a file's promise turns into bytes that
// are stored. Reading needs no lock.
type blobRoom struct {
	mu       sync.Mutex // guards promised, and is held for changes of the rest
	quota    atomic.Int64
	files    atomic.Int64 // stored
	bytes    atomic.Int64
	promised int64
}

const (
	// roomStep is how much is promised at once to a file whose size is not known.
	roomStep = 1 << 20

	// diskReserve, or lowPercent of a smaller disk, stays free: the databases must
	// go on.
	diskReserve = 2 << 30
	diskStep    = 16 << 20 // bytes written between two looks at quota and disk
)

// shortage is the error of a promise for which there is no room.
type shortage struct {
	missing  int64 // bytes that would have to go
	hopeless bool  // even all of them would not do
	error
}

func (s *shortage) Unwrap() error { return s.error }

// promise promises n bytes more, which can be none; ahead is what of that and of
// earlier promises is not on the disk yet. The error is a *shortage.
func (r *blobRoom) promise(n, ahead int64, disk func() (free, reserve int64, known bool)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	there := r.bytes.Load()
	if quota := r.quota.Load(); quota > 0 && n > quota-there-r.promised {
		err := &Error{Code: Limit, Msg: fmt.Sprintf("all files together may have %d bytes, and have %d", quota, there+r.promised)}
		return &shortage{n + r.promised + there - quota, n+r.promised > quota, err}
	}
	// Of others' promises the disk is not asked to hold anything: who announces much
	// and sends nothing would fill it for all. It is looked at again as they come.
	if free, reserve, known := disk(); known && free-reserve < ahead {
		return &shortage{ahead + reserve - free, false, noSpace(fmt.Errorf("%d bytes are free", free))}
	}
	r.promised += n
	return nil
}

// takeBack ends promises.
func (r *blobRoom) takeBack(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.promised -= n
}

func (r *blobRoom) promises() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.promised
}

// change counts files that were stored or removed, and ends the promises that were
// made for them.
func (r *blobRoom) change(files, bytes, promised int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files.Add(files)
	r.bytes.Add(bytes)
	r.promised -= promised
}

// diskRoom tells how many bytes the disk has, and how many of them must stay free.
// known is false when the disk does not say, or there is none: it reports itself
// when it is full.
func (b *Blobs) diskRoom() (free, reserve int64, known bool) {
	if b.files.dir == "" {
		return 0, 0, false
	}
	f, total, err := b.disk(dirThere(b.files.dir))
	if err != nil || total == 0 {
		return 0, 0, false
	}
	return int64(min(f, 1<<62)), int64(min(diskReserve, float64(total)*lowPercent/100)), true
}
