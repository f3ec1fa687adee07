package web

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// AdminSocket is the name of the admin socket in the data folder.
const AdminSocket = "admin.sock"

// MaxSocketPath is how many bytes the path of a unix socket may have so that
// all systems take it: sun_path has 104 bytes on BSD and macOS, 108 on Linux.
const MaxSocketPath = 100

// CheckSocketPath says what to do about a path that is too long.
func CheckSocketPath(path string) error {
	if len(path) > MaxSocketPath {
		return fmt.Errorf("the path %s has %d bytes, and a socket's may have %d: use a shorter data folder (data in the configuration, or --data)",
			path, len(path), MaxSocketPath)
	}
	return nil
}

// listenUnix opens a socket at path that never, not for a moment, lets others
// than its owner in: it is made in a folder of mode 0700 and then moved to its
// place, where it replaces one that a dead server left.
func listenUnix(path string) (_ net.Listener, remove func(), err error) {
	if err := CheckSocketPath(path); err != nil {
		return nil, nil, err
	}
	if fi, err := os.Lstat(path); err == nil && fi.Mode()&fs.ModeSocket == 0 {
		return nil, nil, fmt.Errorf("%s is there and is no socket: remove it", path)
	}
	// The name is as short as possible, as it counts for the length too.
	private := filepath.Join(filepath.Dir(path), ".a")
	made := filepath.Join(private, "s")
	clean := func() error {
		for _, name := range []string{made, private} {
			if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return nil
	}
	// A server that died in the middle of this may have left it.
	if err := errors.Join(clean(), os.Mkdir(private, 0o700)); err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, clean()) }()

	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, nil, err
	}
	ln.SetUnlinkOnClose(false) // it will not be where ln thinks
	if err = errors.Join(os.Chmod(made, 0o600), os.Rename(made, path)); err != nil {
		ln.Close()
		return nil, nil, err
	}
	own, err := os.Lstat(path)
	if err != nil {
		ln.Close()
		return nil, nil, err
	}
	remove = func() {
		// Another one in its place is not ours to remove.
		if now, err := os.Lstat(path); err == nil && os.SameFile(own, now) {
			os.Remove(path)
		}
	}
	return ln, remove, nil
}
