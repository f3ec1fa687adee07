package main

import (
	"os"
	"runtime/debug"
)

// tuneGC trades memory for CPU: what the server allocates is mostly events,
// which live for milliseconds, beside a small live heap, so collecting half as
// often costs a few MB. Whoever sets GOGC or GOMEMLIMIT has decided otherwise.
func tuneGC() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(200)
	}
}
