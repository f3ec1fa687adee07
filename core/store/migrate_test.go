package store

import (
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store/storetest"
	"github.com/takhost/takhost/hostapi"
)

func execute(t *testing.T, d *database, text string, args ...any) {
	t.Helper()
	if _, err := d.write.ExecContext(testContext(t), text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func TestMigrationsOfBothDialectsHaveTheSameNames(t *testing.T) {
	for _, part := range []string{"state", "archive"} {
		names := map[bool][]string{}
		for _, sqlite := range []bool{true, false} {
			files, err := migrations(part, sqlite)
			if err != nil {
				t.Fatal(err)
			}
			if names[sqlite], err = fs.Glob(files, "*"); err != nil {
				t.Fatal(err)
			}
			for _, name := range names[sqlite] {
				if !strings.HasSuffix(name, ".tx.up.sql") {
					t.Errorf("%s: %s would not run in a transaction", part, name)
				}
			}
		}
		if diff := cmp.Diff(names[true], names[false]); diff != "" || len(names[true]) == 0 {
			t.Errorf("%s: sqlite and postgres differ (-sqlite +postgres):\n%s", part, diff)
		}
	}
}

func TestDatabaseFromNewerVersion(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		for _, part := range []string{"state", "archive"} {
			o := options(t, dsn)
			s := open(t, o)
			d := s.state
			if part == "archive" {
				d = s.archive.db
				closeWriter(t, s)
			}
			execute(t, d, "INSERT INTO "+part+"_migrations (name, group_id) VALUES ('0042', 2)")
			if d.sqlite {
				if err := os.WriteFile(d.path+".before-0042_x", nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			closeStore(t, s)
			_, err := Open(testContext(t), o)
			if err == nil {
				t.Fatalf("%s: a database from a newer version was opened", part)
			}
			newest := map[string]string{"state": "0004", "archive": "0002"}[part]
			want := []string{"is from a newer version: it has migration 0042, this version knows none above " + newest, "run the newer takhost"}
			if d.sqlite {
				want = append(want, part+".db", "put the snapshot "+d.path+".before-0042_x in its place")
			} else {
				want = append(want, "restore the database from a backup")
			}
			for _, w := range want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%s: got error %q, want one with %q", part, err, w)
				}
			}
			if got := CodeOf(err); got != Conflict {
				t.Errorf("%s: got code %q, want %q", part, got, Conflict)
			}
			if !d.sqlite { // the parts share it
				u, err := parsePG(dsn)
				if err != nil {
					t.Fatal(err)
				}
				again, err := openPostgres(testContext(t), u, false)
				if err != nil {
					t.Fatal(err)
				}
				execute(t, again, "DELETE FROM "+part+"_migrations WHERE name = '0042'")
				_ = again.close()
			}
		}
	})
}

func TestKilledMigration(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := options(t, dsn)
		s := open(t, o)
		put(t, s, event(1, testTime))
		closeWriter(t, s)
		execute(t, s.archive.db, "INSERT INTO archive_migration_locks (table_name) VALUES ('archive_migrations')")
		closeStore(t, s)
		log := logTo(t, &o)
		s = open(t, o)
		log.wait(t, "a migration was interrupted; its lock is removed")
		if got := len(all(t, s, Query{})); got != 1 {
			t.Errorf("got %d events, want 1", got)
		}
		closeStore(t, s)
		log = logTo(t, &o)
		open(t, o)
		if n, _ := log.count("was interrupted"); n != 0 {
			t.Error("the lock was not removed for good")
		}
	})
}

func TestMigrationIsAllOrNothing(t *testing.T) {
	first := fstest.MapFS{"0001_a.tx.up.sql": {Data: []byte("CREATE TABLE part_a (x integer)")}}
	broken := fstest.MapFS{
		"0001_a.tx.up.sql": first["0001_a.tx.up.sql"],
		"0002_b.tx.up.sql": {Data: []byte("CREATE TABLE part_b (x integer)\n--bun:split\nINSERT INTO nowhere VALUES (1)")},
	}
	whole := fstest.MapFS{
		"0001_a.tx.up.sql": first["0001_a.tx.up.sql"],
		"0002_b.tx.up.sql": {Data: []byte("CREATE TABLE part_b (x integer)\n--bun:split\nINSERT INTO part_b VALUES (7)")},
	}
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := options(t, dsn)
		if err := o.setDefaults(); err != nil {
			t.Fatal(err)
		}
		state, d, err := openDatabases(testContext(t), &o)
		if err != nil {
			t.Fatal(err)
		}
		defer state.close()
		defer d.close()
		migrate := func(files fs.FS) error { return migratePart(testContext(t), d, "part", files, o.Log) }
		if err := migrate(first); err != nil {
			t.Fatal(err)
		}
		execute(t, d, "INSERT INTO part_a VALUES (1)")
		if err := migrate(broken); err == nil || !strings.Contains(err.Error(), "nowhere") {
			t.Errorf("broken migration: got error %v, want one about the missing table", err)
		}
		if _, err := d.write.ExecContext(testContext(t), "SELECT 1 FROM part_b"); err == nil {
			t.Error("the broken migration left its table behind")
		}
		for range 2 { // the second time there is nothing to do
			if err := migrate(whole); err != nil {
				t.Fatal(err)
			}
		}
		var x []int
		if err := d.write.NewRaw("SELECT x FROM part_b").Scan(testContext(t), &x); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int{7}, x); diff != "" {
			t.Errorf("rows of the migrated table (-want +got):\n%s", diff)
		}
		if d.sqlite {
			checkSnapshot(t, d.path+".before-0002_b")
		}
	})
}

