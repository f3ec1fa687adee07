// Package blobzip reads and writes zip archives whose makers are not trusted: data
// packages that clients upload. It refuses bombs, names that lead out of a folder or
// that some system takes for another file, archives that say one thing in their list
// and another before the data, and broken ones, with a reason that can be shown to
// whoever sent one; and it needs little memory for archives of any size. It knows
// neither the store nor plugins.
//
// An Archive is safe for concurrent use as far as its reader is; Pack is not.
package blobzip

import "fmt"

// Limits bound what an archive may be.
type Limits struct {
	Entries int   // files and folders
	Total   int64 // bytes of all files, unpacked
	Ratio   int64 // unpacked bytes for each packed one
	Free    int64 // unpacked bytes to which Ratio does not apply: small archives of empty tiles are fine
	Name    int   // bytes of a name
	Depth   int   // folders above a file
}

// Default is generous for data packages.
var Default = Limits{Entries: 10_000, Total: 4 << 30, Ratio: 200, Free: 64 << 20, Name: 512, Depth: 32}

// The codes of an Error.
const (
	Broken   = "broken"     // it cannot be read
	Unsafe   = "unsafe"     // a name leads elsewhere, or is that of another file somewhere
	Bomb     = "too_large"  // it has more than the limits allow
	Secret   = "encrypted"  // it needs a password
	NotThere = "not_found"  // it has no such file
	Unknown  = "compressed" // by a method that is not known
)

// Error says why an archive is refused.
type Error struct {
	Code string
	Msg  string
	Err  error // the cause; may be nil
}

func (e *Error) Error() string { return e.Msg }

func (e *Error) Unwrap() error { return e.Err }

func refuse(code, format string, args ...any) error {
	return &Error{Code: code, Msg: "zip archive: " + fmt.Sprintf(format, args...)}
}
