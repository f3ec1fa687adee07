package onboard

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"strconv"

	"github.com/google/uuid"
)

// ZipName is the file name in the answer with a profile.
const ZipName = "profile.zip"

// Archive is a mission package with files of profiles. Nothing in it is
// compressed: maps and pictures are already, and so its size and each byte are
// known before any content is read. It holds what stands between the files; their
// content is read from where it lies. It is safe for concurrent use.
type Archive struct {
	parts []part
	size  int64
	tag   string
}

// part is one stretch of an archive: bytes, or the content of a file.
type part struct {
	from int64
	data []byte
	file *File // nil: data
}

func (p *part) size() int64 {
	if p.file != nil {
		return p.file.Size
	}
	return int64(len(p.data))
}

// ErrTooLarge says that a package would be larger than clients read.
var ErrTooLarge = errors.New("the files of a package have more than 4 GiB together")

// Zip packs the files of profiles as a mission package of that name: Enrollment,
// Connection or the tool's (spec/tak-marti.md 6). nil without an error means that
// there is no file, which clients are told by a 204. The same files make the same
// bytes.
func Zip(name string, list ...Profile) (*Archive, error) {
	var files []*File
	var names []string
	for i := range list {
		if err := list[i].Validate(); err != nil {
			return nil, fmt.Errorf("pack profiles: %w", err)
		}
		for n := range list[i].Files {
			f := &list[i].Files[n]
			// Each has a folder of its own, as two profiles may have a config.pref.
			names = append(names, "file"+strconv.Itoa(len(files))+"/"+path.Base(f.Name))
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		return nil, nil
	}
	if err := plain("package", name); err != nil {
		return nil, err
	}
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%q", name) // a hash takes all
	for i, f := range files {
		_, _ = fmt.Fprintf(sum, "%q %s ", names[i], f.Hash)
	}
	m := Made("MANIFEST/manifest.xml", manifestOf(uuid.NewSHA1(mark, sum.Sum(nil)).String(), name,
		[][2]string{{"onReceiveImport", "true"}, {"onReceiveDelete", "true"}}, names))
	tag := sha256.New()
	_, _ = tag.Write(m.Data)
	z := zipLayout{}
	z.add(m.Name, &m)
	for i, f := range files {
		z.add(names[i], f)
		_, _ = tag.Write([]byte(f.Hash))
	}
	z.end()
	if z.size > math.MaxUint32 {
		return nil, fmt.Errorf("pack profiles: %w", ErrTooLarge)
	}
	return &Archive{parts: z.parts, size: z.size, tag: hex.EncodeToString(tag.Sum(nil))}, nil
}

// Size is that of the whole package, in bytes.
func (a *Archive) Size() int64 { return a.size }

// Tag tells packages of different content apart.
func (a *Archive) Tag() string { return a.tag }

// Hashes gives the hashes of the files that lie elsewhere.
func (a *Archive) Hashes() (list []string) {
	for _, p := range a.parts {
		if p.file != nil && !p.file.InMemory() {
			list = append(list, p.file.Hash)
		}
	}
	return list
}

// Opener opens the content with a hash.
type Opener func(hash string) (io.ReadSeekCloser, error)

// Open gives a reader of the package, which has one file open at a time. It is
// for one goroutine.
func (a *Archive) Open(open Opener) *ArchiveReader { return &ArchiveReader{a: a, open: open} }

// ArchiveReader reads an Archive.
type ArchiveReader struct {
	a    *Archive
	open Opener
	at   int64

	from int               // index of the part that content is of
	file io.ReadSeekCloser // nil: none is open
	pos  int64             // in file
	err  error             // of the content; not io.EOF
}

var _ io.ReadSeekCloser = (*ArchiveReader)(nil)

// Err gives the error that ended the reading, if it was one.
func (r *ArchiveReader) Err() error { return r.err }

// Seek implements io.Seeker.
func (r *ArchiveReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.a.size
	default:
		return 0, fmt.Errorf("seek in a package: %d says nothing", whence)
	}
	if offset < 0 {
		return 0, errors.New("seek in a package: before its begin")
	}
	r.at = offset
	return offset, nil
}

// Read implements io.Reader.
func (r *ArchiveReader) Read(b []byte) (n int, err error) {
	if r.err != nil {
		return 0, r.err
	}
	i := r.a.partAt(r.at)
	if i < 0 {
		return 0, io.EOF
	}
	p := &r.a.parts[i]
	in := r.at - p.from
	if p.file == nil {
		n = copy(b, p.data[in:])
	} else if n, err = r.content(i, b[:min(int64(len(b)), p.size()-in)], in); err != nil {
		r.err = fmt.Errorf("pack %s: %w", p.file.Name, err)
	}
	r.at += int64(n)
	return n, r.err
}

// content reads from the content of a part's file.
func (r *ArchiveReader) content(i int, b []byte, in int64) (n int, err error) {
	f := r.a.parts[i].file
	if r.file == nil || r.from != i {
		if err := r.Close(); err != nil {
			return 0, err
		}
		if r.file, err = f.Open(r.open); err != nil {
			r.file = nil
			return 0, err
		}
		r.from, r.pos = i, 0
	}
	if r.pos != in {
		if r.pos, err = r.file.Seek(in, io.SeekStart); err != nil {
			return 0, err
		}
	}
	n, err = r.file.Read(b)
	r.pos += int64(n)
	if err == io.EOF {
		err = nil
		if n == 0 && len(b) > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// Close closes the file that is open.
func (r *ArchiveReader) Close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}
