package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// outFile is a file that a command writes for its user alone: most hold a key or
// a code. "-" is the standard output.
type outFile struct {
	path  string
	force *bool // whether it goes over one that is there; nil: it never does
}

const stdout = "-"

// free says whether the file may be written, so that nothing is made whose
// place is taken.
func (f outFile) free() error {
	if f.path == stdout || f.forced() {
		return nil
	}
	_, err := os.Lstat(f.path)
	switch {
	case err == nil:
		return f.taken()
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

func (f outFile) forced() bool { return f.force != nil && *f.force }

func (f outFile) taken() error {
	if f.force == nil {
		return fmt.Errorf("%s is there already: name another place, or move it away", f.path)
	}
	return fmt.Errorf("%s is there already: name another file, or write over it with --force", f.path)
}

// write writes the file; one that cannot be written whole is taken away again.
func (f outFile) write(std streams, data []byte) error {
	if f.path == stdout {
		_, err := std.out.Write(data)
		return err
	}
	var out *os.File
	var err error
	if f.forced() {
		out, err = os.CreateTemp(filepath.Dir(f.path), "."+filepath.Base(f.path)+"-*") // 0600
	} else {
		out, err = os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if errors.Is(err, fs.ErrExist) {
		return f.taken()
	}
	if err != nil {
		return err
	}
	_, err = out.Write(data)
	err = errors.Join(err, out.Sync(), out.Close())
	if err == nil && f.forced() {
		err = os.Rename(out.Name(), f.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", f.path, err), os.Remove(out.Name()))
	}
	return nil
}
