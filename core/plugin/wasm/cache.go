package wasm

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// wazeroVersion is that of go.mod. wazero knows its own version in programs
// alone, not in tests, so it is part of the folder's name here.
const wazeroVersion = "v1.12.0"

// keepCode is how long compiled code stays that nobody loads.
const keepCode = 30 * 24 * time.Hour

// codePerByte is about how many bytes of machine code a byte of a module
// becomes (measured: 3.6 to 3.9 for Go, less for C and Rust).
const codePerByte = 4

// cache is a folder with an entry, itself a folder, for each module. wazero
// finds the code in there by the module's digest, its own version, the kind of
// CPU and the termination check. A nil cache keeps nothing.
type cache struct{ dir string }

// entry is what belongs to one module.
type entry struct{ dir string }

func openCache(dir string, log *slog.Logger) (*cache, error) {
	if dir == "" {
		return nil, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := mustBeOurs(dir); err != nil {
		return nil, err
	}
	c := &cache{dir: filepath.Join(dir, "wazero-"+wazeroVersion)}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, err
	}
	if err := c.sweep(dir); err != nil {
		log.Warn("old compiled code stays in the cache", "folder", dir, "error", err)
	}
	return c, nil
}

// sweep removes code for other versions of wazero, and what was not used for
// long.
func (c *cache) sweep(dir string) error {
	var faults []error
	remove := func(in string, old func(fs.DirEntry) bool) {
		all, err := os.ReadDir(in)
		faults = append(faults, err)
		for _, e := range all {
			if old(e) {
				faults = append(faults, os.RemoveAll(filepath.Join(in, e.Name())))
			}
		}
	}
	remove(dir, func(e fs.DirEntry) bool {
		return e.Name() != filepath.Base(c.dir) && strings.HasPrefix(e.Name(), "wazero-")
	})
	remove(c.dir, func(e fs.DirEntry) bool {
		info, err := e.Info()
		return err == nil && time.Since(info.ModTime()) > keepCode
	})
	return errors.Join(faults...)
}

// entry gives the place of a module's code, which is used now.
func (c *cache) entry(module []byte) *entry {
	if c == nil {
		return nil
	}
	digest := sha256.Sum256(module)
	e := &entry{dir: filepath.Join(c.dir, hex.EncodeToString(digest[:]))}
	now := time.Now()
	_ = os.Chtimes(e.dir, now, now) // of an entry that is not there yet, it fails
	return e
}

// drop removes the code.
func (e *entry) drop() error { return os.RemoveAll(e.dir) }

// size is how much memory the code of a module takes, about: machine code, and
// the module that wazero keeps beside it.
func (e *entry) size(module int) int64 {
	total := int64(0)
	if e != nil {
		// What cannot be read is not counted.
		_ = filepath.WalkDir(e.dir, func(_ string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			info, err := d.Info()
			if err == nil {
				total += info.Size()
			}
			return err
		})
	}
	if total == 0 {
		total = int64(module) * codePerByte
	}
	return total + int64(module)
}

// errFolder: the folder of an entry cannot be used.
var errFolder = errors.New("open the cache of compiled plugins")

// isDamaged says whether wazero could not read its cache. It has no error value
// of its own for that.
func isDamaged(err error) bool { return strings.Contains(err.Error(), "compilationcache") }

// isFile says whether a file of the cache could not be read or written: a full
// disk. A module has no other files.
func isFile(err error) bool {
	var path *fs.PathError
	return errors.Is(err, errFolder) || errors.As(err, &path)
}

// errShared says that others may write machine code into the folder.
func errShared(dir string, mode fs.FileMode) error {
	return fmt.Errorf("%s is open to other users (mode %v): it must be the server's alone (chmod 700)", dir, mode.Perm())
}
