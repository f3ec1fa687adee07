package hostapi

import "iter"

// Batch is what a plugin gets to handle in one call: events in the order of
// their arrival. Layout, numbers little-endian:
//
//	 0  u32  size of the batch in bytes, these included; a multiple of 8
//	 4  u16  version: 1
//	 6  u16  length of the header, 32 in this version
//	 8  u32  number of views
//	12  u32  attempt: 0 at first, 1 when the events are tried once more
//	16  u64  missed: events that this plugin was meant to have and that its full
//	         queue dropped, since the batch before
//	24  u64  number of the delivery; those of one plugin rise, also over a restart
//	         of the plugin. A second attempt has the number of the first
//	         views, one behind the other; each says its own size
//
// Views begin at multiples of 8 from the batch's first byte, and a guest's input
// buffer is at a multiple of 8, so that numbers can be read in place. All but
// the views may grow as the header of a View may.
//
// Methods accept any bytes and never panic.
type Batch []byte

const (
	batchVersion = 1
	batchHeader  = 32
)

// in gives the batch as a text if its header has n bytes at a place, and else
// an empty one.
func (b Batch) in(at, n int) string {
	s := text(b)
	if len(s) < 8 || le16(s, 4) != batchVersion || at+n > int(le16(s, 6)) || at+n > len(s) {
		return ""
	}
	return s
}

func (b Batch) u64(at int) uint64 {
	if s := b.in(at, 8); s != "" {
		return le64(s, at)
	}
	return 0
}

// Len counts the views. A batch of other bytes than a host's may hold fewer.
func (b Batch) Len() int {
	if s := b.in(8, 4); s != "" {
		return int(le32(s, 8))
	}
	return 0
}

// Attempt is 0 for events that come for the first time.
func (b Batch) Attempt() int {
	if s := b.in(12, 4); s != "" {
		return int(le32(s, 12))
	}
	return 0
}

// Missed counts the events that a full queue dropped since the batch before.
func (b Batch) Missed() uint64 { return b.u64(16) }

// Delivery is the number of the delivery.
func (b Batch) Delivery() uint64 { return b.u64(24) }

// All goes over the views with their numbers, 0 first.
func (b Batch) All() iter.Seq2[int, View] {
	return func(yield func(int, View) bool) {
		s := b.in(0, 8)
		if s == "" {
			return
		}
		size, head := uint64(le32(s, 0)), uint64(le16(s, 6))
		if size > uint64(len(s)) || head > size {
			return
		}
		rest := b[head:size]
		for i := range b.Len() {
			v, more, ok := FirstView(rest)
			if !ok || !yield(i, v) {
				return
			}
			rest = more
		}
	}
}

// BatchWriter makes batches, one after the other, in memory that it keeps. It
// serves one goroutine. The zero BatchWriter is ready.
type BatchWriter struct {
	view ViewWriter
	buf  []byte
	n    int
}

// Reset begins a new batch. What Bytes gave before must no longer be in use.
func (w *BatchWriter) Reset() {
	w.buf = extend(w.buf[:0], batchHeader)
	w.n = 0
}

// Add appends an event, with the subscriptions that chose it (see
// View.SetMatched).
func (w *BatchWriter) Add(e *Event, want DetailWant, matched uint32) {
	if len(w.buf) == 0 {
		w.Reset()
	}
	from := len(w.buf)
	w.buf = w.view.Append(w.buf, e, want)
	View(w.buf[from:]).SetMatched(matched)
	w.n++
}

// AddView appends a view made before.
func (w *BatchWriter) AddView(v View) {
	if len(w.buf) == 0 {
		w.Reset()
	}
	w.buf = append(w.buf, v...)
	w.n++
}

// Len counts the events added since Reset.
func (w *BatchWriter) Len() int { return w.n }

// Size is how many bytes the batch has by now.
func (w *BatchWriter) Size() int { return max(len(w.buf), batchHeader) }

// Bytes gives the batch. It is good until the next Reset.
func (w *BatchWriter) Bytes(delivery, missed uint64, attempt int) Batch {
	if len(w.buf) == 0 {
		w.Reset()
	}
	put32(w.buf, uint32(len(w.buf)))
	put16(w.buf[4:], batchVersion)
	put16(w.buf[6:], batchHeader)
	put32(w.buf[8:], uint32(w.n))
	put32(w.buf[12:], uint32(attempt))
	put64(w.buf[16:], missed)
	put64(w.buf[24:], delivery)
	return w.buf
}
