//go:build !linux

package taktest

import "testing"

// SmallDisk needs a disk in memory as Linux has it.
func SmallDisk(t testing.TB, _ int) string {
	t.Helper()
	t.Skip("left out: a full disk (it needs tmpfs)")
	return ""
}
