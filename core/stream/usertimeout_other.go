//go:build !linux

package stream

import (
	"net"
	"time"
)

// setUserTimeout does nothing where the system has no such option: keep-alive
// and the stall time find dead peers there, later.
func setUserTimeout(*net.TCPConn, time.Duration) error { return nil }
