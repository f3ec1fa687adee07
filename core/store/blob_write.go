package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"
)

// ErrTooLarge marks the error of code limit for a file that is larger than it may
// be; without it, all files together are.
var ErrTooLarge = errors.New("too large")

// ErrNoSpace marks the error of code unavailable for a disk that has no room.
var ErrNoSpace = errors.New("no space")

const (
	// diskReserve, or lowPercent of a smaller disk, stays free: the databases must
	// go on.
	diskReserve = 2 << 30
	diskStep    = 16 << 20 // bytes written between two looks at the disk

	copyBuffer = 32 << 10
	maxBlobTag = 512 // bytes of a name or content type
)

// BlobSpec says what is to be written.
type BlobSpec struct {
	ContentType string // what is longer than 512 bytes is cut, and so the name
	Name        string
	Max         int64 // bytes
	Size        int64 // as announced, so that what has no room is refused at once; 0: not known
}

// BlobWriter writes one file. Keep or Drop ends it. It belongs to one goroutine
// at a time.
type BlobWriter struct {
	b    *Blobs
	spec BlobSpec
	half *halfBlob
	sum  string // when it is finished
	step int64  // size at which the disk is looked at again
	err  error
	done bool
}

// Create begins a file.
func (b *Blobs) Create(spec BlobSpec) (*BlobWriter, error) {
	w := &BlobWriter{b: b, spec: spec}
	w.spec.ContentType, w.spec.Name = tag(spec.ContentType), tag(spec.Name)
	if spec.Max > 0 && spec.Size > spec.Max {
		return nil, w.fault(w.tooLarge())
	}
	if err := w.room(spec.Size); err != nil {
		return nil, w.fault(err)
	}
	var err error
	if w.half, err = b.files.create(); err != nil {
		return nil, w.fault(err)
	}
	return w, nil
}

// tag makes a text such as the database takes it.
func tag(s string) string {
	out := make([]byte, 0, min(len(s), maxBlobTag))
	for _, r := range s { // what is not UTF-8 is U+FFFD
		if r == 0 {
			r = utf8.RuneError
		}
		if len(out)+utf8.RuneLen(r) > maxBlobTag {
			break
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out)
}

func (w *BlobWriter) tooLarge() error {
	return &Error{Code: Limit, Msg: fmt.Sprintf("it is larger than %d bytes", w.spec.Max), Err: ErrTooLarge}
}

// room says whether n more bytes may be written.
func (w *BlobWriter) room(n int64) error {
	if quota := w.b.quota.Load(); quota > 0 {
		_, there := w.b.Total()
		if there+w.b.writing.Load()+n > quota {
			return &Error{Code: Limit, Msg: fmt.Sprintf("all files together may have %d bytes, and have %d", quota, there)}
		}
	}
	dir := w.b.files.dir
	if dir == "" {
		return nil
	}
	free, total, err := w.b.disk(dirThere(dir))
	if err != nil || total == 0 {
		return nil // the disk says itself when it is full
	}
	if float64(free) < float64(n)+min(diskReserve, float64(total)*lowPercent/100) {
		return noSpace(fmt.Errorf("%d bytes are free", free))
	}
	return nil
}

func noSpace(err error) error {
	return &Error{Code: Unavailable, Msg: "the disk of the server has no room for files", Err: errors.Join(ErrNoSpace, err)}
}

func (w *BlobWriter) fault(err error) error {
	if isDiskFull(err) {
		err = noSpace(err)
	}
	return fmt.Errorf("store a file: %w", err)
}

// Write implements io.Writer. After an error nothing more is taken.
func (w *BlobWriter) Write(p []byte) (n int, err error) {
	if w.err == nil && (w.done || w.sum != "") {
		w.err = w.fault(&Error{Code: Invalid, Msg: "it has ended"})
	}
	if w.err != nil {
		return 0, w.err
	}
	if w.spec.Max > 0 && w.half.size+int64(len(p)) > w.spec.Max {
		w.err = w.fault(w.tooLarge())
		return 0, w.err
	}
	if w.half.size+int64(len(p)) > w.step {
		if err := w.room(int64(len(p))); err != nil {
			w.err = w.fault(err)
			return 0, w.err
		}
		w.step = w.half.size + diskStep
	}
	n, err = w.half.Write(p)
	w.b.writing.Add(int64(n))
	if err != nil {
		w.err = w.fault(err)
	}
	return n, w.err
}

// Size tells how many bytes were written so far.
func (w *BlobWriter) Size() int64 { return w.half.size }

// Finish makes the content durable, though nobody finds it before Keep.
func (w *BlobWriter) Finish() (err error) {
	if w.err != nil || w.sum != "" {
		return w.err
	}
	if w.sum, err = w.half.finish(); err != nil {
		w.err = w.fault(err)
	}
	return w.err
}

// Keep makes it a file of the store. When it returns without an error, the file
// survives a power cut, and stays for an hour or as long as somebody keeps it.
func (w *BlobWriter) Keep(ctx context.Context) (Blob, error) {
	if err := w.Finish(); err != nil {
		return Blob{}, err
	}
	if w.done {
		return Blob{}, w.fault(&Error{Code: Invalid, Msg: "it has ended"})
	}
	defer w.Drop()
	blob := Blob{Hash: w.sum, Size: w.half.size, ContentType: w.spec.ContentType, Name: w.spec.Name}
	path, err := w.b.files.path(blob.Hash)
	if err != nil {
		return Blob{}, w.fault(err)
	}
	// The row is first: from its commit on the sweep leaves a file of this hash
	// alone, be it the one that is there already or this one.
	work := w.b.plugins.Begin()
	work.enter(blob)
	if _, err := work.Commit(ctx); err != nil {
		return Blob{}, w.fault(err)
	}
	if !isFile(path, blob.Size) {
		if err := w.half.name(blob.Hash); err != nil {
			return Blob{}, w.fault(err)
		}
	}
	w.b.metrics.written.Add(float64(blob.Size))
	return blob, nil
}

// Drop throws away what was written. It does nothing after Keep.
func (w *BlobWriter) Drop() {
	if w.done {
		return
	}
	w.done = true
	w.half.drop()
	w.b.writing.Add(-w.half.size)
}

// copyBuffers are for readers of files and uploads.
var copyBuffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}

// Put writes a file out of r. After an error nothing of it is left; an error of r
// is in its chain.
func (b *Blobs) Put(ctx context.Context, r io.Reader, spec BlobSpec) (Blob, error) {
	w, err := b.Create(spec)
	if err != nil {
		return Blob{}, err
	}
	defer w.Drop()
	if _, err := w.ReadFrom(&contextReader{ctx, r}); err != nil {
		return Blob{}, err
	}
	return w.Keep(ctx)
}

// ReadFrom implements io.ReaderFrom with little memory.
func (w *BlobWriter) ReadFrom(r io.Reader) (int64, error) {
	buf := copyBuffers.Get().(*[copyBuffer]byte)
	defer copyBuffers.Put(buf)
	before := w.half.size
	for {
		n, err := r.Read(buf[:])
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return w.half.size - before, werr
			}
		}
		if err == io.EOF {
			return w.half.size - before, nil
		}
		if err != nil {
			return w.half.size - before, fmt.Errorf("store a file: %w", err)
		}
	}
}
