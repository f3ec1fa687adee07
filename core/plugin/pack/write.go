package pack

import (
	"archive/zip"
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// epoch is the time of all files in an archive: the first that zip can write.
// The same folder thus always gives the same archive.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// Write packs a folder into an archive. The folder is checked as [Open] does.
func Write(w io.Writer, folder string) error {
	p, err := Open(folder)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.write(w); err != nil {
		return fmt.Errorf("pack %s: %w", folder, err)
	}
	return nil
}

func (p *Package) write(w io.Writer) error {
	count := &counter{w: w}
	z := zip.NewWriter(count)
	for _, f := range p.files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: epoch}
		h.SetMode(0o644)
		if f.exec {
			h.SetMode(0o755)
		}
		to, err := z.CreateHeader(h)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if err := copyFile(to, p.tree, f); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	if count.n > MaxArchive {
		return fmt.Errorf("the archive has %s: at most %s", bytesText(count.n), bytesText(MaxArchive))
	}
	return nil
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// WriteFile packs a folder into a file, which is there whole or not at all.
func WriteFile(name, folder string) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("pack %s: %w", folder, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	b := bufio.NewWriterSize(tmp, 64<<10)
	err = Write(b, folder)
	if err == nil {
		err = errors.Join(b.Flush(), tmp.Chmod(0o644))
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}
