// Package dist carries the plugins that ship with takhost, as they were built:
// NAME.takplugin, and NAME.sources with the digest of the sources it was built
// from. make plugins writes them; they are not committed. A program that is
// built without them serves the core and says so.
package dist

import (
	"embed"
	"io/fs"
)

//go:embed all:built
var built embed.FS

// Files gives the built plugins.
func Files() fs.FS {
	sub, err := fs.Sub(built, "built")
	if err != nil {
		panic(err) // the name is valid
	}
	return sub
}
