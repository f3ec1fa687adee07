package pack

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// Program is a process plugin's program on the disk.
type Program struct {
	File   string // absolute
	SHA256 string // of the file, in hexadecimal digits
}

// Extract writes the files of a process plugin into base/SHA256, a folder that
// nobody else can read, and gives its program. What an earlier call wrote is
// compared byte by byte and written anew when it differs, so that a program is
// never another one than what was packed.
func (p *Package) Extract(base string) (Program, error) {
	prog, err := p.extract(base)
	if err != nil {
		return Program{}, fmt.Errorf("extract the program of %s %s: %w", p.Manifest.Name, p.Manifest.Version, err)
	}
	return prog, nil
}

func (p *Package) extract(base string) (Program, error) {
	base, err := filepath.Abs(base)
	if err != nil {
		return Program{}, err
	}
	if err := os.MkdirAll(base, 0o700); err != nil {
		return Program{}, err
	}
	dir := filepath.Join(base, p.SHA256)
	sum, same := p.compare(dir)
	if !same {
		if sum, err = p.replace(base, dir); err != nil {
			return Program{}, err
		}
	}
	return Program{File: filepath.Join(dir, filepath.FromSlash(p.Manifest.Entry)), SHA256: sum}, nil
}

// compare says whether dir holds the files as they were packed, and the digest
// of the program.
func (p *Package) compare(dir string) (sum string, same bool) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", false
	}
	defer root.Close()
	there := 0
	err = fs.WalkDir(root.FS(), ".", func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			there++
		}
		return err
	})
	if err != nil || there != len(p.files) {
		return "", false
	}
	for _, f := range p.files {
		want, got := sha256.New(), sha256.New()
		if copyFile(want, p.tree, f) != nil || copyFile(got, root.FS(), f) != nil {
			return "", false
		}
		digest := hex.EncodeToString(got.Sum(nil))
		if digest != hex.EncodeToString(want.Sum(nil)) {
			return "", false
		}
		if f.name == p.Manifest.Entry {
			sum = digest
		}
	}
	return sum, true
}

// replace writes the files beside dir and puts them in its place.
func (p *Package) replace(base, dir string) (sum string, err error) {
	tmp, err := os.MkdirTemp(base, ".new-*") // 0700
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	root, err := os.OpenRoot(tmp)
	if err != nil {
		return "", err
	}
	for _, f := range p.files {
		digest, werr := p.extractFile(root, f)
		if werr != nil {
			return "", errors.Join(fmt.Errorf("%s: %w", f.name, werr), root.Close())
		}
		if f.name == p.Manifest.Entry {
			sum = digest
		}
	}
	if err := root.Close(); err != nil {
		return "", err
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return sum, os.Rename(tmp, dir)
}

func (p *Package) extractFile(root *os.Root, f file) (digest string, err error) {
	if err := root.MkdirAll(path.Dir(f.name), 0o700); err != nil {
		return "", err
	}
	mode := fs.FileMode(0o600)
	if f.exec || f.name == p.Manifest.Entry {
		mode = 0o700
	}
	to, err := root.OpenFile(f.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	b := bufio.NewWriterSize(to, 64<<10)
	err = errors.Join(copyFile(io.MultiWriter(b, h), p.tree, f), b.Flush(), to.Close())
	return hex.EncodeToString(h.Sum(nil)), err
}

// Prune removes what Extract wrote into base for packages other than those that
// are kept.
func Prune(base string, keep ...string) error {
	entries, err := os.ReadDir(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("tidy programs of plugins: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if !slices.Contains(keep, e.Name()) {
			errs = append(errs, os.RemoveAll(filepath.Join(base, e.Name())))
		}
	}
	return errors.Join(errs...)
}
