package hostapi

// ABIName names the ABI of WASM plugins. A module has these exports (all
// integers 32 bits unless said):
//
//	memory                      exactly one, 32-bit
//	_initialize ()              optional: start of a reactor, called once, first
//	tak_abi ()   → i32          the ABI it was built for: major<<16 | minor
//	tak_buf (n)  → ptr          the input buffer, of at least n bytes, at a multiple
//	                            of 8. Called at start and when a call needs a larger
//	                            one; the module keeps it until the next tak_buf
//	tak_call (op, n) → i64      a GuestOp; its n bytes lie in the buffer
//
// tak_call gives its answer as ptr<<32 | length: one byte of Status, then the
// payload. It is read before anything else is called, so it may lie in memory
// that the next call uses again. The input buffer is the module's to overwrite
// during the call.
//
// and these imports, of the module ImportModule:
//
//	call (op, ptr, len, rptr, rcap) → i64    a HostOp with the len bytes at ptr
//	take (rptr, rcap) → i32                  copies the answer that the host kept
//	yield ()                                 a point at which the host may stop the module
//
// call gives Status<<32 | length of the answer's payload. An answer of up to rcap
// bytes is at rptr. A longer one is kept by the host until the next call of an
// operation, and nothing is written: take with a buffer of that length fetches
// it and gives the length, or -1 when nothing is kept or rcap is too small. An
// operation thus never has to be repeated for a larger buffer, which would
// repeat its effect.
//
// Beside these, wasi_snapshot_preview1 may be imported, without folders,
// arguments, environment and sockets. A pointer outside of the memory, an
// answer that is not there, an unreachable: each is a crash. The instance is
// thrown away, and nothing of the call is committed.
//
// A payload with a status other than OK is a message Error of plugin.proto, or
// empty.
const ABIName = "tak/1"

// Numbers of the ABI.
const (
	ABIMajor = 1
	ABIMinor = 0

	// ABIVersion is what tak_abi gives.
	ABIVersion int32 = ABIMajor<<16 | ABIMinor
)

// Names of exports and imports.
const (
	ExportMemory = "memory"
	ExportStart  = "_initialize"
	ExportABI    = "tak_abi"
	ExportBuffer = "tak_buf"
	ExportCall   = "tak_call"

	// ImportModule has the major version in it.
	ImportModule = "tak1"
	ImportCall   = "call"
	ImportTake   = "take"
	ImportYield  = "yield"
)

// NothingKept is what the import take gives when there is no answer to take, or
// no room for it.
const NothingKept int32 = -1

// SplitVersion takes the answer of tak_abi apart.
func SplitVersion(v int32) (major, minor int) { return int(uint32(v) >> 16), int(uint32(v) & 0xffff) }

// PackAnswer makes the result of tak_call.
func PackAnswer(ptr, length uint32) int64 { return int64(uint64(ptr)<<32 | uint64(length)) }

// UnpackAnswer takes the result of tak_call apart.
func UnpackAnswer(v int64) (ptr, length uint32) { return uint32(uint64(v) >> 32), uint32(uint64(v)) }

// PackResult makes the result of the import call.
func PackResult(s Status, length uint32) int64 { return int64(uint64(s)<<32 | uint64(length)) }

// UnpackResult takes the result of the import call apart. A status that does
// not fit is Failed.
func UnpackResult(v int64) (s Status, length uint32) {
	n := uint64(v) >> 32
	if n > 0xff {
		return Failed, uint32(uint64(v))
	}
	return Status(n), uint32(uint64(v))
}
