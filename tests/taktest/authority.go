package taktest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// The certificate authority and the server's certificate that the first server of
// a process of tests makes, which the others of the same public names get too: to
// make RSA keys takes a second with the race detector.
var authority struct {
	sync.Mutex
	dirs map[string]string // by public names
}

// authorityFiles make it up. The list of what is revoked is each server's own.
var authorityFiles = []string{"ca.key", "ca.pem", "server.key", "server.pem"}

func pkiIn(data string) string { return filepath.Join(data, "pki") }

// takeAuthority gives a data folder that has none the authority of others.
func takeAuthority(data string, public []string) error {
	authority.Lock()
	defer authority.Unlock()
	from, to := authority.dirs[strings.Join(public, " ")], pkiIn(data)
	if _, err := os.Stat(to); from == "" || !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := os.Stat(filepath.Dir(data)); err != nil {
		return nil // the test is about a folder that cannot be made
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return nil // the same
	}
	return copyFiles(from, to, authorityFiles)
}

// keepAuthority keeps what a server made that has started.
func keepAuthority(data string, public []string) error {
	authority.Lock()
	defer authority.Unlock()
	key := strings.Join(public, " ")
	if authority.dirs[key] != "" {
		return nil
	}
	for _, name := range authorityFiles {
		if _, err := os.Stat(filepath.Join(pkiIn(data), name)); err != nil {
			return nil // the test brought its own
		}
	}
	dir, err := os.MkdirTemp("", "takpki")
	if err != nil {
		return err
	}
	if authority.dirs == nil {
		authority.dirs = map[string]string{}
	}
	authority.dirs[key] = dir
	return copyFiles(pkiIn(data), dir, authorityFiles)
}

func copyFiles(from, to string, names []string) error {
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), b, 0o600)
		}
		if err != nil {
			return fmt.Errorf("share an authority: %w", err)
		}
	}
	return nil
}

func removeAuthority() error {
	authority.Lock()
	defer authority.Unlock()
	var errs []error
	for _, dir := range authority.dirs {
		errs = append(errs, os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}
