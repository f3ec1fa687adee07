package run

import (
	"context"
	"fmt"
	"io"

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

// findFiles looks for the files of an answer before anything of it is sent.
func (a *Answer) findFiles(ctx context.Context) error {
	for i := range a.parts {
		p := a.parts[i].Blob
		if p == nil {
			continue
		}
		a.OfFile, a.FileName = true, p.FileName
		if a.from == nil {
			return &call.StatusError{Status: hostapi.Unsupported, Message: "this server keeps no files"}
		}
		if len(a.parts) == 1 && isWhole(p) {
			r, err := a.from.Open(ctx, p.Hash)
			if err != nil {
				return fmt.Errorf("answer with a file: %w", err)
			}
			a.File, a.Size = r, r.Size
			return nil
		}
		b, err := a.from.Stat(ctx, p.Hash)
		if err != nil {
			return fmt.Errorf("answer with a file: %w", err)
		}
		n, err := pieceOf(p, b.Size)
		if err != nil {
			return err
		}
		if a.Size >= 0 {
			a.Size += n
		}
	}
	return nil
}

func isWhole(p *wire.BlobPart) bool { return p.Offset == 0 && p.Length == 0 }

// pieceOf gives how many bytes of a file of that size a part is.
func pieceOf(p *wire.BlobPart, size int64) (int64, error) {
	if p.Offset > size {
		return 0, &call.StatusError{Status: hostapi.Invalid, Message: fmt.Sprintf("the file has %d bytes: there are none from %d on", size, p.Offset)}
	}
	n := size - p.Offset
	if p.Length > 0 {
		n = min(n, p.Length)
	}
	return n, nil
}

// Close gives up what the answer holds.
func (a *Answer) Close() {
	if a.File != nil {
		_ = a.File.Close() // it was only read
	}
}

// writeFile writes a file, or a piece of one.
func (a *Answer) writeFile(ctx context.Context, w io.Writer, p *wire.BlobPart) error {
	f := a.File
	if f == nil {
		r, err := a.from.Open(ctx, p.Hash)
		if err != nil {
			return err
		}
		defer r.Close()
		f = r
	}
	n, err := pieceOf(p, f.Size)
	if err != nil {
		return err
	}
	if _, err := f.Seek(p.Offset, io.SeekStart); err != nil {
		return err
	}
	// The file itself, as the system can copy that to a connection.
	done, err := io.Copy(w, io.LimitReader(f.File, n))
	if err == nil && done < n {
		err = io.ErrUnexpectedEOF // somebody cut the file short meanwhile
	}
	return err
}
