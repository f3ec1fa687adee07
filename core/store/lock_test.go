package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLockDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	unlock, err := LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = LockDir(dir)
	want := fmt.Sprintf("data folder %s is in use by the takhost with process id %d", dir, os.Getpid())
	if err == nil || !strings.Contains(err.Error(), want) || CodeOf(err) != Conflict {
		t.Errorf("locked: got error %v with code %q, want one with %q and code %q", err, CodeOf(err), want, Conflict)
	}
	unlock()
	unlock, err = LockDir(dir)
	if err != nil {
		t.Fatalf("after unlock: %v", err)
	}
	unlock()

	file := filepath.Join(dir, lockName)
	if _, err := LockDir(file); err == nil || !strings.Contains(err.Error(), "create data folder") {
		t.Errorf("a file as folder: got error %v, want one about creating the folder", err)
	}
}
