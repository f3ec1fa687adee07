//go:build unix && !linux

package storetest

import "syscall"

func endWithParent(*syscall.SysProcAttr) {}
