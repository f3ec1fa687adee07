// Package pack reads and writes packages of plugins: a folder, or the same as a
// zip archive with the ending .takplugin, that holds the manifest, the code and
// the static files.
//
// A package comes from strangers. Nothing in one is believed: names, sizes,
// counts and checksums are checked before anything is read, and what is wrong is
// said in the words of its author, who packed a folder and may never have heard
// of headers and offsets. Nothing is executed here, and but for [Package.Extract]
// nothing is written to a disk.
//
// A Package may be used from many goroutines at once; Close comes last.
package pack

// Ext is how names of archives end.
const Ext = ".takplugin"

// Limits of a package. They bound what a hostile one can make the server read.
const (
	MaxArchive  = 64 << 20  // bytes of an archive
	MaxUnpacked = 128 << 20 // bytes of all its files
	MaxModule   = 32 << 20  // bytes of a WASM module
	MaxFiles    = 4096      // files and folders
	maxName     = 240       // bytes of a file's name with its folders: what every system takes
	maxDepth    = 16        // folders inside one another
)
