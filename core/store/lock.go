package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// lockName is the file in the data folder that a running server holds locked.
// It stays when the server ends; the lock alone counts.
const lockName = "takhost.lock"

var errLocked = errors.New("locked")

// LockDir makes the caller the only server on the data folder dir, which it
// creates when missing. The lock ends with unlock, which must be kept until
// then, or with the process.
func LockDir(dir string) (unlock func(), err error) {
	if err := prepareDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data folder: %w; takhost must be able to write there", err)
	}
	if err := lockFile(f); err != nil {
		defer f.Close()
		if !errors.Is(err, errLocked) {
			return nil, fmt.Errorf("lock data folder %s: %w", dir, err)
		}
		holder := "another takhost"
		b, err := io.ReadAll(io.LimitReader(f, 32))
		if pid, perr := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && perr == nil {
			holder = fmt.Sprintf("the takhost with process id %d", pid)
		}
		return nil, &Error{Code: Conflict, Msg: fmt.Sprintf("data folder %s is in use by %s: stop it or choose another folder", dir, holder)}
	}
	// The id helps whoever is refused; without it the lock works all the same.
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return func() { f.Close() }, nil
}
