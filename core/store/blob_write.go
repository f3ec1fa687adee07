package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// ErrTooLarge marks the error of code limit for a file that is larger than it may
// be; without it, all files together are.
var ErrTooLarge = errors.New("too large")

// ErrNoSpace marks the error of code unavailable for a disk that has no room.
var ErrNoSpace = errors.New("no space")

const maxBlobTag = 512 // bytes of a name or content type

// BlobSpec says what is to be written.
type BlobSpec struct {
	ContentType string // what is longer than 512 bytes is cut, and so the name
	Name        string
	Max         int64 // bytes
	Size        int64 // as announced, so that what has no room is refused at once; 0: not known
	Hold        *Hold // holds it from Keep on; nil: it has its grace, see graceTime
}

// BlobWriter writes one file. Keep or Drop ends it. It belongs to one goroutine
// at a time.
type BlobWriter struct {
	b    *Blobs
	spec BlobSpec
	half *halfBlob
	sum  string // when it is finished
	step int64  // size at which quota and disk are looked at again
	err  error
	done bool

	promised int64 // bytes, see blobRoom; a commit of its row takes them away
}

// Create begins a file.
func (b *Blobs) Create(spec BlobSpec) (*BlobWriter, error) {
	w := &BlobWriter{b: b, spec: spec}
	w.spec.ContentType, w.spec.Name = tag(spec.ContentType), tag(spec.Name)
	if spec.Max > 0 && spec.Size > spec.Max {
		return nil, w.fault(w.tooLarge())
	}
	size := max(spec.Size, 0)
	if err := b.makeRoom(size, size); err != nil {
		return nil, w.fault(err)
	}
	w.promised, w.step = size, diskStep
	var err error
	if w.half, err = b.files.create(); err != nil {
		b.plugins.room.takeBack(w.promised)
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

// room makes sure that there is room for n bytes that are about to be written.
func (w *BlobWriter) room(n int64) error {
	size := w.half.size + n
	need := size - w.promised
	if need <= 0 && size <= w.step {
		return nil
	}
	w.step = size + diskStep
	if need <= 0 {
		return w.b.makeRoom(0, w.promised-w.half.size)
	}
	if step := max(need, roomStep); w.b.plugins.room.promise(step, w.promised+step-w.half.size, w.b.diskRoom) == nil {
		w.promised += step
		return nil
	}
	if err := w.b.makeRoom(need, n); err != nil {
		return err
	}
	w.promised += need
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
	n, err = w.write(p)
	w.half.hash.Write(p[:n])
	return n, err
}

// write is Write without the hash.
func (w *BlobWriter) write(p []byte) (n int, err error) {
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
	if err := w.room(int64(len(p))); err != nil {
		w.err = w.fault(err)
		return 0, w.err
	}
	n, err = w.half.write(p)
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
	if n := w.promised - w.half.size; n > 0 { // less came than was announced
		w.b.plugins.room.takeBack(n)
		w.promised -= n
	}
	if err := w.b.makeRoom(0, 0); err != nil { // the quota may be another one by now
		w.err = w.fault(err)
		return w.err
	}
	if w.sum, err = w.half.finish(); err != nil {
		w.err = w.fault(err)
	}
	return w.err
}

// Keep makes it a file of the store. A file of the same content that is there already
// costs no room in the end, though both need theirs until then. When it returns without an error, the file
// survives a power cut, and stays as long as somebody keeps it, and as its Hold says.
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
	hold := w.spec.Hold
	if hold == nil {
		hold = w.b.Hold()
		defer hold.End()
	}
	hold.add(blob.Hash)
	work := w.b.plugins.Begin()
	work.enter(blob, w)
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
	w.b.plugins.room.takeBack(w.promised)
	w.promised = 0
}

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
	before := w.half.size
	sum := newBesideHash(w.half.hash)
	defer sum.end()
	for {
		buf := sum.buffer()
		n, err := r.Read(buf[:])
		_, werr := w.write(buf[:n])
		if werr != nil {
			return w.half.size - before, werr
		}
		sum.take(buf, n)
		if err == io.EOF {
			return w.half.size - before, nil
		}
		if err != nil {
			return w.half.size - before, fmt.Errorf("store a file: %w", err)
		}
	}
}
