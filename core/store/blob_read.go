package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// BlobReader reads a file of the store. Any number may read one at once, and go
// on when it is removed meanwhile. It must be closed.
type BlobReader struct {
	Blob
	modified time.Time
	*os.File
	done func()
}

var (
	_ io.ReaderAt       = (*BlobReader)(nil)
	_ io.ReadSeekCloser = (*BlobReader)(nil)
)

// Modified tells when the file came.
func (r *BlobReader) Modified() time.Time { return r.modified }

// Close implements io.Closer.
func (r *BlobReader) Close() error {
	err := r.File.Close()
	if err == nil || !errors.Is(err, fs.ErrClosed) {
		r.done()
	}
	return err
}

// Open opens a file; the caller closes it. The error has the code not_found when
// there is none.
func (b *Blobs) Open(ctx context.Context, hash string) (*BlobReader, error) {
	r, err := b.open(ctx, hash)
	if errors.Is(err, fs.ErrNotExist) {
		err = noBlob(hash)
	}
	if err != nil {
		return nil, fmt.Errorf("open a file: %w", err)
	}
	return r, nil
}

func (b *Blobs) open(ctx context.Context, hash string) (*BlobReader, error) {
	path, err := b.files.path(hash)
	if err != nil {
		return nil, err
	}
	blob, err := b.plugins.blob(ctx, hash)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.Size() != blob.Size:
		err = fmt.Errorf("file %s has %d bytes, it should have %d: it is damaged", hash, info.Size(), blob.Size)
	default:
		b.plugins.holds.read(hash)
		return &BlobReader{blob, info.ModTime(), f, func() { b.plugins.holds.unread(hash) }}, nil
	}
	return nil, errors.Join(err, f.Close())
}

// dirThere gives a folder, or the one above as long as it is not there.
func dirThere(dir string) string {
	if _, err := os.Stat(dir); err != nil {
		return filepath.Dir(dir)
	}
	return dir
}
