package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// blobFiles are the files under the hash of their content: blobs/ab/cdef… in the
// data folder. One is written beside its place, synced and then renamed, so what
// has a name of that form is whole.
type blobFiles struct {
	dir string // empty: there is no data folder
}

const (
	// halfFile begins the name of a file that is being written, or removed.
	halfFile = ".part-"
	goneFile = halfFile + "gone-"
)

var blobName = regexp.MustCompile(`^[0-9a-f]{64}$`)

// newBlobFiles removes what a server that was killed left half written.
func newBlobFiles(dir string) (*blobFiles, error) {
	if dir == "" {
		return &blobFiles{}, nil
	}
	s := &blobFiles{dir: filepath.Join(dir, "blobs")}
	files, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for half written files: %w", err)
	}
	for _, f := range files {
		if !strings.HasPrefix(f.Name(), halfFile) {
			continue
		}
		if err := os.Remove(filepath.Join(s.dir, f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("remove a half written file: %w", err)
		}
	}
	return s, nil
}

func (s *blobFiles) path(sum string) (string, error) {
	switch {
	case s.dir == "":
		return "", invalidf("there is no data folder")
	case !blobName.MatchString(sum):
		return "", invalidf("%.80q is no SHA-256 in lower-case hexadecimal digits", sum)
	}
	return filepath.Join(s.dir, sum[:2], sum[2:]), nil
}

// halfBlob is a file that is being written.
type halfBlob struct {
	files *blobFiles
	f     *os.File
	hash  hash.Hash
	size  int64
	flush int64 // up to here the system was told to write
}

// flushEvery is after how many bytes the system is told to begin with writing, so
// that the sync at the end does not find a large file all in memory.
const flushEvery = 8 << 20

func (s *blobFiles) create() (*halfBlob, error) {
	if s.dir == "" {
		return nil, invalidf("there is no data folder")
	}
	if err := makeDir(s.dir); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(s.dir, halfFile+"*") // mode 0600
	if err != nil {
		return nil, err
	}
	return &halfBlob{files: s, f: f, hash: sha256.New()}, nil
}

// Write implements io.Writer.
func (h *halfBlob) Write(p []byte) (int, error) {
	n, err := h.write(p)
	h.hash.Write(p[:n])
	return n, err
}

// write is Write without the hash.
func (h *halfBlob) write(p []byte) (int, error) {
	n, err := h.f.Write(p)
	h.size += int64(n)
	if h.size-h.flush >= flushEvery {
		beginFlush(h.f, h.flush, h.size-h.flush)
		h.flush = h.size
	}
	return n, err
}

// finish makes the content durable and gives its hash. The file has no name yet.
func (h *halfBlob) finish() (sum string, err error) {
	if err := errors.Join(h.f.Sync(), h.f.Close()); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.hash.Sum(nil)), nil
}

// name puts a finished file in its place.
func (h *halfBlob) name(sum string) error {
	to, err := h.files.path(sum)
	if err != nil {
		return err
	}
	dir := filepath.Dir(to)
	if err := makeDir(dir); err != nil {
		return err
	}
	if err := os.Rename(h.f.Name(), to); err != nil {
		return err
	}
	return syncDir(dir)
}

// drop removes what was written. It does no harm after name.
func (h *halfBlob) drop() {
	_ = h.f.Close() // mostly closed already
	_ = os.Remove(h.f.Name())
}

// setAside takes a file away from its place, undoably; one that is not there is
// no error.
func (s *blobFiles) setAside(sum string) error {
	from, err := s.path(sum)
	if err != nil {
		return err
	}
	if err := os.Rename(from, filepath.Join(s.dir, goneFile+sum)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s *blobFiles) putBack(sum string) error {
	to, err := s.path(sum)
	if err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(s.dir, goneFile+sum), to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// removeAside frees the room of a file that was set aside. Whoever reads it goes
// on reading.
func (s *blobFiles) removeAside(sum string) error {
	if err := os.Remove(filepath.Join(s.dir, goneFile+sum)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// isFile says whether a file of that size is there.
func isFile(path string, size int64) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular() && info.Size() == size
}

// makeDir makes a folder whose name survives a power cut.
func makeDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(dir)) // also of one that somebody else has just made
}
