package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/uptrace/bun/migrate"

	"github.com/takhost/takhost/hostapi"
)

// Look is what a database shows to somebody who changes nothing.
type Look struct {
	Engine  string   // such as SQLite 3.50.1
	Empty   bool     // nothing is in it yet: the first start makes all
	Newer   []string // migrations that this version does not know: a newer takhost was here
	Pending int      // migrations that the next start will do
	Records []Record
	Sets    map[hostapi.SetID][]hostapi.GroupID
}

// LookAt looks at a database without changing it, or making one. No server may
// be running on an SQLite one.
func LookAt(ctx context.Context, dsn, dir string) (Look, error) {
	if dsn == "sqlite" {
		return lookAtSQLite(ctx, dir)
	}
	d, err := parsePG(dsn)
	if err != nil {
		return Look{}, err
	}
	pool, _ := d.pool(pgWait, map[string]any{"default_transaction_read_only": "on", "statement_timeout": pgWait.Milliseconds()})
	defer pool.Close()
	if err := pool.PingContext(ctx); err != nil {
		return Look{}, d.explain(err)
	}
	l := Look{}
	if err := pool.QueryRowContext(ctx, "SELECT 'PostgreSQL ' || current_setting('server_version')").Scan(&l.Engine); err != nil {
		return Look{}, fmt.Errorf("read %s: %w", d, err)
	}
	has := "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = '%s'"
	if err := l.read(ctx, pool.DB, pool.DB, false, has); err != nil {
		return Look{}, fmt.Errorf("read %s: %w", d, err)
	}
	return l, nil
}

func lookAtSQLite(ctx context.Context, dir string) (l Look, err error) {
	var dbs [2]*sql.DB
	for i, file := range []string{stateFile().name, archiveFile(nil).name} {
		path := filepath.Join(dir, file)
		db, done, err := openForeign(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Look{}, fmt.Errorf("open %s: %w; when the file is damaged, put a backup in its place", path, err)
		}
		defer func() { err = errors.Join(err, done()) }()
		dbs[i] = db
	}
	if dbs[0] == nil {
		return Look{Empty: true, Engine: "SQLite"}, nil
	}
	if err := dbs[0].QueryRowContext(ctx, "SELECT 'SQLite ' || sqlite_version()").Scan(&l.Engine); err != nil {
		return Look{}, fmt.Errorf("read %s: %w; when the file is damaged, put a backup in its place", filepath.Join(dir, stateFile().name), err)
	}
	if err := l.read(ctx, dbs[0], dbs[1], true, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '%s'"); err != nil {
		return Look{}, fmt.Errorf("read the database in %s: %w; when it is damaged, put a backup in its place", dir, err)
	}
	return l, nil
}

// read fills l. has asks whether there is a table; archive may be nil.
func (l *Look) read(ctx context.Context, state, archive *sql.DB, sqlite bool, has string) error {
	there := func(db *sql.DB, table string) (bool, error) {
		if db == nil {
			return false, nil
		}
		var n int
		err := db.QueryRowContext(ctx, fmt.Sprintf(has, table)).Scan(&n)
		return n > 0, err
	}
	known := 0
	for part, db := range map[string]*sql.DB{"state": state, "archive": archive} {
		ok, err := there(db, part+"_migrations")
		if err != nil {
			return err
		}
		var done []string
		if ok {
			known++
			if done, err = texts(ctx, db, "SELECT name FROM "+part+"_migrations ORDER BY name"); err != nil {
				return err
			}
		}
		if err := l.compare(part, sqlite, done); err != nil {
			return err
		}
	}
	slices.Sort(l.Newer)
	l.Empty = known == 0
	if ok, err := there(state, "records"); err != nil || !ok {
		return err
	}
	rows, err := state.QueryContext(ctx, "SELECT kind, id, body FROM records ORDER BY kind, id")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r Record
		if err := rows.Scan(&r.Kind, &r.ID, &r.Body); err != nil {
			return err
		}
		l.Records = append(l.Records, r)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	return l.readSets(ctx, state)
}

func (l *Look) readSets(ctx context.Context, state *sql.DB) error {
	rows, err := state.QueryContext(ctx, "SELECT id, members FROM group_sets")
	if err != nil {
		return err
	}
	defer rows.Close()
	l.Sets = map[hostapi.SetID][]hostapi.GroupID{}
	for rows.Next() {
		var id hostapi.SetID
		var members string
		if err := rows.Scan(&id, &members); err != nil {
			return err
		}
		if l.Sets[id], err = parseMembers(members); err != nil {
			return fmt.Errorf("group set %d: %w", id, err)
		}
	}
	return rows.Err()
}

// compare tells the migrations that were done from those that this version has.
func (l *Look) compare(part string, sqlite bool, done []string) error {
	files, err := migrations(part, sqlite)
	if err != nil {
		return err
	}
	known := migrate.NewMigrations()
	if err := known.Discover(files); err != nil {
		return fmt.Errorf("read migrations of %s: %w", part, err)
	}
	var names []string
	for _, m := range known.Sorted() {
		names = append(names, m.Name)
		if !slices.Contains(done, m.Name) {
			l.Pending++
		}
	}
	for _, name := range done {
		if !slices.Contains(names, name) {
			l.Newer = append(l.Newer, name+" of "+part)
		}
	}
	return nil
}

func texts(ctx context.Context, db *sql.DB, query string) (all []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// FreeDisk tells how many bytes are free for this process on the file system of
// dir, and how many it has in total.
func FreeDisk(dir string) (free, total uint64, err error) { return freeDisk(dir) }
