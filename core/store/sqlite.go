package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// sqliteFile describes one database file.
type sqliteFile struct {
	name        string
	synchronous string
	autoVacuum  string
	busyMillis  string
	pragmas     []string
}

func stateFile() sqliteFile {
	return sqliteFile{name: "state.db", synchronous: "FULL", autoVacuum: "NONE", busyMillis: "5000"}
}

// archiveFile: the cache holds the index pages of some 3,000 clients that report
// at the same time. Pages stay at 4 KiB: larger ones cost more for each client's
// index page. The busy timeout is short because the writer has its own retry and
// must see an abort. The log is copied into the file by the checkpointer; should
// it fail, the writer does so at 256 MB. After that the log is cut down to 128
// MB, which takes a while and should not happen in a usual hour.
func archiveFile(pragmas []string) sqliteFile {
	return sqliteFile{
		name: "archive.db", synchronous: "NORMAL", autoVacuum: "INCREMENTAL", busyMillis: "1000",
		pragmas: append([]string{"wal_autocheckpoint(64000)", "journal_size_limit(134217728)", "cache_size(-16000)"}, pragmas...),
	}
}

// dsn: page size and auto_vacuum must be set before the file is first written,
// which the driver does for its own keys; it sorts _pragma values.
func (f *sqliteFile) dsn(path string) string {
	q := url.Values{
		"_txlock": {"immediate"}, "_auto_vacuum": {f.autoVacuum}, "_journal_mode": {"WAL"},
		"_synchronous": {f.synchronous}, "_busy_timeout": {f.busyMillis}, "_foreign_keys": {"1"}, "_dqs": {"0"},
		"_error_rc": {"1"}, "_pragma": f.pragmas,
	}
	return sqliteURI(path) + "?" + q.Encode()
}

func (f *sqliteFile) readDSN(path string) string {
	q := url.Values{"_query_only": {"1"}, "_busy_timeout": {f.busyMillis}, "_dqs": {"0"}, "_error_rc": {"1"}}
	return sqliteURI(path) + "?" + q.Encode()
}

// sqliteURI keeps characters such as ? and % of the path apart from the query.
func sqliteURI(path string) string {
	p := filepath.ToSlash(path)
	if runtime.GOOS == "windows" && filepath.IsAbs(path) {
		p = "/" + p
	}
	return "file:" + (&url.URL{Path: p}).EscapedPath()
}

// sqliteReaders is the size of a pool that reads: each connection may use a
// processor for a while.
const sqliteReaders = 4

// openSQLite opens, and creates when missing, one file of the data folder.
func openSQLite(ctx context.Context, dir string, f sqliteFile) (*database, error) {
	path := filepath.Join(dir, f.name)
	// SQLite gives its log and index files the mode of the database file.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open database: %w; takhost must be able to read and write it", err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	w, err := sql.Open("sqlite", f.dsn(path))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	w.SetMaxOpenConns(1)
	r, err := sql.Open("sqlite", f.readDSN(path))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), w.Close())
	}
	r.SetMaxOpenConns(sqliteReaders)
	r.SetMaxIdleConns(sqliteReaders)
	d := &database{
		name: path, sqlite: true, path: path,
		write: bun.NewDB(w, sqlitedialect.New()), read: bun.NewDB(r, sqlitedialect.New()),
	}
	if err := w.PingContext(ctx); err != nil {
		remedy := "when the file is damaged, move it away or put a backup in its place"
		if faultOf(err) == faultFull {
			remedy = "free space on the disk"
		}
		return nil, errors.Join(fmt.Errorf("open %s: %w; %s", path, err, remedy), d.close())
	}
	return d, nil
}

// prepareDir makes sure that files can be created in dir, which it creates
// when missing, and says plainly what is wrong otherwise.
func prepareDir(dir string) error {
	if dir == "" {
		return invalidf("data folder: no name given")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create data folder: %w; choose another folder or make its parent writable", err)
	}
	f, err := os.CreateTemp(dir, ".write-test-*")
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("data folder %s is not writable: %w; give it to the user that runs takhost", dir, err)
		}
		return fmt.Errorf("data folder %s cannot be written: %w", dir, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// syncFile makes what was written to path survive a power cut.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
