package run

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Files gives the files of answers. *store.Blobs is one.
type Files interface {
	Open(ctx context.Context, hash string) (*store.BlobReader, error)
	Stat(ctx context.Context, hash string) (store.Blob, error)
}

// Download is a file that is all of an answer, so that parts of it can be asked
// for.
type Download struct {
	*store.BlobReader
	FileName string // as which it is to be saved; empty: the plugin does not say
}

// files looks for the files of an answer before anything of it is sent.
func (a *Answer) findFiles(ctx context.Context) error {
	for i := range a.parts {
		p := a.parts[i].Blob
		if p == nil {
			continue
		}
		if a.from == nil {
			return &call.StatusError{Status: hostapi.Unsupported, Message: "this server keeps no files"}
		}
		if len(a.parts) == 1 {
			r, err := a.from.Open(ctx, p.Hash)
			if err != nil {
				return fmt.Errorf("answer with a file: %w", err)
			}
			a.File, a.Size = &Download{r, p.FileName}, r.Size
			return nil
		}
		b, err := a.from.Stat(ctx, p.Hash)
		if err != nil {
			return fmt.Errorf("answer with a file: %w", err)
		}
		if a.Size >= 0 {
			a.Size += b.Size
		}
	}
	return nil
}

// Close gives up what the answer holds.
func (a *Answer) Close() {
	if a.File != nil {
		_ = a.File.Close() // it was only read
	}
}

var copyBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// writeFile writes all of a file.
func (a *Answer) writeFile(ctx context.Context, w io.Writer, p *wire.BlobPart) error {
	var r io.Reader
	if a.File != nil {
		r = a.File
	} else {
		f, err := a.from.Open(ctx, p.Hash)
		if err != nil {
			return err
		}
		defer f.Close()
		r = f
	}
	buf := copyBuffers.Get().(*[32 << 10]byte)
	defer copyBuffers.Put(buf)
	// Not by the methods of either that copy at once: w has a deadline for each write.
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, buf[:])
	return err
}
