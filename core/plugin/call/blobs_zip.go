package call

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path"
	"time"

	"github.com/takhost/takhost/core/plugin/blobzip"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

const (
	// zipsAtOnce bounds how many archives are read at a time: the list of one may
	// take some 30 MB.
	zipsAtOnce = 2

	// zipMargin is left of a call's time, so that the guest learns that there was too
	// little of it.
	zipMargin = 100 * time.Millisecond
)

// zipTurn waits until another archive may be read, and bounds how long that takes.
func (c *Call) zipTurn(ctx context.Context) (context.Context, func(), error) {
	cancel := context.CancelFunc(func() {})
	if deadline, ok := ctx.Deadline(); ok {
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-zipMargin))
	}
	e := c.p.env
	e.zipOnce.Do(func() { e.zips = make(chan struct{}, zipsAtOnce) })
	select {
	case e.zips <- struct{}{}:
		return ctx, func() { <-e.zips; cancel() }, nil
	case <-ctx.Done():
		cancel()
		return ctx, nil, ctx.Err()
	}
}

// archive opens a file as a zip archive.
func (c *Call) archive(ctx context.Context, op hostapi.HostOp, hash string) (*blobzip.Archive, io.Closer, error) {
	r, err := c.p.env.Blobs.Open(ctx, hash)
	if err != nil {
		return nil, nil, err
	}
	a, err := blobzip.Open(&contextReaderAt{ctx, r}, r.Size, blobzip.Default)
	if err != nil {
		return nil, nil, errors.Join(zipFault(op, err), r.Close())
	}
	return a, r, nil
}

// zipFault tells a guest why an archive is refused.
func zipFault(op hostapi.HostOp, err error) error {
	var e *blobzip.Error
	if !errors.As(err, &e) {
		return err
	}
	s := &StatusError{Status: hostapi.Invalid, Code: e.Code, Message: op.String() + ": " + e.Msg, Err: e.Err}
	if e.Code == blobzip.NotThere {
		s.Status = hostapi.NotFound
	}
	return s
}

func (c *Call) zipList(ctx context.Context, in, dst []byte) ([]byte, error) {
	const op = hostapi.HostBlobZipList
	var m wire.BlobRef
	if err := decode(op, in, &m); err != nil {
		return dst, err
	}
	ctx, done, err := c.zipTurn(ctx)
	if err != nil {
		return dst, err
	}
	defer done()
	a, r, err := c.archive(ctx, op, m.Hash)
	if err != nil {
		return dst, err
	}
	defer r.Close()
	answer := wire.ZipEntries{Entries: make([]wire.ZipEntry, len(a.Entries))}
	for i, e := range a.Entries {
		answer.Entries[i] = wire.ZipEntry{Name: e.Name, Size: e.Size}
	}
	return answer.Append(dst), nil
}

func (c *Call) zipEntry(ctx context.Context, in, dst []byte) ([]byte, error) {
	const op = hostapi.HostBlobZipEntry
	var m wire.ZipEntryRequest
	if err := decode(op, in, &m); err != nil {
		return dst, err
	}
	ctx, done, err := c.zipTurn(ctx)
	if err != nil {
		return dst, err
	}
	defer done()
	a, r, err := c.archive(ctx, op, m.Hash)
	if err != nil {
		return dst, err
	}
	defer r.Close()
	file, size, err := a.Open(m.Name)
	if err != nil {
		return dst, zipFault(op, err)
	}
	defer file.Close()
	if err := c.writes(op, size); err != nil {
		return dst, err
	}
	b, err := c.p.env.Blobs.Put(ctx, file, store.BlobSpec{Name: path.Base(m.Name), Max: c.p.owner.BlobQuota, Size: size, Hold: c.holding()})
	if err != nil {
		return dst, zipFault(op, err)
	}
	return appendRef(dst, b), nil
}

func (c *Call) pack(ctx context.Context, in, dst []byte) ([]byte, error) {
	const op = hostapi.HostBlobPack
	var m wire.BlobPack
	if err := decode(op, in, &m); err != nil {
		return dst, err
	}
	ctx, done, err := c.zipTurn(ctx)
	if err != nil {
		return dst, err
	}
	defer done()
	limits := blobzip.Default
	if q := c.p.owner.BlobQuota; q > 0 {
		limits.Total = min(limits.Total, q)
	}
	if len(m.Entries) > limits.Entries { // before each is looked for
		return dst, beyond(op, "%d files, at most %d are possible", len(m.Entries), limits.Entries)
	}
	files := make([]blobzip.File, len(m.Entries))
	total := int64(0)
	for i := range m.Entries {
		if files[i], err = c.packed(ctx, &m.Entries[i]); err != nil {
			return dst, err
		}
		total += files[i].Size
	}
	if err := limits.Check(files); err != nil {
		return dst, zipFault(op, err)
	}
	if err := c.writes(op, total); err != nil {
		return dst, err
	}
	w, err := c.p.env.Blobs.Create(store.BlobSpec{
		ContentType: "application/zip", Name: m.Name, Max: c.p.owner.BlobQuota, Size: total, Hold: c.holding(),
	})
	if err != nil {
		return dst, err
	}
	defer w.Drop()
	if err := blobzip.Pack(&contextWriter{ctx, w}, files); err != nil {
		return dst, err
	}
	b, err := w.Keep(ctx)
	if err != nil {
		return dst, err
	}
	return appendRef(dst, b), nil
}

// packed is one file of an archive to be made. Its data are the guest's memory,
// which stands while the operation lasts.
func (c *Call) packed(ctx context.Context, e *wire.PackEntry) (blobzip.File, error) {
	if e.Hash == "" {
		return blobzip.File{Name: e.Name, Size: int64(len(e.Data)), Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(e.Data)), nil
		}}, nil
	}
	if len(e.Data) > 0 {
		return blobzip.File{}, invalid(hostapi.HostBlobPack, "%s is a file of the store and bytes at once", show(e.Name))
	}
	b, err := c.p.env.Blobs.Stat(ctx, e.Hash)
	if err != nil {
		return blobzip.File{}, err
	}
	return blobzip.File{Name: e.Name, Size: b.Size, Open: func() (io.ReadCloser, error) { return c.p.env.Blobs.Open(ctx, e.Hash) }}, nil
}

// contextReaderAt and contextWriter end with the time of the call.
type contextReaderAt struct {
	ctx context.Context
	r   io.ReaderAt
}

func (r *contextReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.ReadAt(p, off)
}

type contextWriter struct {
	ctx context.Context
	w   io.Writer
}

func (w *contextWriter) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.w.Write(p)
}