func checkSnapshot(t *testing.T, path string) {
	t.Helper()
	f, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Mode().Perm(); got != 0o600 {
		t.Errorf("mode of the snapshot: got %o, want 600", got)
	}
	db, err := sql.Open("sqlite", sqliteURI(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var rows, tables int
	err = errors.Join(
		db.QueryRowContext(testContext(t), "SELECT COUNT(*) FROM part_a").Scan(&rows),
		db.QueryRowContext(testContext(t), "SELECT COUNT(*) FROM sqlite_master WHERE name = 'part_b'").Scan(&tables))
	if err != nil || rows != 1 || tables != 0 {
		t.Errorf("snapshot: got %d rows, %d new tables, error %v, want 1, 0, none", rows, tables, err)
	}
	if left, err := filepath.Glob(path + ".*"); err != nil || len(left) > 0 {
		t.Errorf("left beside the snapshot: %v, error %v", left, err)
	}
}

// TestAdvisoryLock: a second server waits for the first one's migration.
func TestAdvisoryLock(t *testing.T) {
	dsn := storetest.Postgres(t)
	o := options(t, dsn)
	u, err := parsePG(dsn)
	if err != nil {
		t.Fatal(err)
	}
	d, err := openPostgres(testContext(t), u, false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	unlock, err := advisoryLock(testContext(t), d, o.Log)
	if err != nil {
		t.Fatal(err)
	}
	log := logTo(t, &o)
	opened := make(chan *Store, 1)
	go func() {
		s, err := Open(testContext(t), o)
		if err != nil {
			t.Errorf("Open: %v", err)
		}
		opened <- s
	}()
	log.wait(t, "another server migrates the database, waiting for it")
	unlock()
	if s := <-opened; s != nil {
		closeStore(t, s)
	}
}

// TestUpgrade: a database of the former version, with what is in it, is brought
// to this one's form.
func TestUpgrade(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := options(t, dsn)
		first := func(part string) fs.FS {
			files, err := migrations(part, dsn == storetest.SQLite)
			if err != nil {
				t.Fatal(err)
			}
			names, err := fs.Glob(files, "0001_*")
			if err != nil || len(names) != 1 {
				t.Fatalf("first migration of %s: got %v, error %v", part, names, err)
			}
			b, err := fs.ReadFile(files, names[0])
			if err != nil {
				t.Fatal(err)
			}
			return fstest.MapFS{names[0]: {Data: b}}
		}
		at := event(1, testTime)
		for i, part := range []string{"state", "archive"} {
			var d *database
			var err error
			if dsn == storetest.SQLite {
				d, err = openSQLite(testContext(t), o.Dir, [2]sqliteFile{stateFile(), archiveFile(nil)}[i])
			} else {
				var u pgDSN
				if u, err = parsePG(dsn); err == nil {
					d, err = openPostgres(testContext(t), u, false)
				}
			}
			if err == nil {
				err = migratePart(testContext(t), d, part, first(part), slog.New(slog.DiscardHandler))
			}
			if err != nil {
				t.Fatal(err)
			}
			if part == "state" {
				execute(t, d, "INSERT INTO settings (key, value) VALUES ('k', 'v')")
			} else {
				execute(t, d, `INSERT INTO events (`+strings.TrimSuffix(eventColumns, ", via")+`) VALUES (?, ?, 0, 0, 1, '', '', 1, 'a-f-G', '', 'u', 0, 0, 0, NULL, NULL, 0, 0, 0, '', '', '', '<event/>')`, int64(at.ID), at.Recv)
				execute(t, d, "INSERT INTO event_hours (hour, min_id, max_id, events, bytes, ahead, behind) VALUES (?, ?, ?, 1, 438, 0, 0)", hourOf(at.Recv), int64(at.ID), int64(at.ID))
			}
			if err := d.close(); err != nil {
				t.Fatal(err)
			}
		}
		s := open(t, o)
		if v, err := s.Setting(testContext(t), "k"); err != nil || v != "v" {
			t.Errorf("setting: got %q, error %v, want v", v, err)
		}
		put(t, s, event(0, testTime.Add(-time.Second)))
		if ids, _ := after(t, s, Cursor{}, 0); !cmp.Equal(ids, []hostapi.ID{at.ID, event(0, testTime.Add(-time.Second)).ID}) {
			t.Errorf("events: got %v, want that of before, and a late one", ids)
		}
		emitted := event(2, testTime)
		emitted.Origin, emitted.Via = hostapi.FromPlugin, "geo"
		put(t, s, emitted)
		var via []string
		for _, e := range all(t, s, Query{Ascending: true}) {
			via = append(via, e.Via)
		}
		if diff := cmp.Diff([]string{"", "", "geo"}, via); diff != "" {
			t.Errorf("plugins that emitted the events (-want +got):\n%s", diff)
		}
		w := s.Plugins().Begin()
		mustPut(t, w, owner("a"), "plain", "x", "y")
		commit(t, w)
		if o.Dir != "" {
			for _, name := range []string{"state.db.before-0002_plugins", "archive.db.before-0002_late"} {
				if _, err := os.Stat(filepath.Join(o.Dir, name)); err != nil {
					t.Errorf("snapshot: %v", err)
				}
			}
		}
	})
}
