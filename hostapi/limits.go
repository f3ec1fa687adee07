package hostapi

import "time"

// Limits that are part of the contract: a plugin may rely on them, and what is
// beyond is answered with Limit.
const (
	MaxDocument    = 256 << 10 // bytes of a document's body
	MaxDocumentID  = 512       // bytes of a document's id
	MaxBlobInline  = 1 << 20   // bytes of a blob put in one message
	MaxBlobRead    = 256 << 10 // bytes of a blob read in one message
	MaxLogLine     = 4 << 10   // bytes; what is longer is cut
	MaxRandom      = 1 << 10   // bytes asked for at once
	MaxPage        = 1000      // rows of one answer
	PageBytes      = 1 << 20   // bytes of documents' bodies in one page of more than one; it ends early, Next goes on
	DefaultPage    = 100
	MaxHops        = 8 // times an event passes through plugins and federates
	MaxCallDepth   = 4 // actions inside one another
	MaxIndexFields = 4
)

// Limits that a manifest may ask to have changed and a grant sets.
const (
	DefaultMemory        = 64 << 20  // bytes of a module's linear memory
	DefaultProcessMemory = 256 << 20 // bytes of a process's resident memory
	DefaultQueueEvents   = 32768
	DefaultQueueBytes    = 64 << 20
	DefaultBatchEvents   = 64
	DefaultEmits         = 256     // of one call
	DefaultEmitBytes     = 1 << 20 // of one call
	DefaultHostCalls     = 1000    // of one call
	DefaultSnapshotBytes = 16 << 20
	DefaultBodyIn        = 1 << 20
	DefaultBodyOut       = 4 << 20
	DefaultLogLines      = 100 // a second

	DefaultEventsDeadline   = 250 * time.Millisecond // of one batch
	DefaultHTTPDeadline     = 5 * time.Second
	DefaultFilterDeadline   = 5 * time.Millisecond
	DefaultInitDeadline     = 10 * time.Second
	DefaultSnapshotDeadline = 2 * time.Second // of snapshot, and of restore
	DefaultFetchDeadline    = 10 * time.Second
)
