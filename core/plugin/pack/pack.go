package pack

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi/manifest"
)

// Package is one version of a plugin as it was packed.
type Package struct {
	Manifest *manifest.Manifest

	// SHA256 identifies the content, in hexadecimal digits: of an archive the
	// digest of its bytes, of a folder one over the names and bytes of its files.
	SHA256 string

	// Size is how many bytes the files have, unpacked.
	Size int64

	files []file // sorted by name
	tree  fs.FS
	close func() error
}

// file is one file of a package.
type file struct {
	name string // with slashes
	size int64
	exec bool // marked as a program
}

// Open opens a folder or an archive. An archive stays open, so it may be
// replaced by renaming another one over it, but must not be written to.
func Open(name string) (*Package, error) {
	p, err := open(name)
	if err != nil {
		return nil, fmt.Errorf("open package %s: %w", name, err)
	}
	return p, nil
}

func open(name string) (*Package, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, withoutPath(err)
	}
	if info.IsDir() {
		return openFolder(name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, withoutPath(err)
	}
	p, err := openArchive(f, info.Size())
	if err != nil {
		_ = f.Close() // it was only read
		return nil, err
	}
	p.close = f.Close
	return p, nil
}

// OpenBytes opens an archive in memory.
func OpenBytes(b []byte) (*Package, error) { return OpenReader(bytes.NewReader(b), int64(len(b))) }

// OpenReader opens an archive of that many bytes, which must stay as they are
// while the package is in use.
func OpenReader(r io.ReaderAt, size int64) (*Package, error) {
	p, err := openArchive(r, size)
	if err != nil {
		return nil, fmt.Errorf("open package: %w", err)
	}
	return p, nil
}

func openArchive(r io.ReaderAt, size int64) (*Package, error) {
	if size > MaxArchive {
		return nil, fmt.Errorf("the archive has %s: at most %s", bytesText(size), bytesText(MaxArchive))
	}
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("is no zip archive, or a damaged one: %w", err)
	}
	p := &Package{}
	if p.files, err = listArchive(z); err != nil {
		return nil, err
	}
	p.tree = newShown(z, p.files)
	if err := p.readManifest(); err != nil {
		return nil, err
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(r, 0, size)); err != nil {
		return nil, fmt.Errorf("read the archive: %w", err)
	}
	p.SHA256 = hex.EncodeToString(h.Sum(nil))
	return p, p.check()
}

func openFolder(name string) (*Package, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, withoutPath(err)
	}
	p := &Package{tree: root.FS(), close: root.Close}
	if err := p.readFolder(); err != nil {
		_ = root.Close() // it was only read
		return nil, err
	}
	return p, nil
}

func (p *Package) readFolder() error {
	if err := p.readManifest(); err != nil {
		return err
	}
	all := p.tree
	var err error
	if p.files, err = listFolder(all, p.Manifest); err != nil {
		return err
	}
	p.tree = newShown(all, p.files)
	if p.SHA256, err = digest(p.tree, p.files); err != nil {
		return err
	}
	return p.check()
}

// check looks for what the manifest names, and sums up.
func (p *Package) check() error {
	for _, f := range p.files {
		p.Size += f.size
	}
	m := p.Manifest
	entry, ok := p.find(m.Entry)
	what := "the module"
	if m.Runtime == "process" {
		what = "the program"
	}
	switch {
	case !ok:
		return fmt.Errorf("%s %s is missing: build it, or set entry in %s to where it is", what, m.Entry, manifest.FileName)
	case entry.size == 0:
		return fmt.Errorf("%s %s is empty", what, m.Entry)
	case m.Runtime == "wasm" && entry.size > MaxModule:
		return fmt.Errorf("the module %s has %s: at most %s", m.Entry, bytesText(entry.size), bytesText(MaxModule))
	}
	if m.Static == nil {
		return nil
	}
	below := strings.TrimSuffix(m.Static.Folder, "/") + "/"
	if !slices.ContainsFunc(p.files, func(f file) bool { return strings.HasPrefix(f.name, below) }) {
		return fmt.Errorf("the folder %s of static files is missing or empty", m.Static.Folder)
	}
	if index := m.Static.Index; index != "" {
		if _, ok := p.find(path.Join(m.Static.Folder, index)); !ok {
			return fmt.Errorf("%s, the index of the static files, is missing in %s", index, m.Static.Folder)
		}
	}
	return nil
}

