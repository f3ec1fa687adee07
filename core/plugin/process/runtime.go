package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
)

// sessionMethod is the stream of a process.
const sessionMethod = "/" + hostapi.ProcessService + "/" + hostapi.ProcessMethod

// Limits of a process.
const (
	DefaultMemory = hostapi.DefaultProcessMemory // bytes of resident memory, when Code says nothing
	maxProcesses  = 64                           // it and those that it starts
	maxFiles      = 256                          // open at once
	maxFrame      = hostapi.MaxFrame
	maxPayload    = maxFrame - frameHead
	startLimit    = 10 * time.Second
)

// Options of a Runtime.
type Options struct {
	// Dir holds the private folders of the processes. It is made if need be, gets
	// mode 0700, and what a server that was killed has left in it is removed: no
	// two runtimes may share one. Empty: a new temporary folder. A long path does
	// not do, as the address of a Unix socket has some 100 bytes.
	Dir string

	// Log gets what concerns no plugin's author: the steps of go-plugin, at debug.
	Log *slog.Logger
}

// Runtime runs process plugins.
type Runtime struct {
	dir    string
	log    *slog.Logger
	forker *forker
}

var _ guest.Runtime = (*Runtime)(nil)

// New makes a runtime.
func New(o Options) (*Runtime, error) {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	dir, err := makeDir(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("make the folder of process plugins: %w", err)
	}
	return &Runtime{dir: dir, log: log, forker: newForker()}, nil
}

// socketRoom is what go-plugin appends to a process's folder for the socket:
// "/plugin-dir1234567890/plugin1234567890".
const socketRoom = 40

// maxSocket is how long the path of a Unix socket may be; the shortest of the
// systems we run on.
const maxSocket = 103

// tooLong is how many bytes the path of a folder has too many.
func tooLong(dir string) int {
	return len(dir) + len("/"+folderPrefix+"1234567890") + socketRoom - maxSocket
}

// Fits says whether a folder can be Options.Dir.
func Fits(dir string) bool {
	abs, err := filepath.Abs(dir)
	return err == nil && tooLong(abs) <= 0
}

func makeDir(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "takhost-plugins-")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if n := tooLong(dir); n > 0 {
		return "", fmt.Errorf("%s is too long by %d bytes for the sockets in it", dir, n)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return "", err
	}
	return dir, removeFolders(dir)
}

// folderPrefix begins the name of a process's folder. It is short, as the path of
// the socket in it is.
const folderPrefix = "p-"

// removeFolders removes the folders of processes.
func removeFolders(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, folderPrefix+"*"))
	if err != nil {
		return err
	}
	for _, f := range left {
		if err := os.RemoveAll(f); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the runtime and removes its folder, unless somebody else keeps
// something in it.
func (r *Runtime) Close(context.Context) error {
	r.forker.close()
	if err := removeFolders(r.dir); err != nil {
		return err
	}
	_ = os.Remove(r.dir)
	return nil
}

// Load checks that the program is the one that was installed, and can be run.
func (r *Runtime) Load(ctx context.Context, c guest.Code) (guest.Module, error) {
	if c.Program == "" {
		return nil, errors.New("a process plugin needs a program")
	}
	program, err := filepath.Abs(c.Program) // it runs in another folder
	if err != nil {
		return nil, fmt.Errorf("find the program: %w", err)
	}
	c.Program = program
	sum, err := parseDigest(c.Digest)
	if err != nil {
		return nil, err
	}
	if c.Memory <= 0 {
		c.Memory = DefaultMemory
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	m := &module{rt: r, code: c, sum: sum}
	if err := m.check(); err != nil {
		return nil, err
	}
	return m, nil
}
