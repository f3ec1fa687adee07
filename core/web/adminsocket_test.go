package web

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAdminSocketIsPrivate(t *testing.T) {
	s := newSite(t, &fakeCore{}, 0)
	fi, err := os.Lstat(s.path)
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("got mode %v", fi.Mode())
	}
	entries, err := os.ReadDir(filepath.Dir(s.path))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Errorf("folder has %v, want the socket alone", entries)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(s.path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("socket after the end: %v", err)
	}
}

func TestAdminSocketOfADeadServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), AdminSocket)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	// It may have died while it made its socket.
	if err := os.Mkdir(filepath.Join(filepath.Dir(path), ".a"), 0o700); err != nil {
		t.Fatal(err)
	}
	ln, remove, err := listenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	remove()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("socket after the end: %v", err)
	}
}

// TestAdminSocketOfASuccessor shows that a server does not remove a socket that
// is not its own.
func TestAdminSocketOfASuccessor(t *testing.T) {
	path := filepath.Join(t.TempDir(), AdminSocket)
	first, removeFirst, err := listenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, removeSecond, err := listenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	removeFirst()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("socket of the second: %v", err)
	}
	removeSecond()
}

func TestBadAdminSocket(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, path, want string }{
		{"too long", filepath.Join(dir, strings.Repeat("x", 100)), "use a shorter data folder"},
		{"no socket", file, "is there and is no socket: remove it"},
		{"no folder", filepath.Join(dir, "none", "s"), "no such file or directory"},
		{"below a file", filepath.Join(file, "s"), "not a directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ln, _, err := listenUnix(c.path)
			if err == nil {
				ln.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}
