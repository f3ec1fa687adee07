package call

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Blobs keeps files. *store.Blobs is one.
type Blobs interface {
	Put(ctx context.Context, r io.Reader, spec store.BlobSpec) (store.Blob, error)
	Create(spec store.BlobSpec) (*store.BlobWriter, error)
	Open(ctx context.Context, hash string) (*store.BlobReader, error)
	Stat(ctx context.Context, hash string) (store.Blob, error)
	Hold() *store.Hold
}

// blob does the operations on files. The hash of a file is what lets a plugin read
// it: whoever takes one from a client asks first who may see it. Writing one is not
// staged, so a call that only reads may write what it answers with. Until the call has
// ended the file stays; then what nobody keeps stays an hour at most after a commit,
// see store.Hold, and goes at once with a call that is discarded.
func (c *Call) blob(ctx context.Context, op hostapi.HostOp, in, dst []byte) ([]byte, error) {
	if c.p.env.Blobs == nil {
		return dst, &StatusError{Status: hostapi.Unsupported, Message: op.String() + ": this server keeps no files"}
	}
	n := len(dst)
	dst, err := c.blobOp(ctx, op, in, dst)
	if err != nil {
		return dst[:n], blobFault(op, err)
	}
	return dst, nil
}

func (c *Call) blobOp(ctx context.Context, op hostapi.HostOp, in, dst []byte) ([]byte, error) {
	switch op {
	case hostapi.HostBlobPut:
		return c.blobPut(ctx, in, dst)
	case hostapi.HostBlobRead:
		return c.blobRead(ctx, in, dst)
	case hostapi.HostBlobStat:
		return c.blobStat(ctx, in, dst)
	case hostapi.HostBlobList:
		return c.blobList(ctx, in, dst)
	case hostapi.HostBlobKeep, hostapi.HostBlobRelease:
		return dst, c.blobKeep(ctx, op, in)
	case hostapi.HostBlobZipList:
		return c.zipList(ctx, in, dst)
	case hostapi.HostBlobZipEntry:
		return c.zipEntry(ctx, in, dst)
	case hostapi.HostBlobPack:
		return c.pack(ctx, in, dst)
	}
	return dst, notYet(op)
}

// blobFault gives errors about files their words.
func blobFault(op hostapi.HostOp, err error) error {
	var e *store.Error
	var refused *StatusError
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, store.ErrNoSpace):
		return &StatusError{Status: hostapi.Retry, Code: "no_space", Message: op.String() + ": the disk of the server has no room for files", Err: err}
	case errors.As(err, &e) && e.Msg != "" && e.Code != store.Unavailable:
		return &StatusError{Status: statusOfCode(e.Code), Message: op.String() + ": " + e.Msg, Err: err}
	}
	return err
}

// BlobRef gives a file as plugins see it.
func BlobRef(b store.Blob) wire.BlobRef {
	return wire.BlobRef{Hash: b.Hash, Size: b.Size, ContentType: b.ContentType, Name: b.Name}
}

func appendRef(dst []byte, b store.Blob) []byte {
	ref := BlobRef(b)
	return ref.Append(dst)
}

func (c *Call) blobPut(ctx context.Context, in, dst []byte) ([]byte, error) {
	const op = hostapi.HostBlobPut
	var m wire.BlobPut
	if err := decode(op, in, &m); err != nil {
		return dst, err
	}
	if len(m.Data) > hostapi.MaxBlobInline {
		return dst, beyond(op, "%d bytes, at most %d are possible", len(m.Data), hostapi.MaxBlobInline)
	}
	if err := c.writes(op, int64(len(m.Data))); err != nil {
		return dst, err
	}
	b, err := c.p.env.Blobs.Put(ctx, bytes.NewReader(m.Data), store.BlobSpec{
		ContentType: m.ContentType, Name: m.Name, Max: c.p.owner.BlobQuota, Size: int64(len(m.Data)), Hold: c.holding(),
	})
	if err != nil {
		return dst, err
	}
	return appendRef(dst, b), nil
}