func (p *Package) readManifest() error {
	doc, err := readFile(p.tree, manifest.FileName, manifest.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		if inner := p.inner(); inner != "" {
			return fmt.Errorf("%s is in the folder %s: pack what is in that folder, without the folder", manifest.FileName, inner)
		}
		return fmt.Errorf("%s is missing: each plugin has one, beside its code", manifest.FileName)
	}
	if err != nil {
		return err
	}
	p.Manifest, err = manifest.Parse(doc)
	var faults manifest.Faults
	if errors.As(err, &faults) {
		return &ManifestError{faults}
	}
	return err
}

// inner gives the only folder of an archive, if the manifest is in there.
func (p *Package) inner() string {
	for _, f := range p.files {
		if dir, base := path.Split(f.name); base == manifest.FileName {
			return strings.TrimSuffix(dir, "/")
		}
	}
	return ""
}

// ManifestError says what is wrong with a manifest.
type ManifestError struct{ Faults manifest.Faults }

func (e *ManifestError) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = manifest.FileName + ": " + f.String()
	}
	return strings.Join(lines, "\n")
}

func (e *ManifestError) Unwrap() error { return e.Faults }

func (p *Package) find(name string) (file, bool) {
	i, ok := slices.BinarySearchFunc(p.files, name, func(f file, name string) int { return strings.Compare(f.name, name) })
	if !ok {
		return file{}, false
	}
	return p.files[i], true
}

// Files gives the files, and none but those that count for the digest.
func (p *Package) Files() fs.FS { return p.tree }

// Static gives the folder of the static files, nil without.
func (p *Package) Static() fs.FS {
	if p.Manifest.Static == nil {
		return nil
	}
	sub, err := fs.Sub(p.tree, strings.TrimSuffix(p.Manifest.Static.Folder, "/"))
	if err != nil {
		return nil // the manifest was checked: its name is one
	}
	return sub
}

// Module reads the module of a WASM plugin. It is read each time, so that
// nobody has to keep it.
func (p *Package) Module() ([]byte, error) {
	return readFile(p.tree, p.Manifest.Entry, MaxModule)
}

// Close ends the use of the package and of its files.
func (p *Package) Close() error {
	if p.close == nil {
		return nil
	}
	return p.close()
}

// readFile reads a file of at most that many bytes.
func readFile(tree fs.FS, name string, most int64) ([]byte, error) {
	f, err := tree.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, withoutPath(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, withoutPath(err))
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file", name)
	case info.Size() > most:
		return nil, fmt.Errorf("%s has %s: at most %s", name, bytesText(info.Size()), bytesText(most))
	}
	// The size is what the file says of itself. One byte more shows whether it lied.
	var b bytes.Buffer
	b.Grow(int(info.Size()) + bytes.MinRead)
	n, err := b.ReadFrom(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, readError(err))
	case n > most:
		return nil, fmt.Errorf("%s has more than %s", name, bytesText(most))
	}
	return b.Bytes(), nil
}

// readError says what damage of an archive means.
func readError(err error) error {
	if errors.Is(err, zip.ErrChecksum) || errors.Is(err, zip.ErrFormat) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("is damaged in the archive: %w", err)
	}
	return withoutPath(err)
}

// withoutPath takes the name out of an error that is told with the name in front.
func withoutPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}

// Owning lets Close close c too: what the package is read from.
func (p *Package) Owning(c io.Closer) *Package {
	was := p.close
	p.close = func() error {
		if was == nil {
			return c.Close()
		}
		return errors.Join(was(), c.Close())
	}
	return p
}
