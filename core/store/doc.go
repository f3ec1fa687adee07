// Package store keeps what must survive a restart: the archive of events, what
// belongs to plugins, the settings, the interned group sets, the core's small
// records, the audit, and files of any size. It is the only package that knows
// SQL; it does not know sockets, routing or configuration.
//
// Two databases stand behind it. With SQLite these are two files, so that bulk
// never waits for state nor state for bulk: state.db, where a success means on
// the disk (synchronous=FULL), and archive.db, whose log is synced once a
// second. With PostgreSQL both live in one database. Each file, and each use
// of PostgreSQL, has a pool that writes and a pool that reads.
//
// All methods of Store, Archive, Plugins and Blobs are safe for concurrent use.
// Archive.Routed never waits: events go into a bounded queue, one goroutine
// writes them in batches and, between batches, removes what retention no longer
// keeps, so nothing contends for the write lock. A second goroutine syncs the
// log, looks at the free disk space and reports what was dropped.
//
// What a plugin's call writes is a Work. It reads freely, stages its writes, and
// is committed by a third goroutine, which puts the Works of all plugins that
// wait into one transaction: it reads the rows that they have read or want to
// change, checks one Work after the other against them, and writes what those
// leave that passed. Nobody else may be between these reads and writes: a lock
// within the process, and the row of commits among several servers, see to it.
//
// Open starts the goroutines, Close waits for them.
package store