func (c *Call) blobRead(ctx context.Context, in, dst []byte) ([]byte, error) {
	const op = hostapi.HostBlobRead
	var m wire.BlobRead
	if err := decode(op, in, &m); err != nil {
		return dst, err
	}
	switch {
	case m.Length > hostapi.MaxBlobRead:
		return dst, beyond(op, "%d bytes, at most %d are possible", m.Length, hostapi.MaxBlobRead)
	case m.Offset < 0:
		return dst, invalid(op, "the offset %d is below zero", m.Offset)
	}
	r, err := c.p.env.Blobs.Open(ctx, m.Hash)
	if err != nil {
		return dst, err
	}
	defer r.Close()
	want := min(int64(m.Length), max(r.Size-m.Offset, 0))
	n := len(dst)
	dst = append(dst, make([]byte, want)...)
	if _, err := r.ReadAt(dst[n:], m.Offset); err != nil && (want > 0 || !errors.Is(err, io.EOF)) {
		return dst[:n], err
	}
	return dst, nil
}

func (c *Call) blobStat(ctx context.Context, in, dst []byte) ([]byte, error) {
	var m wire.BlobRef
	if err := decode(hostapi.HostBlobStat, in, &m); err != nil {
		return dst, err
	}
	b, err := c.p.env.Blobs.Stat(ctx, m.Hash)
	if err != nil {
		return dst, err
	}
	return appendRef(dst, b), nil
}

func (c *Call) blobList(ctx context.Context, in, dst []byte) ([]byte, error) {
	var m wire.BlobOwner
	if err := decode(hostapi.HostBlobList, in, &m); err != nil {
		return dst, err
	}
	blobs, err := c.Work().KeptBlobs(ctx, &c.p.owner, m.Owner)
	if err != nil {
		return dst, err
	}
	answer := wire.BlobRefs{}
	for _, b := range blobs {
		answer.Blobs = append(answer.Blobs, BlobRef(b))
	}
	return answer.Append(dst), nil
}

func (c *Call) blobKeep(ctx context.Context, op hostapi.HostOp, in []byte) error {
	if err := c.stages(op); err != nil {
		return err
	}
	var m wire.BlobKeep
	if err := decode(op, in, &m); err != nil {
		return err
	}
	if op == hostapi.HostBlobRelease {
		return c.Work().ReleaseBlob(&c.p.owner, m.Owner, m.Hash)
	}
	if _, err := c.p.env.Blobs.Stat(ctx, m.Hash); err != nil {
		return err
	}
	return c.Work().KeepBlob(ctx, &c.p.owner, m.Owner, m.Hash)
}

// holding gives the Hold of the files that the call writes.
func (c *Call) holding() *store.Hold {
	if c.root.hold == nil {
		c.root.hold = c.p.env.Blobs.Hold()
	}
	return c.root.hold
}

// dropTime bounds the removal of what a call wrote that came to nothing.
const dropTime = 10 * time.Second

// dropFiles removes what the call wrote, unless it has ended well. What is left by an
// error goes an hour later.
func (c *Call) dropFiles() {
	if c.hold == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), dropTime)
	defer cancel()
	if err := c.hold.Drop(ctx); err != nil {
		c.p.env.Log.Warn("files of a call that failed not removed, they go later", "plugin", c.p.spec.Name, "error", err)
	}
	c.hold = nil
}

// looseShare is how much of what a plugin may keep it may write in an hour, kept
// or not: what nobody keeps stays an hour, and must not fill the disk.
const looseShare = 4

// written counts the bytes that a plugin has written in the hour since its first.
type written struct {
	mu    sync.Mutex
	since time.Time
	bytes int64
}

// writes books n bytes that the plugin is about to write.
func (c *Call) writes(op hostapi.HostOp, n int64) error {
	w, most, now := &c.p.acct.blobs, c.p.owner.BlobQuota, c.p.env.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if age := now.Sub(w.since); age < 0 || age >= store.BlobTTL {
		w.since, w.bytes = now, 0
	}
	if most > 0 && n > most {
		return beyond(op, "%d bytes, %d are granted", n, most)
	}
	if most > 0 && w.bytes+n > looseShare*most {
		return beyond(op, "the plugin has written %d bytes within an hour, which is %d times what it is granted to keep", w.bytes, looseShare)
	}
	w.bytes += n
	return nil
}
