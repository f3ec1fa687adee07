//go:build !linux

package setup

// holder does not know.
func holder(int) string { return "" }
