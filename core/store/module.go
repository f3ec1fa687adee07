package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// modules keeps files under the hash of their content: blobs/ab/cdef… in the
// data folder. One is written beside its place, synced and then renamed, so what
// has a name of that form is whole.
type modules struct {
	dir string // empty: there is no data folder
}

// halfFile begins the name of a file that is being written.
const halfFile = ".part-"

var moduleName = regexp.MustCompile(`^[0-9a-f]{64}$`)

// newModules removes what a server that was killed left half written.
func newModules(dir string) (*modules, error) {
	if dir == "" {
		return &modules{}, nil
	}
	m := &modules{dir: filepath.Join(dir, "blobs")}
	files, err := os.ReadDir(m.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for half written files: %w", err)
	}
	for _, f := range files {
		if !strings.HasPrefix(f.Name(), halfFile) {
			continue
		}
		if err := os.Remove(filepath.Join(m.dir, f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("remove a half written file: %w", err)
		}
	}
	return m, nil
}

func (m *modules) path(sum string) (string, error) {
	switch {
	case m.dir == "":
		return "", invalidf("there is no data folder")
	case !moduleName.MatchString(sum):
		return "", invalidf("%.80q is no SHA-256 in lower-case hexadecimal digits", sum)
	}
	return filepath.Join(m.dir, sum[:2], sum[2:]), nil
}

// PutModule stores a file of up to max bytes under the SHA-256 of its content, in
// lower-case hexadecimal digits. When it returns without an error, the file
// survives a power cut. What is larger is refused with the code limit.
func (s *Store) PutModule(ctx context.Context, r io.Reader, max int64) (sha256 string, size int64, err error) {
	sha256, size, err = s.modules.put(ctx, r, max)
	if err != nil {
		return "", 0, fmt.Errorf("store module: %w", err)
	}
	return sha256, size, nil
}

func (m *modules) put(ctx context.Context, r io.Reader, max int64) (sum string, size int64, err error) {
	if m.dir == "" {
		return "", 0, invalidf("there is no data folder")
	}
	if err := makeDir(m.dir); err != nil {
		return "", 0, err
	}
	f, err := os.CreateTemp(m.dir, halfFile+"*") // mode 0600
	if err != nil {
		return "", 0, err
	}
	defer func() {
		_ = f.Close() // closed already unless err
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	h := sha256.New()
	size, err = io.Copy(io.MultiWriter(f, h), io.LimitReader(&contextReader{ctx, r}, max+1))
	if err != nil {
		return "", 0, err
	}
	if size > max {
		return "", 0, &Error{Code: Limit, Msg: fmt.Sprintf("it is larger than %d bytes", max)}
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return "", 0, err
	}
	sum = hex.EncodeToString(h.Sum(nil))
	to, err := m.path(sum)
	if err != nil {
		return "", 0, err
	}
	if err := makeDir(filepath.Dir(to)); err != nil {
		return "", 0, err
	}
	// One that is there already, perhaps damaged, is replaced.
	if err := os.Rename(f.Name(), to); err != nil {
		return "", 0, err
	}
	return sum, size, syncDir(filepath.Dir(to))
}

// makeDir makes a folder whose name survives a power cut.
func makeDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(dir))
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
	path, err := s.modules.path(sha256)
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

// RemoveModule removes one; one that is not there is no error.
func (s *Store) RemoveModule(sha256 string) error {
	path, err := s.modules.path(sha256)
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove module: %w", err)
	}
	return nil
}
