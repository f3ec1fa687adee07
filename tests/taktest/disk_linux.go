package taktest

import (
	"fmt"
	"syscall"
	"testing"
)

// SmallDisk gives an empty folder on a disk of its own of that many bytes. Where
// none may be mounted the test is skipped.
func SmallDisk(t testing.TB, bytes int) string {
	t.Helper()
	dir := Folder(t)
	if err := syscall.Mount("takhost-test", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", bytes)); err != nil {
		t.Skipf("left out: a full disk (mounting a tmpfs needs root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount the small disk: %v", err)
		}
	})
	return dir
}
