// Package takhost holds the sources of the sdk and of hostapi, for the projects that
// `takhost plugin new` writes: they must build and test without a network, so the
// program carries a copy. It is for cmd/takhost alone.
package takhost

import (
	"embed"
	"io/fs"
)

//go:embed LICENSE hostapi/*.go hostapi/cot/*.go hostapi/index/*.go hostapi/manifest/*.go hostapi/tree/*.go hostapi/wire/*.go sdk/*.go sdk/plugintest/*.go
var source embed.FS

// Source gives the folders hostapi and sdk, and the licence, as they were when the
// program was built.
func Source() fs.FS { return source }
