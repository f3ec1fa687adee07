package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"github.com/hashicorp/go-plugin"

	"github.com/takhost/takhost/core/plugin/guest"
)

// module is a program that can be started.
type module struct {
	rt   *Runtime
	code guest.Code
	sum  []byte
}

var _ guest.Module = (*module)(nil)

// Size is 0: nothing is held in this process's memory.
func (m *module) Size() int64 { return 0 }

// Close has nothing to free.
func (m *module) Close(context.Context) error { return nil }

// check says whether the program is there, can be run, and is the one that was
// installed. It is asked before each start: between the check and the start
// nobody may change the file, which is why the folder belongs to the server.
func (m *module) check() error {
	path := m.code.Program
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the program %s is not there", path)
	case err != nil:
		return fmt.Errorf("look at the program: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("the program %s is not a file", path)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("the program %s is not executable: its mode is %#o", path, info.Mode().Perm())
	}
	// The hash keeps state, so each check has its own.
	secure := plugin.SecureConfig{Checksum: m.sum, Hash: sha256.New()}
	same, err := secure.Check(path)
	if err != nil {
		return fmt.Errorf("read the program: %w", err)
	}
	if !same {
		return fmt.Errorf("the program %s is not the one that was installed: its SHA-256 is not %x", path, m.sum)
	}
	return nil
}

func parseDigest(digest string) ([]byte, error) {
	if digest == "" {
		return nil, errors.New("a process plugin needs the SHA-256 of its program")
	}
	sum, err := hex.DecodeString(digest)
	if err != nil || len(sum) != sha256.Size {
		return nil, fmt.Errorf("%q is no SHA-256 of a program", digest)
	}
	return sum, nil
}
