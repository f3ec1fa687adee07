package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// maxForeign is how many rows of a table of another program are read.
const maxForeign = 100_000

// ReadTable gives all rows of a table in an SQLite file of another program, each
// by the names of its columns in lower case; what is NULL is left out. Nothing
// beside the file is changed, and no file appears there: one that its program has
// left in the middle of a change, or that it is writing, is read from a copy. A
// table that is not there is an error with the code not_found.
func ReadTable(ctx context.Context, path, table string) (rows []map[string]string, err error) {
	db, done, err := openForeign(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, done()) }()
	rows, err = readTable(ctx, db, table)
	if err != nil {
		return nil, fmt.Errorf("read %s of %s: %w", table, path, err)
	}
	return rows, nil
}

func readTable(ctx context.Context, db *sql.DB, table string) (all []map[string]string, err error) {
	var n int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND lower(name) = lower(?)", table).Scan(&n); err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, &Error{Code: NotFound, Msg: "there is no such table"}
	}
	rows, err := db.QueryContext(ctx, `SELECT * FROM "`+strings.ReplaceAll(table, `"`, `""`)+`"`)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values, to := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range values {
		to[i] = &values[i]
	}
	for rows.Next() {
		if len(all) == maxForeign {
			return nil, &Error{Code: Limit, Msg: fmt.Sprintf("it has more than %d rows", maxForeign)}
		}
		if err := rows.Scan(to...); err != nil {
			return nil, err
		}
		row := make(map[string]string, len(columns))
		for i, c := range columns {
			if values[i].Valid {
				row[strings.ToLower(c)] = values[i].String
			}
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// walMark is what an SQLite file has at walAt when it works with a write-ahead
// log (https://www.sqlite.org/fileformat2.html, 1.3).
const (
	walAt   = 18
	walMark = 2
)

// openForeign opens a file for reading. done closes it.
func openForeign(path string) (db *sql.DB, done func() error, err error) {
	wal, err := isWAL(path)
	if err != nil {
		return nil, nil, err
	}
	options, remove := url.Values{"mode": {"ro"}}, func() error { return nil }
	switch {
	case exists(path + "-wal"), exists(path + "-journal"):
		if path, remove, err = copyAside(path); err != nil {
			return nil, nil, err
		}
		options = url.Values{}
	case wal:
		options.Set("immutable", "1") // else SQLite makes files beside it
	}
	options.Set("_query_only", "1")
	options.Set("_busy_timeout", "5000")
	db, err = sql.Open("sqlite", sqliteURI(path)+"?"+options.Encode())
	if err != nil {
		return nil, nil, errors.Join(err, remove())
	}
	db.SetMaxOpenConns(1)
	return db, func() error { return errors.Join(db.Close(), remove()) }, nil
}

func isWAL(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	var head [walAt + 1]byte
	_, err = io.ReadFull(f, head[:])
	if errors.Is(err, io.EOF) {
		return false, nil // a database without tables
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || err == nil && string(head[:16]) != "SQLite format 3\x00" {
		return false, errors.New("it is no SQLite file")
	}
	return head[walAt] == walMark, err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// copyAside copies a database with its logs into a folder that others cannot
// enter.
func copyAside(path string) (copied string, remove func() error, err error) {
	dir, err := os.MkdirTemp("", "takhost-read-*")
	if err != nil {
		return "", nil, err
	}
	remove = func() error { return os.RemoveAll(dir) }
	to := filepath.Join(dir, "copy.db")
	for _, part := range []string{"", "-journal", "-wal"} { // the log last: what it misses is older than it
		err := copyFile(to+part, path+part)
		if err != nil && (part == "" || !errors.Is(err, fs.ErrNotExist)) {
			return "", nil, errors.Join(fmt.Errorf("copy it aside: %w", err), remove())
		}
	}
	return to, remove, nil
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
