//go:build !linux

package store

import "time"

// elapsed stands still while the machine sleeps here; after a long sleep the
// age sweep rests until the next start.
func elapsed() time.Duration { return sinceStart() }
