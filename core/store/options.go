package store

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options say where the data lies and how the archive keeps it.
type Options struct {
	// DSN is "sqlite" or postgres://user:password@host:port/database. Known
	// options of the URL: sslmode (disable, require, verify-ca, verify-full),
	// sslrootcert, sslcert, sslkey, host (folder of a unix socket),
	// application_name, connect_timeout. TLS always checks the server's
	// certificate; without sslmode only unix sockets and loopback addresses
	// are talked to in the clear.
	DSN string

	// Dir is the data folder: home of state.db and archive.db, and with
	// SQLite the file system whose free space counts. The caller holds
	// LockDir(Dir).
	Dir string

	Archive ArchiveOptions
	Blobs   BlobOptions

	Log     *slog.Logger          // nil: nothing is logged
	Metrics prometheus.Registerer // nil: nothing is registered

	// FreeDisk tells how many bytes are free on the file system of dir for
	// this process, and how many it has in total. Now is the wall clock. Both
	// have defaults; tests give their own.
	FreeDisk func(dir string) (free, total uint64, err error)
	Now      func() time.Time

	test testOptions
}

// ArchiveOptions say which events are kept, how long, and how many may wait.
type ArchiveOptions struct {
	Types []string      // globs of CoT types, such as "*", "a-f-*", "b-t-f"; empty: nothing is archived
	Keep  time.Duration // age at which an event goes; 0: never
	Max   int64         // bytes of all events, reckoned as xml + RowBytes each; 0: no limit

	QueueEvents int   // events that may wait for the database; 0: 65,536
	QueueBytes  int64 // their bytes; 0: 64 MiB
}

// testOptions are what the tests of this package turn.
type testOptions struct {
	pragmas    []string             // further _pragma= of archive.db
	elapsed    func() time.Duration // the clock that nobody sets
	diskEvery  time.Duration
	sweepEvery time.Duration
	blobEvery  time.Duration
	sweepWait  time.Duration // age sweeps wait so long after a start with a doubtful clock
	searchTime time.Duration
	commitHook func(committed bool) // called before and after the commit of a group of Works

	letters     int64 // dead letters of a plugin, and their bytes
	letterBytes int64
}

const (
	defaultQueueEvents = 65_536
	defaultQueueBytes  = 64 << 20

	diskEvery  = 5 * time.Second
	sweepEvery = time.Minute
	sweepWait  = 10 * time.Minute

	// searchTime ends a page that few events match, so that a query over a
	// large archive answers and can be carried on or given up.
	searchTime = 2 * time.Second
)

func (o *Options) setDefaults() error {
	a := &o.Archive
	switch {
	case a.Keep < 0:
		return invalidf("archive keep: %v is negative", a.Keep)
	case a.Max < 0:
		return invalidf("archive max: %d is negative", a.Max)
	case o.Blobs.Quota < 0:
		return invalidf("quota of files: %d is negative", o.Blobs.Quota)
	case a.QueueEvents < 0 || a.QueueBytes < 0:
		return invalidf("archive queue: %d events, %d bytes: must not be negative", a.QueueEvents, a.QueueBytes)
	}
	setDefault(&a.QueueEvents, defaultQueueEvents)
	setDefault(&a.QueueBytes, defaultQueueBytes)
	setDefault(&o.test.diskEvery, diskEvery)
	setDefault(&o.test.sweepEvery, sweepEvery)
	setDefault(&o.test.blobEvery, blobSweepEvery)
	setDefault(&o.test.sweepWait, sweepWait)
	setDefault(&o.test.searchTime, searchTime)
	setDefault(&o.test.letters, maxLetters)
	setDefault(&o.test.letterBytes, maxLetterBytes)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.FreeDisk == nil {
		o.FreeDisk = freeDisk
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.test.elapsed == nil {
		o.test.elapsed = elapsed
	}
	return nil
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
