package pki

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// folder is where the files lie. Names of files are plain, without folders.
type folder struct {
	path string
	step func(string) // see testOptions
}

// file is one file of a change; no data removes it.
type file struct {
	name string
	data []byte
}

const (
	staging = "change.tmp"  // being written; worth nothing
	staged  = "change.done" // complete and synced; being moved into place
)

// open makes the folder, finishes or forgets a change that was cut off, and
// closes keys to others.
func (f folder) open(log *slog.Logger) error {
	if err := os.MkdirAll(f.path, 0o700); err != nil {
		return err
	}
	if err := f.finish(); err != nil {
		return fmt.Errorf("finish a change that was cut off: %w", err)
	}
	if err := os.RemoveAll(f.in(staging)); err != nil {
		return err
	}
	if runtime.GOOS == "windows" {
		return nil
	}
	if err := tighten(f.path, 0o700, log); err != nil {
		return err
	}
	keys, err := filepath.Glob(f.in("*.key"))
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := tighten(key, 0o600, log); err != nil {
			return err
		}
	}
	return nil
}

// tighten takes rights from others; a file that an operator copied is often open.
func tighten(path string, mode fs.FileMode, log *slog.Logger) error {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&^mode == 0 {
		return err
	}
	if err := os.Chmod(path, mode); err != nil {
		return fmt.Errorf("others may read %s: %w", path, err)
	}
	log.Warn("others could read this; closed it to them", "path", path)
	return nil
}

func (f folder) in(name string) string { return filepath.Join(f.path, name) }

// read gives nil for a file that is not there.
func (f folder) read(name string) ([]byte, error) {
	b, err := os.ReadFile(f.in(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && len(b) == 0 {
		return nil, fmt.Errorf("%s is empty", name)
	}
	return b, err
}

// write changes files all together or not at all.
func (f folder) write(files ...file) error {
	if err := f.finish(); err != nil {
		return err
	}
	if err := os.RemoveAll(f.in(staging)); err != nil {
		return err
	}
	if err := os.Mkdir(f.in(staging), 0o700); err != nil {
		return err
	}
	f.step("staging made")
	for _, c := range files {
		if err := writeSynced(filepath.Join(f.in(staging), c.name), c.data); err != nil {
			return err
		}
		f.step("staged " + c.name)
	}
	if err := syncDir(f.in(staging)); err != nil {
		return err
	}
	if err := os.Rename(f.in(staging), f.in(staged)); err != nil {
		return err
	}
	if err := syncDir(f.path); err != nil {
		return err
	}
	f.step("complete")
	return f.finish()
}

// finish moves what is staged into place. It may be cut off and begun again.
func (f folder) finish() error {
	entries, err := os.ReadDir(f.in(staged))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		from := filepath.Join(f.in(staged), e.Name())
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Size() > 0 {
			err = os.Rename(from, f.in(e.Name()))
		} else if err = os.Remove(f.in(e.Name())); err == nil || errors.Is(err, fs.ErrNotExist) {
			err = os.Remove(from)
		}
		if err != nil {
			return err
		}
		f.step("placed " + e.Name())
	}
	// The files have to be in place on the disk before what would put them there goes.
	if err := syncDir(f.path); err != nil {
		return err
	}
	if err := os.Remove(f.in(staged)); err != nil {
		return err
	}
	f.step("done")
	return syncDir(f.path)
}

func writeSynced(path string, data []byte) error {
	mode := fs.FileMode(0o644)
	if strings.HasSuffix(path, ".key") {
		mode = 0o600
	}
	w, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	if err == nil {
		err = w.Sync()
	}
	return errors.Join(err, w.Close())
}
