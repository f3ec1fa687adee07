package store

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/takhost/takhost/hostapi"
)

// Blobs keeps files of any size under the SHA-256 of their content. The bytes
// lie in the data folder; a row of the database says that a file is there, rows
// of plugins who needs it. One that nobody needs is removed an hour after it was
// last written or given up, or as soon as room is short, see Hold and graceTime.
//
// A file is written beside its place, synced, entered in the database and then
// renamed. So what has a row and a name is whole, also after a crash or a power
// cut; what was half written is removed at the next start. A row without its
// file, left by a crash just between, counts as not there.
//
// All methods are safe for concurrent use.
type Blobs struct {
	files   *blobFiles
	plugins *Plugins
	log     *slog.Logger
	opt     BlobOptions
	disk    func(dir string) (free, total uint64, err error)
	clock   *clock

	writing  atomic.Int64 // bytes of unfinished files
	metrics  *blobMetrics
	reclaims sync.Mutex // held while files are removed because room is short; taken before removes
	removes  sync.Mutex // held while any are: a file that is set aside has one name

	stop context.CancelFunc // ends the goroutine that sweeps
	wait sync.WaitGroup
}

// BlobOptions say how much room files may take.
type BlobOptions struct {
	Quota int64 // bytes of all files; 0: no limit but the disk
}

// BlobTTL is how long a file stays that nobody keeps, unless room is short.
const BlobTTL = time.Hour

// Blob is a file of the store.
type Blob struct {
	Hash        string // SHA-256, in lower-case hexadecimal digits
	Size        int64
	ContentType string // as whoever wrote it said, and so the name
	Name        string
}

var selectBlobs = onRows("SELECT hash, size, refs, touched, content_type, name", "blobs", "hash")

func newBlobs(ctx context.Context, p *Plugins, opt *Options) (*Blobs, error) {
	files, err := newBlobFiles(opt.Dir)
	if err != nil {
		return nil, err
	}
	b := &Blobs{files: files, plugins: p, log: opt.Log, opt: opt.Blobs, disk: opt.FreeDisk, clock: newClock(opt.Now, opt.test.elapsed)}
	p.room.quota.Store(opt.Blobs.Quota)
	err = p.list(ctx, func() {}, "SELECT COUNT(*), CAST(COALESCE(SUM(size), 0) AS bigint) FROM blobs", nil, func(rows *sql.Rows) error {
		var n, size int64
		err := rows.Scan(&n, &size)
		p.room.files.Store(n)
		p.room.bytes.Store(size)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count files: %w", err)
	}
	b.metrics, err = newBlobMetrics(b, opt.Metrics)
	return b, err
}

// Blobs gives the part of the store that keeps files.
func (s *Store) Blobs() *Blobs { return s.blobs }

// SetQuota changes how many bytes all files may have; 0 is no limit. What is
// there stays.
func (b *Blobs) SetQuota(bytes int64) { b.plugins.room.quota.Store(max(bytes, 0)) }

// Total tells how many files there are, and their bytes.
func (b *Blobs) Total() (files, bytes int64) {
	return b.plugins.room.files.Load(), b.plugins.room.bytes.Load()
}

// Stat tells about a file; the error has the code not_found when there is none.
func (b *Blobs) Stat(ctx context.Context, hash string) (Blob, error) {
	path, err := b.files.path(hash)
	if err != nil {
		return Blob{}, fmt.Errorf("look for a file: %w", err)
	}
	row, err := b.plugins.blob(ctx, hash)
	if err == nil && !isFile(path, row.Size) {
		err = noBlob(hash)
	}
	if err != nil {
		return Blob{}, fmt.Errorf("look for a file: %w", err)
	}
	return row, nil
}

func noBlob(hash string) error {
	return &Error{Code: NotFound, Msg: "there is no file " + hash}
}

// blob reads the row of a file.
func (p *Plugins) blob(ctx context.Context, hash string) (Blob, error) {
	var r blobRow
	err := p.find(ctx, &selectBlobs, 1, nameArgs([]string{hash}), func(rows *sql.Rows) (err error) {
		r, err = scanBlob(rows)
		return err
	})
	if err == nil && !r.isBlob() {
		err = noBlob(hash)
	}
	return r.Blob, err
}

// Owned gives what an owner of the plugin keeps, in the order of hashes, up to
// hostapi.MaxPage files.
func (p *Plugins) Owned(ctx context.Context, plugin, owner string) ([]Blob, error) {
	var blobs []Blob
	err := p.list(ctx, func() { blobs = nil }, "SELECT hash, size, content_type, name FROM blob_refs WHERE plugin = ? AND owner = ? ORDER BY hash LIMIT ?",
		[]any{plugin, owner, hostapi.MaxPage}, func(rows *sql.Rows) error {
			var b Blob
			err := rows.Scan(&b.Hash, &b.Size, &b.ContentType, &b.Name)
			blobs = append(blobs, b)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("read what %q of plugin %s keeps: %w", owner, plugin, err)
	}
	return blobs, nil
}
