package store

import (
	"database/sql"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/takhost/takhost/core/store/storetest"
	"github.com/takhost/takhost/hostapi"
)

// foreignFile makes a database of another program. hold leaves it open in the
// middle of its work, with what it has beside the file.
func foreignFile(t *testing.T, journal string, hold bool) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "FTS Data?.db")
	db, err := sql.Open("sqlite", sqliteURI(path)+"?_pragma=journal_mode("+journal+")")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	for _, s := range []string{
		`CREATE TABLE SystemUser (uid VARCHAR(80) PRIMARY KEY, Name VARCHAR(15), "group" VARCHAR(15), n INTEGER, b BLOB)`,
		`INSERT INTO SystemUser VALUES ('1', 'admin', NULL, 7, x'4142'), ('u2', 'zoë', 'Cyan', 1.5, NULL)`,
		`CREATE TABLE "odd ""name" (x)`,
	} {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	if !hold {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// folder tells all that is in the folder of a file, with contents and times.
func folder(t *testing.T, path string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(filepath.Dir(path), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		b, err := os.ReadFile(p)
		all[d.Name()] = info.ModTime().String() + string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestReadTable(t *testing.T) {
	want := []map[string]string{
		{"uid": "1", "name": "admin", "n": "7", "b": "AB"},
		{"uid": "u2", "name": "zoë", "group": "Cyan", "n": "1.5"},
	}
	for name, tt := range map[string]struct {
		journal string
		hold    bool
	}{
		"as FreeTAKServer leaves it": {"DELETE", false},
		"with a write-ahead log":     {"WAL", false},
		"while its program runs":     {"WAL", true},
		"with a journal beside it":   {"PERSIST", true},
	} {
		t.Run(name, func(t *testing.T) {
			path := foreignFile(t, tt.journal, tt.hold)
			before := folder(t, path)
			for _, table := range []string{"SystemUser", "systemuser"} {
				got, err := ReadTable(testContext(t), path, table)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", table, diff)
				}
			}
			if got, err := ReadTable(testContext(t), path, `odd "name`); err != nil || len(got) != 0 {
				t.Errorf("a table without rows: got %v, %v", got, err)
			}
			if _, err := ReadTable(testContext(t), path, "APIUsers"); CodeOf(err) != NotFound {
				t.Errorf("no such table: got %v, want not_found", err)
			}
			if diff := cmp.Diff(before, folder(t, path)); diff != "" {
				t.Errorf("the folder was changed:\n%s", diff)
			}
		})
	}
}

func TestReadTableRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"text.db": strings.Repeat("no database ", 20), "short.db": "SQLite"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for file, want := range map[string]string{
		"text.db":  "it is no SQLite file",
		"short.db": "it is no SQLite file",
		"none.db":  "no such file",
	} {
		if _, err := ReadTable(testContext(t), filepath.Join(dir, file), "x"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", file, err, want)
		}
	}
}

func TestLookAt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := testContext(t)
		opt := options(t, dsn)
		dir := opt.Dir
		if dir == "" {
			dir = t.TempDir()
			opt.Dir = dir
		}
		l, err := LookAt(ctx, dsn, dir)
		if err != nil {
			t.Fatal(err)
		}
		if !l.Empty || l.Engine == "" || len(l.Newer) > 0 {
			t.Errorf("before the first start: got %+v", l)
		}
		if made := folder(t, filepath.Join(dir, "x")); len(made) > 0 {
			t.Errorf("looking has made files: %v", made)
		}

		s, err := Open(ctx, opt)
		if err != nil {
			t.Fatal(err)
		}
		records := []Record{{Kind: "group", ID: "7", Body: []byte(`{"a":1}`)}, {Kind: "user", ID: "ann", Body: []byte(`{}`)}}
		if err := s.ChangeRecords(ctx, records, nil, nil); err != nil {
			t.Fatal(err)
		}
		if err := s.SaveSet(ctx, 2, []hostapi.GroupID{1, 7}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(ctx); err != nil {
			t.Fatal(err)
		}
		before := folder(t, filepath.Join(dir, "x"))
		l, err = LookAt(ctx, dsn, dir)
		if err != nil {
			t.Fatal(err)
		}
		if l.Empty || l.Pending != 0 || len(l.Newer) > 0 || !strings.Contains(l.Engine, "SQL") {
			t.Errorf("after it: got %+v", l)
		}
		if diff := cmp.Diff(records, l.Records, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[hostapi.SetID][]hostapi.GroupID{1: {1}, 2: {1, 7}}, l.Sets); diff != "" {
			t.Errorf("sets (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(before, folder(t, filepath.Join(dir, "x"))); diff != "" {
			t.Errorf("looking has changed the folder:\n%s", diff)
		}
	})
}
