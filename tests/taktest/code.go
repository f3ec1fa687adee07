package taktest

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Compiled code of plugins, which the servers of one process of tests share: to
// compile a plugin takes seconds with the race detector, and each server has a
// data folder of its own. Files are linked; where that cannot be, a server
// compiles for itself.
var code struct {
	sync.Mutex
	dir string
}

// codeIn is where a server has it.
func codeIn(data string) string { return filepath.Join(data, "cache", "wasm") }

// takeCode gives a data folder what others compiled.
func takeCode(data string) {
	code.Lock()
	defer code.Unlock()
	if code.dir != "" {
		link(code.dir, codeIn(data))
	}
}

// keepCode keeps what a server compiled. The server has ended.
func keepCode(data string) {
	code.Lock()
	defer code.Unlock()
	if code.dir == "" {
		dir, err := os.MkdirTemp("", "takcode")
		if err != nil {
			return
		}
		code.dir = dir
	}
	link(codeIn(data), code.dir)
}

// link makes the tree from appear in to. What goes wrong costs time and no more.
func link(from, to string) {
	_ = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		if d.Type().IsRegular() {
			_ = os.Link(path, filepath.Join(to, rel)) // mostly it is there
		}
		return nil
	})
}

func removeCode() error {
	code.Lock()
	defer code.Unlock()
	if code.dir == "" {
		return nil
	}
	return os.RemoveAll(code.dir)
}
