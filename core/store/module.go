package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// moduleRef is the reference of the server itself to the package of a plugin: in
// the place of a plugin's name there is none.
var moduleRef = refKey{owner: "module"}

// PutModule stores a file of up to max bytes under the SHA-256 of its content, in
// lower-case hexadecimal digits; it stays until RemoveModule. When it returns
// without an error, the file survives a power cut. What is larger is refused with
// the code limit.
func (s *Store) PutModule(ctx context.Context, r io.Reader, max int64) (sha256 string, size int64, err error) {
	sha256, size, err = s.blobs.putModule(ctx, r, max)
	if err != nil {
		return "", 0, fmt.Errorf("store module: %w", err)
	}
	return sha256, size, nil
}

func (b *Blobs) putModule(ctx context.Context, r io.Reader, max int64) (sum string, size int64, err error) {
	h, err := b.files.create()
	if err != nil {
		return "", 0, err
	}
	defer h.drop()
	if size, err = io.Copy(h, io.LimitReader(&contextReader{ctx, r}, max+1)); err != nil {
		return "", 0, err
	}
	if size > max {
		return "", 0, &Error{Code: Limit, Msg: fmt.Sprintf("it is larger than %d bytes", max), Err: ErrTooLarge}
	}
	if sum, err = h.finish(); err != nil {
		return "", 0, err
	}
	err = b.changeModule(ctx, sum, func(row *blobRow, has bool) *Blob {
		if !row.there {
			row.Hash, row.Size = sum, size
			row.there, row.fresh = true, true
		}
		if !has {
			row.refs++
		}
		return &row.Blob
	})
	if err != nil {
		return "", 0, err
	}
	// One that is there already, perhaps damaged, is replaced.
	return sum, size, h.name(sum)
}

// changeModule changes the row of a file and whether the server keeps it for a
// plugin.
func (b *Blobs) changeModule(ctx context.Context, sum string, change func(row *blobRow, has bool) *Blob) error {
	return b.plugins.change(ctx, "enter the package of a plugin", func(t *stateTx) error {
		g := newGroup(t)
		key, ref := ownedName{moduleRef.plugin, sum}, moduleRef
		ref.hash = sum
		g.blobs.rows[sum], g.blobs.refs[key] = &blobRow{}, map[string]Blob{}
		if err := g.loadBlobs(); err != nil {
			return err
		}
		row := g.blobs.rows[sum]
		_, has := g.blobs.refs[key][ref.owner]
		g.blobs.changes[ref] = change(row, has)
		row.changed = true
		t.after = append(t.after, func() { t.p.countBlobs(g) })
		return g.writeBlobs()
	})
}

// contextReader stops reading when its context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}

// OpenModule opens a file that PutModule stored; the caller closes it, and makes
// sure of its content if that matters.
func (s *Store) OpenModule(sha256 string) (*os.File, error) {
	path, err := s.blobs.files.path(sha256)
	if err != nil {
		return nil, fmt.Errorf("open module: %w", err)
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = &Error{Code: NotFound, Err: err}
	}
	if err != nil {
		return nil, fmt.Errorf("open module: %w", err)
	}
	return f, nil
}

// RemoveModule removes one, unless somebody uploaded the same file; one that is
// not there is no error.
func (s *Store) RemoveModule(sha256 string) error {
	if err := s.blobs.removeModule(sha256); err != nil {
		return fmt.Errorf("remove module: %w", err)
	}
	return nil
}

func (b *Blobs) removeModule(sum string) error {
	if _, err := b.files.path(sum); err != nil {
		return err
	}
	ctx := context.Background()
	known := false
	err := b.plugins.list(ctx, func() { known = false }, "SELECT 1 FROM blobs WHERE hash = ?", []any{sum}, func(rows *sql.Rows) error {
		known = true
		return nil
	})
	if err != nil {
		return err
	}
	if !known { // of a version that did not enter them
		return errors.Join(b.files.setAside(sum), b.files.removeAside(sum))
	}
	err = b.changeModule(ctx, sum, func(row *blobRow, has bool) *Blob {
		if has {
			row.refs--
		}
		return nil
	})
	if err == nil {
		_, err = b.remove(ctx, []string{sum}, b.isOld)
	}
	return err
}
