package blobzip

import (
	"archive/zip"
	"compress/flate"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"sync/atomic"
)

// Entry is one file of an archive.
type Entry struct {
	Name string // with / between folders, relative
	Size int64  // unpacked
}

// Archive is an archive whose list was read and found good.
type Archive struct {
	Entries []Entry // files alone, in the order of the archive

	limits Limits
	files  map[string]*zip.File
}

// listSlack is what archive/zip reads beside the list of files: the end of the
// archive, and a buffer too far.
const listSlack = 128 << 10

// Open reads the list of an archive of so many bytes and checks all of it, and what
// stands before the data of each file.
func Open(r io.ReaderAt, size int64, l Limits) (*Archive, error) {
	where, err := findList(r, size, &l)
	if err != nil {
		return nil, err
	}
	places, err := where.places(r)
	if err != nil {
		return nil, err
	}
	bounded := &boundedReader{r: r}
	bounded.left.Store(where.size + listSlack)
	z, err := zip.NewReader(bounded, size)
	switch {
	case bounded.over.Load():
		return nil, refuse(Bomb, "its list of files is too long")
	case errors.Is(err, zip.ErrInsecurePath): // said by name below
	case err != nil:
		return nil, broken(err)
	}
	bounded.open.Store(true)
	a := &Archive{limits: l, files: make(map[string]*zip.File, len(z.File))}
	if err := a.read(z.File, size); err != nil {
		return nil, err
	}
	if err := where.checkLocal(r, z.File, places); err != nil {
		return nil, err
	}
	return a, nil
}

// broken tells apart what the archive is at fault for from a disk that fails.
func broken(err error) error {
	if isBroken(err) {
		return &Error{Code: Broken, Msg: "zip archive: it is broken, or none", Err: err}
	}
	return fmt.Errorf("read a zip archive: %w", err)
}

func isBroken(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.Is(err, zip.ErrFormat) || errors.Is(err, zip.ErrChecksum) || errors.Is(err, zip.ErrAlgorithm) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.As(err, &corrupt)
}

func (a *Archive) read(files []*zip.File, size int64) error {
	var unpacked, packed uint64
	names := newNameSet(len(files))
	for _, f := range files {
		name, folder, err := a.limits.name(f)
		if err != nil {
			return err
		}
		switch mode := f.Mode(); {
		case f.Flags&isEncrypted != 0:
			return refuse(Secret, "%s is encrypted", show(name))
		case mode&fs.ModeSymlink != 0:
			return refuse(Unsafe, "%s is a link", show(name))
		case !folder && mode.Type()&^fs.ModeDir != 0:
			return refuse(Unsafe, "%s is no plain file", show(name))
		case f.Method != zip.Store && f.Method != zip.Deflate:
			return refuse(Unknown, "%s is compressed by method %d: deflate is known", show(name), f.Method)
		}
		if folder {
			if f.UncompressedSize64 != 0 {
				return refuse(Broken, "the folder %s has content", show(name))
			}
			names.addFolder(name)
		} else if err := names.add(name); err != nil {
			return err
		}
		// Each bound before the sum, which could overflow.
		if f.UncompressedSize64 > uint64(a.limits.Total) || unpacked+f.UncompressedSize64 > uint64(a.limits.Total) {
			return refuse(Bomb, "its files have more than %d bytes, unpacked", a.limits.Total)
		}
		if f.CompressedSize64 > uint64(size) || packed+f.CompressedSize64 > uint64(size) {
			return refuse(Broken, "its files have more bytes, packed, than it has itself")
		}
		unpacked += f.UncompressedSize64
		packed += f.CompressedSize64
		if unpacked > uint64(a.limits.Free) && unpacked/uint64(a.limits.Ratio) > packed {
			return refuse(Bomb, "its files unpack to more than %d times of what they are", a.limits.Ratio)
		}
		if folder {
			continue
		}
		a.files[name] = f
		a.Entries = append(a.Entries, Entry{name, int64(f.UncompressedSize64)})
	}
	return names.check()
}

// Open opens a file of the archive. What it unpacks to is held to the size in the
// list, so a reader gets no more than that.
func (a *Archive) Open(name string) (io.ReadCloser, int64, error) {
	f := a.files[slashed(name)]
	if f == nil {
		return nil, 0, refuse(NotThere, "there is no %s in it", show(name))
	}
	r, err := f.Open()
	if err != nil {
		return nil, 0, broken(err)
	}
	size := int64(f.UncompressedSize64)
	e := &entryReader{ReadCloser: r, left: size, name: name}
	if f.CRC32 == 0 {
		e.zero = crc32.NewIEEE()
	}
	return e, size, nil
}

// entryReader ends a file that is not as long as the list says.
type entryReader struct {
	io.ReadCloser
	left int64
	name string
	zero hash.Hash32 // archive/zip takes a checksum of 0 for none
}

func (r *entryReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if r.left -= int64(n); r.left < 0 {
		return n + int(r.left), refuse(Bomb, "%s is longer than its list says", show(r.name))
	}
	if r.zero != nil {
		r.zero.Write(p[:n])
	}
	switch {
	case err == io.EOF && r.left == 0 && r.zero != nil && r.zero.Sum32() != 0:
		return n, &Error{Code: Broken, Msg: fmt.Sprintf("zip archive: %s is broken: it has another checksum", show(r.name)), Err: zip.ErrChecksum}
	case err == io.EOF && r.left > 0:
		return n, refuse(Broken, "%s is shorter than its list says", show(r.name))
	case err != nil && err != io.EOF && isBroken(err):
		return n, &Error{Code: Broken, Msg: fmt.Sprintf("zip archive: %s is broken: %v", show(r.name), err), Err: err}
	}
	return n, err
}

// boundedReader ends what reads too much before it is opened.
type boundedReader struct {
	r    io.ReaderAt
	left atomic.Int64
	over atomic.Bool
	open atomic.Bool
}

func (b *boundedReader) ReadAt(p []byte, off int64) (int, error) {
	if !b.open.Load() && b.left.Add(-int64(len(p))) < 0 {
		b.over.Store(true)
		return 0, io.ErrUnexpectedEOF
	}
	return b.r.ReadAt(p, off)
}
