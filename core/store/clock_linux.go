package store

import (
	"time"

	"golang.org/x/sys/unix"
)

// elapsed reads the clock that counts since boot and, unlike Go's monotonic
// one, goes on while the machine sleeps: a laptop that slept over night has no
// clock that jumped.
func elapsed() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return sinceStart()
	}
	return time.Duration(ts.Nano())
}
